"""The address on which a process tells its numbers. Not that of its door, and on this machine unless told otherwise."""

import json
import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from msplex.metrics.text import CONTENT_TYPE, exposition
from msplex.pulse import PULSE
from msplex.readiness import readiness

logger = logging.getLogger(__name__)
_SECONDS = 5
JSON = "application/json"


class _Handler(BaseHTTPRequestHandler):
    timeout = _SECONDS
    server_version, sys_version = "msplex", ""

    def do_GET(self) -> None:
        match self.path:
            case "/metrics":
                self._answer(200, CONTENT_TYPE, exposition())
            case "/healthz":
                alive = PULSE.is_regular()
                self._answer(200 if alive else 503, JSON, json.dumps({"status": "ok" if alive else "stuck"}))
            case "/readyz":
                found = readiness()
                self._answer(found.status, JSON, json.dumps(found.as_json()))
            case _:
                self._answer(404, "text/plain", "Here are /metrics, /healthz and /readyz.\n")

    def _answer(self, status: int, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """It is asked all the time."""


class _Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


def serve_metrics() -> ThreadingHTTPServer | None:
    """From a thread of its own, as long as the process lives; not at all without an address."""
    if not settings.METRICS_ADDRESS:
        return None
    address = address_of(settings.METRICS_ADDRESS)
    try:
        server = (_Server6 if ":" in address[0] else ThreadingHTTPServer)(address, _Handler)
    except OSError:  # a process of several workers: the first of them has it
        logger.exception("the metrics are not served: the address is in use, or not of this machine")
        return None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True, name="metrics").start()
    return server


def address_of(text: str) -> tuple[str, int]:
    """`9400` or `127.0.0.1:9400` or `[::1]:9400`; a port alone is of the loopback."""
    host, _, port = text.rpartition(":")
    if not port.isdigit():
        raise ImproperlyConfigured("MSPLEX_METRICS_ADDRESS must be a port, or an address and a port.")
    return host.strip("[]") or "127.0.0.1", int(port)
