"""The fixtures are for tests: an installation does not have them, and does not start with them."""

import ast
import asyncio

import pytest
from django.conf import settings

from msplex.runtime.conformance.proxy import adding
from msplex.runtime.conformance.suite import LEGS
from msplex.runtime.home import ROOT
from tests.conformance.server import refuse_production
from tests.gateway.door import in_a_thread

APPS = ("approvals", "audit", "billing", "connectors", "identity", "msplex", "tenants")


def test_no_code_of_the_product_imports_tests():
    """Read in a thread of its own: a browser's greenlets in this one confuse the parser of Python 3.11."""
    files = [path for app in APPS for path in (ROOT / app).rglob("*.py")]

    assert len(files) > len(APPS)
    assert [path for path in files if "tests" in in_a_thread(_imported_by, path)] == []


def _imported_by(path):
    """The first part of the name of each module that is imported there."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    named = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    named += [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
    return {name.partition(".")[0] for name in named}


@pytest.mark.parametrize("mode", ["production", "something else"])
def test_the_fixtures_refuse_an_installation(monkeypatch, mode):
    monkeypatch.setattr(settings, "PRODUCTION", mode == "production")
    monkeypatch.setattr(settings, "MSPLEX_ENV", mode)

    with pytest.raises(SystemExit):
        refuse_production()


def test_both_revisions_are_asked_whole_and_every_scenario_of_tasks():
    assert "tasks" in {leg.name for leg in LEGS}
    assert {leg.revision for leg in LEGS if not leg.scenarios} == {"2026-07-28", "2025-11-25"}


def test_the_proxy_adds_the_token_and_nothing_else():
    seen, gone = [], None

    async def upstream(reader, writer):
        for _ in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            seen.append((head, await reader.readexactly(3 if b"content-length: 3" in head else 0)))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    async def ask():
        nonlocal gone
        gone = asyncio.Event()
        server = await asyncio.start_server(upstream, "127.0.0.1", 0)
        async with server, adding("T", to=server.sockets[0].getsockname()[1]) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /mcp HTTP/1.1\r\nHost: evil.example\r\ncontent-length: 3\r\n\r\nabc")
            first = await reader.readuntil(b"ok")
            writer.write(b"GET /mcp HTTP/1.1\r\nHost: here\r\n\r\n")
            second = await reader.readuntil(b"ok")
            writer.close()
            await writer.wait_closed()
            await gone.wait()
            return first, second

    first, second = in_a_thread(lambda: asyncio.run(ask()))

    assert first == second == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    assert seen == [
        (b"POST /mcp HTTP/1.1\r\nAuthorization: Bearer T\r\nHost: evil.example\r\ncontent-length: 3\r\n\r\n", b"abc"),
        (b"GET /mcp HTTP/1.1\r\nAuthorization: Bearer T\r\nHost: here\r\n\r\n", b""),
    ]
