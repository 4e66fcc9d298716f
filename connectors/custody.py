"""What people may know of credentials and of the keys that they are under: how old, whose, how far a re-keying is.

All of it follows from rows; nothing of the ciphertext is read, and the portal's role could not.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from connectors.keyring import Purpose
from connectors.models import AdoptedSecret, ConnectorInstance, Credential
from connectors.registry import KeyRow, State, keys
from connectors.selectors import current_credentials


class Kept(StrEnum):
    """Where a credential is on its way to the key of now."""

    UNUSED = "unused"  # sealed for the broker, which adopts it at the first check or call
    MOVED = "moved"
    WAITING = "waiting"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Keys:
    """`emergency`: the last key that was made because another may have leaked. Counts are of the acting tenant."""

    active: KeyRow | None
    emergency: KeyRow | None
    done: int
    left: int
    unreadable: int

    @property
    def total(self) -> int:
        return self.done + self.left + self.unreadable


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one credential. `change_by`: it was stored before the emergency, and is to be changed at its vendor."""

    kept: Kept
    change_by: datetime | None
    overdue: bool
    changed: bool


def credentials() -> QuerySet[Credential]:
    """The current one of each connection and of each customer with its own, with `kek` and `unreadable` of what the
    broker keeps of it."""
    kept = AdoptedSecret.objects.filter(credential=OuterRef("id"))
    found = current_credentials().exclude(instance__state=ConnectorInstance.State.RETIRED)
    found = found.select_related("instance", "customer").order_by("instance__name", "customer__name", "id")
    return found.annotate(
        kek=Subquery(kept.values("kek_id")[:1]),
        unreadable=Subquery(kept.values("unreadable")[:1]),
    )


def key_state() -> Keys:
    rows = keys(Purpose.STORAGE)
    active = next((row for row in rows if row.state == State.ACTIVE.value), None)
    emergency = next((row for row in rows if row.deadline), None)
    moved, good = Q(kek_id=active.id if active else ""), Q(unreadable="")
    counts = AdoptedSecret.objects.aggregate(
        done=Count("id", filter=good & moved), left=Count("id", filter=good & ~moved), bad=Count("id", filter=~good)
    )
    return Keys(active, emergency, counts["done"], counts["left"], counts["bad"])


def number_to_change(state: Keys) -> int:
    """How many are still those of before the emergency."""
    emergency = state.emergency
    return credentials().filter(created_at__lt=emergency.created_at).count() if emergency else 0


def standing(credential: Credential, state: Keys, now: datetime) -> Standing:
    """`credential` is one of `credentials()`."""
    emergency = state.emergency
    exposed = emergency is not None and credential.created_at < emergency.created_at
    due = emergency.deadline if emergency and exposed else None
    return Standing(
        kept=_kept(credential, state),
        change_by=due,
        overdue=due is not None and due < now,
        changed=emergency is not None and not exposed and credential.version > 1,
    )


def _kept(credential: Credential, state: Keys) -> Kept:
    kek, unreadable = getattr(credential, "kek", None), getattr(credential, "unreadable", None)
    if kek is None:
        return Kept.UNUSED
    if unreadable:
        return Kept.UNREADABLE
    return Kept.MOVED if state.active and kek == state.active.id else Kept.WAITING
