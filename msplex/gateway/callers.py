"""Who calls, and what a decision about it is made from: read anew for each request, in one round trip."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from audit.lag import ask_lag, lag_of
from billing.selectors import ask_calls_used, calls_used_of
from identity.errors import PrincipalRefused, TokenRefused
from identity.principals import ActingPrincipal
from identity.selectors import agent_of, ask_agent, ask_principal, principal_of
from identity.tokens import Claims, limited
from msplex.decision.snapshot import Snapshot, snapshot_at
from tenants.isolation.context import Context, acting_for
from tenants.isolation.pipeline import Row
from tenants.isolation.statements import Signed, signed_reading, signed_transaction
from tenants.selectors import ask_revision, revision_of


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """A checked token and where it came from."""

    claims: Claims
    address: str = ""
    request_id: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Waiter:
    """The gateway process that waits for the reply."""

    name: str
    public_key: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """As of this request. Without a principal the token's holder may not act any more."""

    context: Context
    principal: ActingPrincipal | None
    snapshot: Snapshot
    used: Mapping[str, int]  # connector -> calls of this month
    lag: float = 0.0  # seconds for which the oldest event of the tenant has waited for its seal


def see(caller: Caller) -> Seen:
    narrowest = narrowest_of(caller)
    # That a person's agent was here is written down (ask_agent); of automation nothing is.
    asking = signed_reading if caller.claims.agent_session_id is None else signed_transaction
    with acting_for(narrowest), asking(narrowest) as db:
        holder, revision, used = ask_principal(db, caller.claims.principal_id), ask_revision(db), ask_calls_used(db)
        agent, lag = _ask_agent(db, caller.claims), ask_lag(db)
    principal = _principal(caller, holder.fetchall(), agent.fetchone() if agent else None)
    context = dataclasses.replace(narrowest, customers=principal.scope()) if principal else narrowest
    behind = lag_of(lag, context.tenant)
    return Seen(context, principal, snapshot_at(context, revision_of(revision)), calls_used_of(used), behind)


def narrowest_of(caller: Caller) -> Context:
    return Context(caller.claims.tenant_id, (), caller.claims.principal_id)


def _ask_agent(db: Signed, claims: Claims) -> Any:
    if claims.agent_session_id is None:
        return None
    return ask_agent(db, claims.agent_session_id, user_id=claims.principal_id, epoch=claims.epoch)


def _principal(caller: Caller, rows: list[Row], agent: Row | None) -> ActingPrincipal | None:
    claims = caller.claims
    try:
        principal = principal_of(claims.principal_id, rows, epoch=claims.epoch)
    except PrincipalRefused:
        return None
    if claims.agent_session_id is not None:
        if agent is None:
            return None
        principal = agent_of(principal, agent, claims.scope.split())
    if principal.kind is not claims.kind or principal.tenant_id != claims.tenant_id:
        return None
    return _limited(principal, caller) if principal.admits(caller.address) else None


def _limited(principal: ActingPrincipal, caller: Caller) -> ActingPrincipal | None:
    try:
        return limited(principal, caller.claims)
    except TokenRefused:
        return None
