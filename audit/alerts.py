"""Which events raise an alert: one table. The alert is in the transaction of its event, or neither is (audit.services).

What happens again while the alert is open is counted and not told anew; nothing that happened is left out of the count.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from audit.kinds import EventKind

WINDOW = timedelta(minutes=10)  # in which what has a threshold must reach it
DENIALS, WRONG_SECRETS = 5, 10
LABEL = b"msplex/alert/v1\0"


class AlertKind(StrEnum):
    AGENT_CREDENTIAL_REUSED = "agent_credential_reused"
    AUDIT_LAG = "audit_lag"
    AUDIT_VERIFICATION = "audit_verification"
    CLIENT_GONE = "client_gone"
    CLIENT_RENAMED = "client_renamed"
    CONNECTION_WITHDRAWN = "connection_withdrawn"
    CREDENTIALS_EXPOSED = "credentials_exposed"
    CREDENTIAL_ENDS_SOON = "credential_ends_soon"
    CREDENTIAL_ENDS_TOMORROW = "credential_ends_tomorrow"
    FOREIGN_ROWS = "foreign_rows"
    GRANT_MISUSED = "grant_misused"
    OUTCOME_UNKNOWN = "outcome_unknown"
    OWN_CREDENTIAL_WITHDRAWN = "own_credential_withdrawn"
    QUOTA_WARNING = "quota_warning"
    REPEATED_DENIALS = "repeated_denials"
    SECRET_REFUSED = "secret_refused"  # noqa: S105 -- the name of an alert
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105
    SERVICE_ACCOUNT_LOCKED = "service_account_locked"
    UNAPPROVED_CALL = "unapproved_call"
    WRONG_CREDENTIALS = "wrong_credentials"


class Severity(StrEnum):
    HIGH = "high"  # owners and admins are told by e-mail at once
    MEDIUM = "medium"


class Per(StrEnum):
    """What makes two events the same alert, beside its kind and the customer."""

    ACTOR = "actor"
    INSTANCE = "instance"
    SUBJECT = "subject"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Rule:
    """`threshold`: how many within WINDOW make an alert. `counts`: whether this one does, by its body."""

    alert: AlertKind
    severity: Severity
    per: tuple[Per, ...]
    threshold: int = 1
    counts: Callable[[Mapping[str, Any]], bool] = lambda _: True


# Refusals that tell a well-behaved caller to wait, to ask a person, or to say more precisely what it wants.
_NO_DENIAL = frozenset({
    "approval_required", "audit_unavailable", "busy", "customer_required", "invalid_arguments",
    "own_credential_not_ready", "own_credential_required", "rate_limited", "risky_tools_paused", "tool_suspended",
    "unavailable",
})  # fmt: skip


def _is_denial(body: Mapping[str, Any]) -> bool:
    return body.get("code") not in _NO_DENIAL


def _is_emergency(body: Mapping[str, Any]) -> bool:
    return "change_at_vendor_until" in body


def _is_unapproved(body: Mapping[str, Any]) -> bool:
    return body.get("code") in {"approval_required", "approval_void", "not_recorded"}


_UNTRUE = Rule(AlertKind.AUDIT_VERIFICATION, Severity.HIGH, ())
RULES: dict[EventKind, Rule] = {
    EventKind.AGENT_CREDENTIAL_REUSED: Rule(AlertKind.AGENT_CREDENTIAL_REUSED, Severity.HIGH, (Per.SUBJECT,)),
    EventKind.AUDIT_BEHIND: Rule(AlertKind.AUDIT_LAG, Severity.HIGH, ()),
    EventKind.AUDIT_CHECK_FAILED: _UNTRUE,
    EventKind.AUDIT_CHECKPOINT_DISPUTED: _UNTRUE,
    EventKind.AUDIT_EPOCH_OPENED: _UNTRUE,
    EventKind.AUDIT_LOG_REFUSED: _UNTRUE,
    EventKind.AUDIT_RECORDS_MISSING: _UNTRUE,
    EventKind.AUDIT_RECORD_REFUSED: _UNTRUE,
    EventKind.CALL_FINISHED: Rule(AlertKind.UNAPPROVED_CALL, Severity.HIGH, (Per.TOOL,), counts=_is_unapproved),
    EventKind.CALL_REFUSED: Rule(
        AlertKind.REPEATED_DENIALS, Severity.MEDIUM, (Per.ACTOR, Per.TOOL), DENIALS, _is_denial
    ),
    EventKind.CALL_UNKNOWN: Rule(AlertKind.OUTCOME_UNKNOWN, Severity.HIGH, (Per.INSTANCE,)),
    EventKind.CLIENT_GONE: Rule(AlertKind.CLIENT_GONE, Severity.HIGH, (Per.INSTANCE,)),
    EventKind.CLIENT_RENAMED: Rule(AlertKind.CLIENT_RENAMED, Severity.HIGH, (Per.INSTANCE,)),
    EventKind.CREDENTIAL_ENDS_SOON: Rule(AlertKind.CREDENTIAL_ENDS_SOON, Severity.HIGH, (Per.SUBJECT,)),
    EventKind.CREDENTIAL_ENDS_TOMORROW: Rule(AlertKind.CREDENTIAL_ENDS_TOMORROW, Severity.HIGH, (Per.SUBJECT,)),
    EventKind.CREDENTIAL_REFUSED: Rule(AlertKind.SECRET_REFUSED, Severity.HIGH, (Per.INSTANCE,)),
    EventKind.CREDENTIAL_SET_ASIDE: Rule(AlertKind.SECRET_UNREADABLE, Severity.HIGH, (Per.SUBJECT,)),
    EventKind.CREDENTIALS_REKEYED: Rule(AlertKind.CREDENTIALS_EXPOSED, Severity.HIGH, (), counts=_is_emergency),
    EventKind.GRANT_MISUSED: Rule(AlertKind.GRANT_MISUSED, Severity.HIGH, (Per.SUBJECT,)),
    EventKind.INSTANCE_WITHDRAWN: Rule(AlertKind.CONNECTION_WITHDRAWN, Severity.HIGH, (Per.INSTANCE,)),
    EventKind.OWN_CREDENTIAL_WITHDRAWN: Rule(AlertKind.OWN_CREDENTIAL_WITHDRAWN, Severity.HIGH, (Per.INSTANCE,)),
    EventKind.QUOTA_WARNED: Rule(AlertKind.QUOTA_WARNING, Severity.HIGH, (Per.SUBJECT,)),
    EventKind.SERVICE_ACCOUNT_LOCKED: Rule(AlertKind.SERVICE_ACCOUNT_LOCKED, Severity.HIGH, (Per.SUBJECT,)),
    EventKind.SIGN_IN_FAILED: Rule(AlertKind.WRONG_CREDENTIALS, Severity.MEDIUM, (Per.SUBJECT,), WRONG_SECRETS),
    EventKind.TOKEN_REFUSED: Rule(AlertKind.WRONG_CREDENTIALS, Severity.MEDIUM, (Per.SUBJECT,), WRONG_SECRETS),
    EventKind.TOOL_SUSPENDED: Rule(AlertKind.FOREIGN_ROWS, Severity.HIGH, (Per.INSTANCE, Per.TOOL)),
}


def rule_for(kind: EventKind, body: Mapping[str, Any]) -> Rule | None:
    rule = RULES.get(kind)
    return rule if rule and rule.counts(body) else None


def key_of(rule: Rule, customer: UUID | None, about: Mapping[Per, object]) -> bytes:
    """The same for what is one alert. Opaque, because whoever records one may not see whom others are about."""
    parts = [rule.alert.value, str(customer or ""), *(f"{per}={about[per]}" for per in rule.per)]
    return hashlib.sha256(LABEL + "\0".join(parts).encode()).digest()


HEADLINES = {
    AlertKind.AGENT_CREDENTIAL_REUSED: "An agent's credential was used twice",
    AlertKind.AUDIT_LAG: "The audit log is not sealed in time",
    AlertKind.AUDIT_VERIFICATION: "The audit log does not verify",
    AlertKind.CLIENT_GONE: "A mapped client is gone at its vendor",
    AlertKind.CLIENT_RENAMED: "A mapped client has another name at its vendor",
    AlertKind.CONNECTION_WITHDRAWN: "A connection's tools are off the list",
    AlertKind.CREDENTIALS_EXPOSED: "Credentials have to be changed at their vendors",
    AlertKind.CREDENTIAL_ENDS_SOON: "A credential ends in two weeks or less",
    AlertKind.CREDENTIAL_ENDS_TOMORROW: "A credential ends tomorrow",
    AlertKind.FOREIGN_ROWS: "A vendor mixes customers in its answers",
    AlertKind.GRANT_MISUSED: "A pre-issued grant was used as it may not be",
    AlertKind.OUTCOME_UNKNOWN: "The outcome of a call is unknown",
    AlertKind.OWN_CREDENTIAL_WITHDRAWN: "A customer's own credential does not work",
    AlertKind.QUOTA_WARNING: "A month's included calls are running out",
    AlertKind.REPEATED_DENIALS: "Calls are refused again and again",
    AlertKind.SECRET_REFUSED: "The opening of a credential was refused",
    AlertKind.SECRET_UNREADABLE: "A stored credential cannot be read",
    AlertKind.SERVICE_ACCOUNT_LOCKED: "A service account was locked",
    AlertKind.UNAPPROVED_CALL: "A call was queued that nobody has let through, or approved",
    AlertKind.WRONG_CREDENTIALS: "Wrong credentials are given again and again",
}
REMEDIES = {
    AlertKind.AGENT_CREDENTIAL_REUSED: "Somebody else may have a copy. The agent was disconnected: ask its person, and"
    " let them connect it again.",
    AlertKind.AUDIT_LAG: "Risky actions wait until it is. Look at the sealer process and its log.",
    AlertKind.AUDIT_VERIFICATION: "Records may have been changed or removed outside of MSPlex. Keep the database as it"
    " is, run the check of the log, and ask whoever has access to the database.",
    AlertKind.CLIENT_GONE: "It was deleted or merged there, or the credential does not see it any more. Look there,"
    " then map the customer to another client or remove the mapping, under the connection's clients.",
    AlertKind.CLIENT_RENAMED: "Make sure that it is still the same company, then take the new name, under the"
    " connection's clients.",
    AlertKind.CONNECTION_WITHDRAWN: "Its page says what is wrong. They come back by themselves when that is mended; a"
    " connection that was switched off is activated by a person.",
    AlertKind.CREDENTIAL_ENDS_SOON: "Make a new one at the vendor and enter it on the connection's page, with its new"
    " end.",
    AlertKind.CREDENTIAL_ENDS_TOMORROW: "After that day its tools are off the list. Make a new one at the vendor and"
    " enter it.",
    AlertKind.CREDENTIALS_EXPOSED: "The deployment's operators say that a key may have leaked. Make new credentials at"
    " each vendor and enter them; the list of them has the deadline.",
    AlertKind.FOREIGN_ROWS: "None of it was given out, and the tool is suspended. Look at the vendor why it does not"
    " keep to the customer it was asked for, then resume the tool on the connection's page.",
    AlertKind.GRANT_MISUSED: "The event says what does not fit: it was revoked while the host was out of reach, over,"
    " used too often, or is not known. Look at the host, and revoke its agent if nobody can explain it.",
    AlertKind.OUTCOME_UNKNOWN: "It may or may not have reached the vendor. Look there, then resume the connection's"
    " risky tools.",
    AlertKind.OWN_CREDENTIAL_WITHDRAWN: "That customer's tools are off the list, and nobody else's: no other"
    " credential is used in its place. The connection's clients say what is wrong; they come back with a good check.",
    AlertKind.QUOTA_WARNING: "At 100 % calls are refused, or charged where the plan allows overage. Usage shows who"
    " makes them; another plan includes more.",
    AlertKind.REPEATED_DENIALS: "An agent is set up wrongly, or tries what it may not. The refusals name the gate.",
    AlertKind.SECRET_REFUSED: "The stored credential is not what was stored, or not for this place. Enter it again, and"
    " ask who changed it.",
    AlertKind.SECRET_UNREADABLE: "It was set aside while keys were replaced, and the connection stands still. Enter it"
    " again.",
    AlertKind.SERVICE_ACCOUNT_LOCKED: "A secret that had been replaced was used. Find out who still has it, then enable"
    " the account.",
    AlertKind.UNAPPROVED_CALL: "The broker did not run it. The gateway queues no such call: unless a rule for approvals"
    " has just changed, somebody can write to the database or the queue.",
    AlertKind.WRONG_CREDENTIALS: "An automation has an old secret, or somebody is guessing. The events name the"
    " address.",
}
