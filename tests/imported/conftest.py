"""Read before Django is set up, so what needs models is imported inside."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import as_role
from tests.connectors.vendor import StubVendor
from tests.processes import stub_of


@pytest.fixture(scope="session")
def mcp_process() -> Iterator[str]:
    with stub_of("connectors.imported.stub") as url:
        yield url


@pytest.fixture
def server(mcp_process: str) -> Iterator[StubVendor]:
    stub = StubVendor(mcp_process)
    stub.behave("honest")
    stub.reset()
    yield stub
    stub.behave("honest")


@pytest.fixture
def imported(server: StubVendor) -> object:
    """A tenant connected to the stand-in, before anything was discovered."""
    from tests.imported.factories import connect_mcp  # noqa: PLC0415

    with as_role("app"):
        return connect_mcp(server)


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was handed to the queue for the broker."""
    from connectors.tasks import discover_tools  # noqa: PLC0415

    messages: list[tuple[Any, ...]] = []
    task = type(discover_tools._get_current_object())
    monkeypatch.setattr(task, "apply_async", lambda _self, *args, **_kwargs: messages.append(args))
    return messages


@pytest.fixture(scope="session")
def api_process() -> Iterator[str]:
    with stub_of("connectors.imported.openapi.stub") as url:
        yield url


@pytest.fixture
def api(api_process: str) -> Iterator[StubVendor]:
    stub = StubVendor(api_process)
    stub.behave("honest")
    stub.reset()
    yield stub
    stub.behave("honest")


@pytest.fixture
def described(api: StubVendor) -> object:
    """A tenant connected to the stand-in of an API, before its description was looked at."""
    from tests.imported.openapi import connect  # noqa: PLC0415

    with as_role("app"):
        return connect(api)
