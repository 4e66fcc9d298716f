"""How the checks of a connection went lately: how often, how long they took, and how many failed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median_high

from django.db import transaction

from connectors.models import ConnectorInstance, HealthCheck

SPAN, SLICES = timedelta(hours=24), 48
SLICE = SPAN / SLICES
KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the time, from `began` on. `milliseconds`: the longest check of it, whether it failed or not."""

    began: datetime
    checks: int
    failed: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class History:
    """Slices of the same length, oldest first, without gaps, up to now. Of no checks the times are None."""

    slices: tuple[Slice, ...]
    checks: int
    failed: int
    median_milliseconds: int | None
    longest_milliseconds: int | None


def history(instance: ConnectorInstance, now: datetime) -> History:
    """Of the last day."""
    since = now - SPAN
    seen = HealthCheck.objects.filter(instance=instance, created_at__gt=since, created_at__lte=now)
    parts: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for created_at, milliseconds, code in seen.values_list("created_at", "milliseconds", "code"):
        parts[min((created_at - since) // SLICE, SLICES - 1)].append((milliseconds, code))
    times = [milliseconds for part in parts.values() for milliseconds, _ in part]
    slices = tuple(_slice(since + n * SLICE, parts.get(n, ())) for n in range(SLICES))
    return History(
        slices=slices,
        checks=len(times),
        failed=sum(each.failed for each in slices),
        median_milliseconds=median_high(times) if times else None,
        longest_milliseconds=max(times, default=None),
    )


@transaction.atomic
def forget_old_checks(instance: ConnectorInstance, now: datetime) -> None:
    """They are for people who look at a connection; what changed its health is on the record."""
    HealthCheck.objects.filter(instance=instance, created_at__lt=now - KEPT).delete()


def _slice(began: datetime, part: Sequence[tuple[int, str]]) -> Slice:
    longest = max((milliseconds for milliseconds, _ in part), default=0)
    return Slice(began, len(part), sum(1 for _, code in part if code), longest)
