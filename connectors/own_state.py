"""How a customer's own credential is: one state, and whether calls are made with it. Pure.

Portal, API and gateway ask this. What is not in order takes this customer's tools off, and no other credential is used
in its place.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from connectors.errors import MESSAGES
from connectors.lifecycle import REFUSED_CREDENTIAL
from connectors.models import ConnectorInstance, Credential, OwnCredential

# Whether the vendor is there at all, the connection's own check says far more often.
CHECK_EVERY, RETRY = timedelta(minutes=30), timedelta(minutes=5)
FRESH, CHECK_TAKES = 2 * CHECK_EVERY, timedelta(minutes=10)
LONGEST_WAIT, SPREAD = timedelta(hours=1), 0.2
_Health = ConnectorInstance.Health


class OwnState(StrEnum):
    IN_ORDER = "in_order"
    CHECKING = "checking"  # nobody knows yet
    EXPIRED = "expired"  # by the date that was given with it
    REFUSED = "refused"  # the vendor says so
    FAILING = "failing"  # the last check failed
    STALE = "stale"  # no check was made for too long


WORDS = {
    OwnState.IN_ORDER: "In order",
    OwnState.CHECKING: "Being checked",
    OwnState.EXPIRED: "Expired",
    OwnState.REFUSED: "Refused",
    OwnState.FAILING: "Failing",
    OwnState.STALE: "Not checked",
}


@dataclass(frozen=True, slots=True)
class Owned:
    """A customer's own credential: how it is, and its current version."""

    own: OwnCredential
    credential: Credential | None

    def state(self, now: datetime) -> OwnState:
        own, ends = self.own, self.credential.expires_on if self.credential else None
        if ends is not None and ends < now.astimezone(UTC).date():
            return OwnState.EXPIRED
        if own.health in {_Health.HEALTHY, _Health.DEGRADED} and own.health_ok_at and now - own.health_ok_at <= FRESH:
            return OwnState.IN_ORDER
        if own.awaits_check and own.check_asked_at and now - own.check_asked_at <= CHECK_TAKES:
            return OwnState.CHECKING
        if own.health_code == REFUSED_CREDENTIAL:
            return OwnState.REFUSED
        return OwnState.FAILING if own.health in {_Health.FAILING, _Health.DEGRADED} else OwnState.STALE

    def usable(self, now: datetime) -> bool:
        return self.state(now) is OwnState.IN_ORDER


class Way(StrEnum):
    """With whose credential a mapped customer is reached."""

    SHARED = "shared"  # the connection's
    OWN = "own"
    NONE = "none"  # not at all: only customers with their own are, and it has none


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one mapped customer, for people. `state`: of its own credential, where it has one."""

    way: Way
    owned: Owned | None = None
    state: OwnState | None = None

    @property
    def word(self) -> str:
        return WORDS[self.state] if self.state else ""

    @property
    def trouble(self) -> str:
        """What the last check has said, in a sentence; empty when all was well."""
        return MESSAGES.get(self.owned.own.health_code, "") if self.owned else ""


def standing(owned: Owned | None, *, required: bool, now: datetime) -> Standing:
    if owned is None:
        return Standing(Way.NONE if required else Way.SHARED)
    return Standing(Way.OWN, owned, owned.state(now))


def check_wait(own: OwnCredential) -> timedelta:
    """From one check to the next: sooner after a failure, then later and later. Each has a moment of its own."""
    failures = min(own.health_failures, 10)
    wait = min(RETRY * 2 ** (failures - 1), LONGEST_WAIT) if failures else CHECK_EVERY
    return wait + wait * SPREAD * (own.pk.int % 1000 / 1000)
