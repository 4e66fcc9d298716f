"""A real stub vendor in its own process, and a broker to call it.

This file is read before Django is set up, so what needs models is imported inside.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import as_role
from tests.connectors.vendor import StubVendor

ROOT = Path(__file__).parents[2]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stub/requests", timeout=1) as reply:
            return bool(json.load(reply))
    except OSError:
        return False


@contextlib.contextmanager
def stub_of(module: str) -> Iterator[str]:
    """A vendor's stand-in in its own process; its address."""
    port = _free_port()
    command = [sys.executable, "-m", module, "--port", str(port)]
    # Nothing of Django in its environment: it has to run without.
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + 20
        while not _answers(port):
            assert process.poll() is None, "the stub ended"
            assert time.monotonic() < deadline, "the stub does not answer"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def stub_process() -> Iterator[str]:
    with stub_of("connectors.vendors.halopsa.stub") as url:
        yield url


@pytest.fixture
def vendor(stub_process: str) -> Iterator[StubVendor]:
    from connectors.access_tokens import TOKENS  # noqa: PLC0415

    TOKENS.clear()
    stub = StubVendor(stub_process)
    stub.behave("honest")
    stub.reset()
    yield stub
    stub.behave("honest")


@pytest.fixture
def broker(settings: object, sealer: None) -> Iterator[None]:
    """This process is the broker: its name, its database role, its key; and what it records is sealed."""
    settings.MSPLEX_PROCESS = "broker"  # type: ignore[attr-defined]
    with as_role("broker"):
        yield


@pytest.fixture
def connected(vendor: StubVendor) -> object:
    from tests.connectors.factories import connect  # noqa: PLC0415

    with as_role("app"):
        return connect(vendor)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was handed to the queue."""
    from connectors.tasks import check_instance  # noqa: PLC0415

    messages: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        type(check_instance._get_current_object()), "apply_async", lambda _self, *args, **_kwargs: messages.append(args)
    )
    return messages
