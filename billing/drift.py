"""Where what the MSP's PSA bills is not what is counted here: active assets less billed quantity, for each customer.

Of now alone: agreements say nothing of a month that is over. What was read too long ago is not compared.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from tenants.models import BilledQuantity

STALE = timedelta(days=3)


class DriftState(StrEnum):
    AGREES = "agrees"
    LESS = "billed_less"
    MORE = "billed_more"
    ABSENT = "not_in_psa"  # no agreement has a line of the product
    UNKNOWN = "unknown"  # not read lately: not mapped, or the PSA could not be asked


LABELS = {  # and how a badge of it looks
    DriftState.AGREES: ("Agrees", "badge-good"),
    DriftState.LESS: ("Billed less", "badge-warn"),
    DriftState.MORE: ("Billed more", "badge-warn"),
    DriftState.ABSENT: ("Not in the PSA", "badge-warn"),
    DriftState.UNKNOWN: ("Not read", ""),
}


@dataclass(frozen=True, slots=True)
class Drift:
    """`billed` and `drift` are None where nothing is known; an absent line bills nothing."""

    state: DriftState
    billed: Decimal | None = None
    drift: Decimal | None = None
    read_at: datetime | None = None  # the oldest of what it is made from

    @property
    def label(self) -> str:
        return LABELS[self.state][0]

    @property
    def look(self) -> str:
        return LABELS[self.state][1]

    @property
    def signed(self) -> str:
        """Such as +3 or -0.5."""
        return f"{self.drift.normalize():+f}" if self.drift is not None else ""


UNKNOWN = Drift(DriftState.UNKNOWN)


def drifts(active: dict[UUID, int], now: datetime) -> dict[UUID, Drift]:
    """Of every customer of whom something was read lately. `active`: assets; of whom there is nothing, none."""
    read: dict[UUID, list[BilledQuantity]] = {}
    for row in BilledQuantity.objects.filter(read_at__gt=now - STALE):
        read.setdefault(row.customer_id, []).append(row)
    return {customer: drift_of(active.get(customer, 0), rows) for customer, rows in read.items()}


def drift_of(active: int, rows: Iterable[BilledQuantity]) -> Drift:
    """Of one customer, who may be in several PSAs: what one of them could not tell makes the sum unknown."""
    read = list(rows)
    if not read or any(row.code for row in read):
        return UNKNOWN
    quantities = [row.quantity for row in read if row.quantity is not None]
    billed = sum(quantities, Decimal(0))
    return Drift(_state(active, billed, quantities), billed, active - billed, min(row.read_at for row in read))


def _state(active: int, billed: Decimal, quantities: list[Decimal]) -> DriftState:
    if not quantities:
        return DriftState.ABSENT
    if billed == active:
        return DriftState.AGREES
    return DriftState.LESS if billed < active else DriftState.MORE
