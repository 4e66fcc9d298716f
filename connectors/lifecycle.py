"""Where a connection stands: exactly one state, what to do next, and what may be done. Pure.

Portal, API and gateway ask this one function, so that they cannot disagree. What it is told of is read by
connectors.selectors.lifecycle_of; docs/connectors.md has the table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from connectors.catalogue import find
from connectors.contract import Risk
from connectors.models import ConnectorInstance, Credential
from connectors.readiness import FRESH_INTERVALS, is_entitled, is_healthy
from tenants.errors import Conflict, DomainError, NotAllowed
from tenants.models import Entitlement

REFUSED_CREDENTIAL = "vendor_unauthorized"  # of a health check
_Stored, _Health = ConnectorInstance.State, ConnectorInstance.Health


class State(StrEnum):
    NOT_ENTITLED = "not_entitled"
    DRAFT = "draft"
    VALIDATING = "validating"
    UNHEALTHY = "unhealthy"
    READY = "ready"
    ACTIVE = "active"
    PAUSED = "paused"
    CREDENTIAL_EXPIRED = "credential_expired"
    RETIRED = "retired"


class Reason(StrEnum):
    """Which of several, where a state has several."""

    NONE = ""
    DEACTIVATED = "deactivated"  # paused: a person switched it off
    RISKY_TOOLS = "risky_tools"  # paused: the outcome of a call is unknown; what only reads goes on
    FAILING = "failing"  # unhealthy: the last check failed
    STALE = "stale"  # unhealthy: no check was made for too long
    REFUSED = "refused"  # credential expired: the vendor says so
    DATE = "date"  # credential expired: by the date that was given with it


class Action(StrEnum):
    CONFIGURE = "configure"
    CHECK = "check"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    RESUME = "resume"
    MAP = "map"
    RETIRE = "retire"


class Listed(StrEnum):
    """Which of its tools exist for a caller."""

    NONE = "none"
    READS = "reads"
    ALL = "all"

    def takes(self, risk: Risk) -> bool:
        return self is Listed.ALL or (self is Listed.READS and risk is Risk.READ)


WORDS = {
    State.NOT_ENTITLED: "Not entitled",
    State.DRAFT: "Draft",
    State.VALIDATING: "Validating",
    State.UNHEALTHY: "Unhealthy",
    State.READY: "Ready",
    State.ACTIVE: "Active",
    State.PAUSED: "Paused",
    State.CREDENTIAL_EXPIRED: "Credential expired",
    State.RETIRED: "Retired",
}
_N = Reason.NONE
NEXT = {
    (State.NOT_ENTITLED, _N): "The plan does not include this connector: ask the provider to add it. Its tools come"
    " back by themselves when it does.",
    (State.DRAFT, _N): "Enter its settings and its credential.",
    (State.VALIDATING, _N): "Wait for the check that was asked for.",
    (State.UNHEALTHY, Reason.FAILING): "Look at what the last check said, and mend it. Its tools come back by"
    " themselves with a good check.",
    (State.UNHEALTHY, Reason.STALE): "No check was made for too long: see that the broker and the queue run. Its tools"
    " come back by themselves with a good check.",
    (State.READY, _N): "Activate it, and its tools are listed.",
    (State.ACTIVE, _N): "Nothing: its tools are listed for every mapped customer.",
    (State.PAUSED, Reason.DEACTIVATED): "Somebody has switched it off. Check it and activate it when it is to serve"
    " again.",
    (State.PAUSED, Reason.RISKY_TOOLS): "The outcome of a call is unknown. Look at the vendor, then resume what changes"
    " something; reading goes on.",
    (State.CREDENTIAL_EXPIRED, Reason.REFUSED): "The vendor refuses the credential. Make a new one there and enter it.",
    (State.CREDENTIAL_EXPIRED, Reason.DATE): "The credential has come to the end that was given with it. Enter a new"
    " one, or mend the date.",
    (State.RETIRED, _N): "Nothing: it is kept for the record. Set up a new connection instead.",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a state follows from. `paused`: a call's unknown outcome waits for a person (connectors.pauses)."""

    instance: ConnectorInstance
    entitlement: Entitlement | None
    paused: bool
    expires_on: date | None
    now: datetime

    @property
    def entitled(self) -> bool:
        return is_entitled(self.instance.connector, self.entitlement, self.now)

    @property
    def is_over(self) -> bool:
        """Of the credential, by its own date: that day is still good, everywhere up to Greenwich."""
        return self.expires_on is not None and self.expires_on < self.now.astimezone(UTC).date()

    @property
    def healthy(self) -> bool:
        return is_healthy(self.instance, self.now)

    @property
    def awaits_check(self) -> bool:
        """One that is not made in time is not waited for any more: then what is known is too old."""
        asked, entry = self.instance.check_asked_at, find(self.instance.connector)
        if asked is None or entry is None or not self.instance.awaits_check:
            return False
        return self.now - asked <= FRESH_INTERVALS * timedelta(seconds=entry.health_interval)

    def stored(self, state: str) -> bool:
        return self.instance.state == state


# The first that holds is the state; the last always does. What people decided comes before what checks say.
_RULES: tuple[tuple[State, Reason, Callable[[Facts], bool]], ...] = (
    (State.RETIRED, _N, lambda facts: facts.stored(_Stored.RETIRED)),
    (State.NOT_ENTITLED, _N, lambda facts: not facts.entitled),
    (State.DRAFT, _N, lambda facts: facts.instance.configured_at is None),
    (State.PAUSED, Reason.DEACTIVATED, lambda facts: facts.stored(_Stored.INACTIVE)),
    (State.CREDENTIAL_EXPIRED, Reason.DATE, lambda facts: facts.is_over),
    (State.READY, _N, lambda facts: facts.healthy and not facts.stored(_Stored.ACTIVE)),
    (State.PAUSED, Reason.RISKY_TOOLS, lambda facts: facts.healthy and facts.paused),
    (State.ACTIVE, _N, lambda facts: facts.healthy),
    (State.VALIDATING, _N, lambda facts: facts.awaits_check),
    (State.CREDENTIAL_EXPIRED, Reason.REFUSED, lambda facts: facts.instance.health_code == REFUSED_CREDENTIAL),
    (State.UNHEALTHY, Reason.FAILING, lambda facts: facts.instance.health in {_Health.FAILING, _Health.DEGRADED}),
    (State.UNHEALTHY, Reason.STALE, lambda _: True),
)
_LISTED = {(State.ACTIVE, _N): Listed.ALL, (State.PAUSED, Reason.RISKY_TOOLS): Listed.READS}


@dataclass(frozen=True, slots=True)
class Lifecycle:
    state: State
    reason: Reason
    actions: frozenset[Action]

    @property
    def word(self) -> str:
        return WORDS[self.state]

    @property
    def next(self) -> str:
        """What is to be done, in a sentence or two."""
        return NEXT[self.state, self.reason]

    @property
    def listed(self) -> Listed:
        return _LISTED.get((self.state, self.reason), Listed.NONE)

    def require(self, action: Action) -> None:
        """A refusal that says why, unless the action is allowed."""
        if action not in self.actions:
            raise _refusal(self, action)


def lifecycle(
    instance: ConnectorInstance,
    *,
    entitlement: Entitlement | None,
    paused: bool,
    credential: Credential | None,
    now: datetime,
) -> Lifecycle:
    """`credential`: the connection's current one. `paused`: a pause of its risky tools is open."""
    facts = Facts(instance, entitlement, paused, credential.expires_on if credential else None, now)
    state, reason = next((state, reason) for state, reason, holds in _RULES if holds(facts))
    return Lifecycle(state, reason, frozenset(action for action in Action if _ALLOWED[action](facts, state)))


def _may_activate(facts: Facts, state: State) -> bool:
    if facts.stored(_Stored.INACTIVE):
        return state is State.PAUSED and facts.healthy and not facts.is_over
    return state is State.READY


_NOT_BEFORE_CONFIGURED = frozenset({State.RETIRED, State.NOT_ENTITLED, State.DRAFT})
_ALLOWED: dict[Action, Callable[[Facts, State], bool]] = {
    Action.CONFIGURE: lambda _, state: state not in {State.RETIRED, State.NOT_ENTITLED},
    Action.CHECK: lambda _, state: state not in _NOT_BEFORE_CONFIGURED,
    Action.ACTIVATE: _may_activate,
    Action.DEACTIVATE: lambda facts, _: facts.stored(_Stored.ACTIVE),
    Action.RESUME: lambda facts, state: facts.paused and state is not State.RETIRED,
    Action.MAP: lambda _, state: state is not State.RETIRED,
    Action.RETIRE: lambda _, state: state is not State.RETIRED,
}
_SAID = {
    Action.ACTIVATE: ("This connection is active already.", "instance_active"),
    Action.CHECK: ("Configure the connection first.", "instance_not_configured"),
    Action.DEACTIVATE: ("This connection is not active.", "instance_not_active"),
    Action.RESUME: ("Its risky tools are not paused, or somebody has resumed them already.", "not_paused"),
}
_RETIRED = "This connection was retired, for good. Set up a new one instead."
_NOT_ENTITLED = "Your subscription does not include this connector."


def _refusal(found: Lifecycle, action: Action) -> DomainError:
    if found.state is State.RETIRED:
        return Conflict(_RETIRED, code="instance_retired")
    if found.state is State.NOT_ENTITLED and action in {Action.CONFIGURE, Action.CHECK, Action.ACTIVATE}:
        return NotAllowed(_NOT_ENTITLED, code="connector_not_entitled")
    if action is Action.ACTIVATE and found.listed is Listed.NONE:
        return Conflict(f"Not ready ({found.word.lower()}). {found.next}", code="instance_not_ready")
    message, code = _SAID[action]
    return Conflict(message, code=code)
