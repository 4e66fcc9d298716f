"""Records that are missing: a number of a process's stream that did not come, though later ones did."""

import logging
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from audit.kinds import EventKind
from audit.sealing.log import SEALER, Pass
from audit.sealing.memory import Memory, Seen
from audit.services import record
from audit.streams import Mark
from tenants.ids import uuid7_floor
from tenants.isolation.context import Context, acting_for

logger = logging.getLogger(__name__)
OVERDUE_SECONDS = 30.0
LOOK_SECONDS = 0.02  # between two passes
KEPT = timedelta(days=7)
MOST = 10_000  # numbers of one gap that are looked for


class Gaps:
    """Follows every stream over all tenants. What was seen goes into the sealer's memory with each pass."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._open: dict[UUID, tuple[float, UUID]] = {
            boot: (time.monotonic(), UUID(int=0)) for boot, seen in memory.streams.items() if seen.beyond
        }
        self._looks: dict[UUID, tuple[list[UUID], set[int]]] = {}  # tenants that are left, and what was found so far

    def take(self, passes: Iterable[Pass]) -> dict[UUID, Seen]:
        """The streams that moved."""
        moved: dict[UUID, Seen] = {}
        for done in passes:
            for sealed in done.records:
                boot = sealed.mark.boot
                before = moved.get(boot) or self._memory.streams.get(boot) or Seen(0)
                moved[boot] = after = seen_after(before, sealed.mark)
                self._watch(boot, after, done.log.tenant)
        return moved

    def _watch(self, boot: UUID, seen: Seen, tenant: UUID) -> None:
        if not seen.beyond:
            self._open.pop(boot, None)
            self._looks.pop(boot, None)
        elif boot not in self._open:
            self._open[boot] = (time.monotonic(), tenant)

    def overdue(self, now: float | None = None) -> list[tuple[UUID, UUID]]:
        """Streams with a gap that is older than half a minute, and the tenant whose record has shown it."""
        limit = (time.monotonic() if now is None else now) - OVERDUE_SECONDS
        return [(boot, tenant) for boot, (since, tenant) in self._open.items() if since < limit]

    def look(self, seconds: float = LOOK_SECONDS) -> None:
        """Go on with those that are overdue, for about so long: sealing goes on in between, however many tenants."""
        deadline = time.monotonic() + seconds
        for boot, tenant in self.overdue():
            if self.settle(boot, tenant, deadline) is None:
                return

    def settle(self, boot: UUID, tenant: UUID, deadline: float = math.inf) -> list[int] | None:
        """Look for what is missing wherever the sealer has been; what is nowhere is said, once. The lost numbers.

        None: the time was over before all were looked at, and the next call goes on there.
        """
        seen = self._memory.streams[boot]
        missing = list(range(seen.next, seen.beyond[0]))[:MOST]
        left, found = self._looks.setdefault(boot, (list(self._memory.heads), set()))
        while left:
            if time.monotonic() > deadline:
                return None
            found |= _recorded(boot, missing, left.pop())
        del self._looks[boot]
        lost = sorted(set(missing) - found)
        if lost:
            _say(boot, lost, tenant if tenant.int else next(iter(self._memory.heads)))
        passed = _closed(Seen(seen.beyond[0], seen.beyond, time.time()))
        self._memory.keep((), [(boot, passed)])
        del self._open[boot]
        self._watch(boot, passed, tenant)
        return lost

    def forget_old(self) -> None:
        old = time.time() - KEPT.total_seconds()
        self._memory.forget([boot for boot, seen in self._memory.streams.items() if seen.at < old and not seen.beyond])


def seen_after(before: Seen, mark: Mark) -> Seen:
    if mark.n < before.next or mark.n in before.beyond:  # again, after a crash of the sealer
        return replace(before, at=time.time())
    return _closed(Seen(before.next, tuple(sorted((*before.beyond, mark.n))), time.time()))


def _closed(seen: Seen) -> Seen:
    following, beyond = seen.next, list(seen.beyond)
    while beyond and beyond[0] == following:
        beyond.pop(0)
        following += 1
    return Seen(following, tuple(beyond), seen.at)


def _recorded(boot: UUID, numbers: Sequence[int], tenant: UUID) -> set[int]:
    """Those that are in its log after all: the sealer may have died between its commit and its own memory."""
    earliest = uuid7_floor(datetime.now(UTC) - KEPT)
    with acting_for(Context(tenant)), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT n FROM audit_event WHERE tenant_id = %s AND id >= %s AND boot = %s AND n = ANY (%s)",
            [tenant, earliest, boot, list(numbers)],
        )
        return {row[0] for row in cursor.fetchall()}


def _say(boot: UUID, lost: Sequence[int], tenant: UUID) -> None:
    logger.error("alert: records %s of stream %s are missing from the audit log", list(lost[:20]), boot)
    body = {"alert": True, "stream": str(boot), "first": lost[0], "last": lost[-1], "count": len(lost)}
    with acting_for(Context(tenant)), transaction.atomic():
        record(EventKind.AUDIT_RECORDS_MISSING, actor=SEALER, result="failed", body=body)
