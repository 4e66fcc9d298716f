"""Families of events, as an auditor asks for them. A kind may be in several: a refused call is a call and a denial."""

from enum import StrEnum

from audit.kinds import EventKind


class Family(StrEnum):
    AGENTS = "agents"
    APPROVALS = "approvals"
    AUDIT = "audit"
    CALLS = "calls"
    CONNECTORS = "connectors"
    CUSTOMERS = "customers"
    DENIALS = "denials"
    SECRETS = "secrets"
    SERVICE_ACCOUNTS = "service_accounts"
    SETTINGS = "settings"
    SIGN_IN = "sign_in"
    USERS = "users"


LABELS = {
    Family.AGENTS: "Agents",
    Family.APPROVALS: "Approvals",
    Family.AUDIT: "The log itself",
    Family.CALLS: "Tool calls",
    Family.CONNECTORS: "Connections",
    Family.CUSTOMERS: "Customers",
    Family.DENIALS: "Denials",
    Family.SECRETS: "Secret access",
    Family.SERVICE_ACCOUNTS: "Service accounts",
    Family.SETTINGS: "Settings and plan",
    Family.SIGN_IN: "Signing in",
    Family.USERS: "People and roles",
}
# The longest beginning of a kind that is here says its family. Every area is, so a new kind has one.
_BEGINNINGS = {
    "approvals": Family.APPROVALS,
    "audit": Family.AUDIT,
    "billing": Family.SETTINGS,
    "connectors": Family.CONNECTORS,
    "connectors:credential": Family.SECRETS,
    "connectors:key": Family.SECRETS,
    "customers": Family.CUSTOMERS,
    "gateway": Family.CALLS,
    "identity": Family.USERS,
    "identity:agent": Family.AGENTS,
    "identity:secret": Family.SERVICE_ACCOUNTS,
    "identity:service_account": Family.SERVICE_ACCOUNTS,
    "identity:session": Family.SIGN_IN,
    "identity:tenant": Family.SETTINGS,
    "identity:token": Family.SERVICE_ACCOUNTS,
    "tenant": Family.SETTINGS,
}
_DENYING = frozenset({"deny", "refuse", "reject", "lock", "reuse"})


def families_of(kind: EventKind) -> frozenset[Family]:
    area, thing, verb = kind.split(":")
    own = _BEGINNINGS.get(f"{area}:{thing}") or _BEGINNINGS[area]
    denied = verb in _DENYING and own is not Family.AUDIT
    return frozenset({own, Family.DENIALS} if denied else {own})


def kinds_in(family: Family) -> list[EventKind]:
    return [kind for kind in EventKind if family in families_of(kind)]
