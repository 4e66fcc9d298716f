"""A mail server that is not there yet."""

import socketserver
import threading
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def smtp_server() -> Iterator[tuple[Callable[[], list[str]], int]]:
    """Its port, taken already; it answers once it is called: then, what it has heard."""
    from tests.identity.test_mail import _Smtp  # noqa: PLC0415 -- not before the settings are there

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp, bind_and_activate=False)
    server.server_bind()  # nobody listens: who connects is refused
    server.heard = []  # type: ignore[attr-defined]
    threads: list[threading.Thread] = []

    def begin() -> list[str]:
        server.server_activate()
        threads.append(threading.Thread(target=server.serve_forever, daemon=True))
        threads[0].start()
        return server.heard  # type: ignore[attr-defined,no-any-return]

    yield begin, server.server_address[1]
    if threads:
        server.shutdown()
        threads[0].join()
    server.server_close()
