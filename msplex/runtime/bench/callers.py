"""Callers that do not stop because something is gone for a moment, and who takes it away from them."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from msplex.runtime.bench.calls import request_of
from msplex.runtime.bench.sealing import is_up
from msplex.runtime.children import Child
from msplex.runtime.processes import wait_until
from msplex.runtime.world import World


def told_of(world: World, token: str, tool: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
    """What a caller is told of one call: that it is done, or why not; and whether to try again."""
    body, headers = request_of(token, "tools/call", {"name": tool, "arguments": arguments})
    parts = urlsplit(world.gateway)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request("POST", parts.path, body, headers)
        answer = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return "no answer", True
    finally:
        connection.close()
    told = answer.get("result") or answer["error"].get("data") or {}
    if told.get("structuredContent"):
        return "done", False
    refusal = (told.get("_meta") or told).get("io.msplex/refusal") or {}
    return str(refusal.get("code", "refused")), bool(refusal.get("retryable"))


def kill(child: Child) -> None:
    """At once, with whatever it has in its hands, and not while it starts; another takes its place when it is ready."""
    wait_until(lambda: is_up(child), 60)
    child.kill()
    child.start()
