"""The stand-ins for vendors are no less exact than what they stand for."""

import asyncio
from typing import Any

from connectors.stub.server import Stub
from connectors.stub.world import State
from connectors.vendors.halopsa.stub import VENDOR
from tests.gateway.door import in_a_thread


def test_whoever_is_gone_in_the_middle_of_a_request_has_asked_for_nothing() -> None:
    """As a broker that is killed between the head of a change and its body."""
    state, said = State({}), []
    coming = iter([
        {"type": "http.request", "body": b'[{"summary": "Pri', "more_body": True}, {"type": "http.disconnect"}
    ])  # fmt: skip

    async def receive() -> Any:
        return next(coming)

    async def send(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/Tickets", "query_string": b"", "headers": []}
    in_a_thread(lambda: asyncio.run(Stub(VENDOR, state)(scope, receive, send)))

    assert (said, list(state.received), state.counts.total()) == ([], [], 0)
