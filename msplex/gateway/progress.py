"""Progress for a client that gave a token: numbers that grow, and words, on the stream of its request.

What the broker says of a call comes with its replies (msplex.telling); what waits for people is looked up. Clients give
up on what is silent for long, so the wait for people is short: then the refusal says how to go on.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from approvals.models import ApprovalRequest
from msplex.gateway.tasks_found import Found

PEOPLE_SECONDS = 20.0
LOOK_SECONDS = 2.0
MOST = 100  # messages of one call
IN_LINE = "Waits in line."
Report = Callable[[float, float | None, str | None], Awaitable[None]]


class Progress:
    """`report` sends one notification. What it takes to be sent holds nobody up; the order is kept."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._said: asyncio.Queue[str | None] = asyncio.Queue(MOST)
        self._last = ""

    async def __aenter__(self) -> Self:
        self._sending = asyncio.create_task(self._send())
        return self

    def tell(self, text: str) -> None:
        """Once, until something else is said; what is too much is left out."""
        if text != self._last:
            with contextlib.suppress(asyncio.QueueFull):
                self._said.put_nowait(text)
            self._last = text

    async def _send(self) -> None:
        number = 0
        while (text := await self._said.get()) is not None:
            number += 1
            await self._report(number, None, text)

    async def __aexit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """All of it is sent before the answer; of a call that ended otherwise, nothing more."""
        if kind is None and not self._said.full():
            self._said.put_nowait(None)
            await asyncio.wait({self._sending}, timeout=1)
        self._sending.cancel()


def wants_progress(meta: Any) -> bool:
    return isinstance(meta, dict) and meta.get("progress_token") is not None


async def agreed(look: Callable[[], Awaitable[Found | None]], progress: Progress) -> bool:
    """Whether people have decided while the client was waiting."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PEOPLE_SECONDS
    while (found := await look()) is not None and found.request is not None:
        if found.request.state != ApprovalRequest.State.PENDING:
            return True
        progress.tell(f"Waits for people: {found.agreed} of {found.request.need} approvals.")
        if loop.time() + LOOK_SECONDS > until:
            break
        await asyncio.sleep(LOOK_SECONDS)
    return False
