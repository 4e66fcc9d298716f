"""What is noted of each request to the gateway: a line of the log when it has been answered."""

import time
from collections.abc import Awaitable, Callable, Iterable

from msplex import access
from msplex.gateway.asgi_types import Message, Scope, Send
from msplex.gateway.callers import Caller
from tenants.bound import bound


class Watched:
    """Stands before `send`. `route` and `caller` are filled in by whoever finds them out."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.route = "none"
        self.caller: Caller | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


async def watched(scope: Scope, send: Send, answer: Callable[[Watched], Awaitable[None]]) -> None:
    began = time.perf_counter()
    told = Watched(send)
    try:
        await answer(told)
    finally:
        with bound(**_whose(told.caller)):
            access.say(told.route, scope["method"], told.status, time.perf_counter() - began)


def parent_in(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The traceparent of a caller that traces its own work, if it is one."""
    found = [value.decode("latin-1") for name, value in headers if name == b"traceparent"]
    return found[0] if len(found) == 1 else ""


def _whose(caller: Caller | None) -> dict[str, object]:
    return {"request": caller.request_id, "tenant": caller.claims.tenant_id} if caller else {}
