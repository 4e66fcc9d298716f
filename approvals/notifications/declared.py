"""Which events people are told of: one table. Who it is for, how urgent it is, and what it ends, is said here alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from approvals.notifications.models import Severity
from audit import alerts
from audit.alerts import AlertKind
from audit.kinds import EventKind


class Who(StrEnum):
    APPROVERS = "approvers"  # who may decide, but not who asked, nor the person behind them
    CONCERNED = "concerned"  # the person who asked, or who answers for who asked
    ADMINS = "admins"  # owners and admins of the whole tenant


class Place(StrEnum):
    """What a notification leads to."""

    APPROVAL = "approval"
    ALERT = "alert"


class Kind(StrEnum):
    """Of what is about a request. Of an alert, the kind is the alert's."""

    APPROVAL_NEEDED = "approval_needed"
    APPROVAL_GIVEN = "approval_given"
    APPROVAL_REJECTED = "approval_rejected"
    APPROVAL_EXPIRED = "approval_expired"
    APPROVAL_VOID = "approval_void"
    APPROVED_CALL_RAN = "approved_call_ran"
    APPROVED_CALL_FAILED = "approved_call_failed"
    APPROVED_CALL_UNKNOWN = "approved_call_unknown"


@dataclass(frozen=True, slots=True)
class Told:
    """`ends`: notifications of the same request that are over with it."""

    kind: Kind
    severity: Severity
    who: Who
    title: str
    ends: tuple[Kind, ...] = ()


_WAITING = (Kind.APPROVAL_NEEDED, Kind.APPROVAL_GIVEN)

# About requests for approval: by the event whose subject is one.
OF_REQUESTS: dict[EventKind, Told] = {
    EventKind.APPROVAL_REQUESTED: Told(
        Kind.APPROVAL_NEEDED, Severity.WARNING, Who.APPROVERS, "Your approval is asked for"
    ),
    EventKind.APPROVAL_QUORUM: Told(
        Kind.APPROVAL_GIVEN, Severity.WARNING, Who.CONCERNED, "Approved: run it within 15 minutes",
        (Kind.APPROVAL_NEEDED,),
    ),
    EventKind.APPROVAL_REJECTED: Told(
        Kind.APPROVAL_REJECTED, Severity.WARNING, Who.CONCERNED, "Your request was rejected", _WAITING
    ),
    EventKind.APPROVAL_EXPIRED: Told(
        Kind.APPROVAL_EXPIRED, Severity.WARNING, Who.CONCERNED, "Your request has expired", _WAITING
    ),
    EventKind.APPROVAL_VOIDED: Told(
        Kind.APPROVAL_VOID, Severity.WARNING, Who.CONCERNED, "An approval of yours is void", _WAITING
    ),
}  # fmt: skip
# What ends notifications and makes none: the request is over, and who asked has ended it.
ENDS_REQUESTS: dict[EventKind, tuple[Kind, ...]] = {
    EventKind.APPROVAL_WITHDRAWN: _WAITING,
    EventKind.APPROVAL_GRANTED: (Kind.APPROVAL_GIVEN,),  # the broker has taken it up
}
# About the call that was made under an approval: by its event, and whether it went well.
OF_CALLS: dict[tuple[EventKind, bool], Told] = {
    (EventKind.CALL_FINISHED, True): Told(
        Kind.APPROVED_CALL_RAN, Severity.INFO, Who.CONCERNED, "Your approved call has run", _WAITING
    ),
    (EventKind.CALL_FINISHED, False): Told(
        Kind.APPROVED_CALL_FAILED, Severity.WARNING, Who.CONCERNED, "Your approved call has failed", _WAITING
    ),
    (EventKind.CALL_UNKNOWN, False): Told(
        Kind.APPROVED_CALL_UNKNOWN, Severity.CRITICAL, Who.CONCERNED, "Nobody knows whether your approved call has run",
        _WAITING,
    ),
}  # fmt: skip

# Alerts, for the admins. Those that take several events to be one (audit.alerts) are on the Alerts page alone.
OF_ALERTS: dict[AlertKind, Severity] = {
    AlertKind.AGENT_CREDENTIAL_REUSED: Severity.CRITICAL,
    AlertKind.AUDIT_LAG: Severity.CRITICAL,
    AlertKind.AUDIT_VERIFICATION: Severity.CRITICAL,
    AlertKind.CLIENT_GONE: Severity.WARNING,
    AlertKind.CLIENT_RENAMED: Severity.WARNING,
    AlertKind.CONNECTION_WITHDRAWN: Severity.WARNING,
    AlertKind.CREDENTIALS_EXPOSED: Severity.CRITICAL,
    AlertKind.CREDENTIAL_ENDS_SOON: Severity.WARNING,
    AlertKind.CREDENTIAL_ENDS_TOMORROW: Severity.CRITICAL,
    AlertKind.FOREIGN_ROWS: Severity.CRITICAL,
    AlertKind.GRANT_MISUSED: Severity.CRITICAL,
    AlertKind.OUTCOME_UNKNOWN: Severity.CRITICAL,
    AlertKind.OWN_CREDENTIAL_WITHDRAWN: Severity.WARNING,
    AlertKind.QUOTA_WARNING: Severity.WARNING,
    AlertKind.SECRET_REFUSED: Severity.CRITICAL,
    AlertKind.SECRET_UNREADABLE: Severity.WARNING,
    AlertKind.SERVICE_ACCOUNT_LOCKED: Severity.CRITICAL,
    AlertKind.UNAPPROVED_CALL: Severity.CRITICAL,
}
# What is mended: the alert of which event is over.
MENDS: dict[EventKind, EventKind] = {
    EventKind.INSTANCE_RECOVERED: EventKind.INSTANCE_WITHDRAWN,
    EventKind.OWN_CREDENTIAL_RECOVERED: EventKind.OWN_CREDENTIAL_WITHDRAWN,
}

KINDS: frozenset[str] = frozenset(
    kind.value
    for kind in (
        *OF_REQUESTS, *ENDS_REQUESTS, *(kind for kind, _ in OF_CALLS), *MENDS, EventKind.ALERT_ACKNOWLEDGED,
        *(kind for kind, rule in alerts.RULES.items() if rule.alert in OF_ALERTS),
    )
)  # fmt: skip


def alert_of(kind: EventKind, facts: Mapping[str, Any]) -> alerts.Rule | None:
    """The rule of the alert that people are told of, if it is one event that raises it."""
    rule = alerts.rule_for(kind, facts)
    return rule if rule and rule.alert in OF_ALERTS and rule.threshold == 1 else None
