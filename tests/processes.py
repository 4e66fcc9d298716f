"""The real thing: gateway, broker and the stub vendor in processes of their own, PostgreSQL and Valkey between them.

A plugin, so that there is one of each for a worker: two brokers at one queue would take each other's calls. It is read
before Django is set up, so what needs models is imported inside.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.conftest import as_role, role_url, stack_redis
from tests.connectors.vendor import StubVendor

ROOT = Path(__file__).parents[1]
COMMON = ("PATH", "MSPLEX_CONTEXT_KEY", "MSPLEX_RECORD_KEY", "MSPLEX_VENDOR_NETWORKS", "LANG")
WAIT = 120


def environment(process: str, role: str, *keys: str) -> dict[str, str]:
    """What a process of a deployment gets: its role, its keys, nothing else."""
    kept = {name: os.environ[name] for name in (*COMMON, *keys) if name in os.environ}
    return kept | {
        "DATABASE_URL": role_url(f"msplex_{role}", os.environ["MSPLEX_TEST_DATABASE"]),
        "MSPLEX_ENV": "test",
        "MSPLEX_PROCESS": process,
        "REDIS_URL": stack_redis(),
        "PYTHONUNBUFFERED": "1",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            assert process.poll() is None, f"{process.args} ended"
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.05)
        else:
            return


class Broker:
    """The process that runs calls; it can be killed and started anew."""

    def start(self, output: IO[bytes] | None = None, **more: str) -> None:
        """`output`: where what it says goes, in lines of JSON, as `more` has it."""
        env = environment(
            "broker", "broker", "MSPLEX_BROKER_SIGNING_KEY", "MSPLEX_BROKER_ROOT_KEY", "MSPLEX_BROKER_KEYRING",
            "MSPLEX_SEAL_SECONDS",
        )  # fmt: skip
        command = [sys.executable, "manage.py", "run_calls"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=env | more, stdout=output or subprocess.PIPE)
        if output:
            self._wait_for_line(output)
            return
        assert self.process.stdout
        with self.process.stdout as said:
            assert said.readline() == b"The broker takes calls.\n"

    def _wait_for_line(self, output: IO[bytes]) -> None:
        deadline = time.monotonic() + WAIT
        while b"The broker takes calls." not in Path(output.name).read_bytes():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)


@pytest.fixture(scope="session")
def broker_process(_database: None, sealer: None) -> Iterator[Broker]:
    broker = Broker()
    broker.start()
    yield broker
    assert broker.stop() == 0


@pytest.fixture(scope="session")
def gateway_url(broker_process: Broker) -> Iterator[str]:
    with gateway(stack_redis()) as url:
        yield url


@contextmanager
def gateway(redis_url: str, *, port: int = 0, output: IO[bytes] | None = None, **more: str) -> Iterator[str]:
    port = port or free_port()
    command = [
        sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port),
        "--no-ws", "--workers-kill-timeout", "1", "--log-level", "warning", "msplex.gateway.asgi:application",
    ]  # fmt: skip
    command += ["--log-config", str(ROOT / "msplex" / "logs" / "granian.json")] if output else []
    env = environment("gateway", "app", "MSPLEX_TOKEN_VERIFY_KEY") | {"REDIS_URL": redis_url} | more
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output)
    wait_for(f"http://127.0.0.1:{port}/healthz", process)
    yield f"http://127.0.0.1:{port}/mcp"
    process.terminate()
    process.wait(20)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stub/requests", timeout=1) as reply:
            return bool(json.load(reply))
    except OSError:
        return False


@contextmanager
def stub_of(module: str) -> Iterator[str]:
    """A vendor's stand-in in its own process; its address."""
    port = free_port()
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
