"""A real server and a real browser. Without a Chromium the tests that need one are skipped, and say so."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as deployment
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.portal.watch import Watched, watch

CHROMIUM = os.environ.get("MSPLEX_CHROMIUM", "/usr/bin/chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Requests are not worth a line each."""


@pytest.fixture(scope="session")
def portal_url(_database: None) -> Iterator[str]:
    """The whole application, as the portal's process serves it, on a port of its own."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), QuietHandler)
    server.set_app(get_wsgi_application())  # as msplex.wsgi does, which refuses what is none of its processes
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no browser: {CHROMIUM} is not there (set MSPLEX_CHROMIUM, or apt-get install chromium)")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # playwright's own event loop runs in this thread
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def no_queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The queue's address is one where nobody listens."""
    from celery import current_app  # noqa: PLC0415 -- needs the settings of the run

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening: whoever calls is refused
        monkeypatch.setattr(current_app.conf, "broker_write_url", f"redis://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setattr(current_app.amqp, "_producer_pool", None)
        yield


@pytest.fixture
def context(chromium: Browser, portal_url: str) -> Iterator[BrowserContext]:
    opened = chromium.new_context(base_url=portal_url, viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()


@pytest.fixture
def watched(context: BrowserContext) -> Iterator[Watched]:
    """A page that must not break the policy, log an error or ask for what is not there."""
    seen = watch(context.new_page())
    yield seen
    assert seen.complaints == []


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


@pytest.fixture
def as_person(context: BrowserContext, portal_url: str):
    """Sign a person in without the door, for tests of what is behind it."""

    def enter(person) -> None:
        value = person.browser().cookies[deployment.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": deployment.SESSION_COOKIE_NAME, "value": value, "url": portal_url}])

    return enter
