"""Who calls, and what a decision about it is made from: read anew for each request, in one round trip."""

import dataclasses
from collections.abc import Mapping

from billing.selectors import ask_calls_used, calls_used_of
from identity.errors import PrincipalRefused
from identity.principals import ActingPrincipal
from identity.selectors import ask_principal, principal_of
from identity.tokens import Claims
from msplex.decision.snapshot import Snapshot, snapshot_at
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import signed_transaction
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


def see(caller: Caller) -> Seen:
    narrowest = narrowest_of(caller)
    with acting_for(narrowest), signed_transaction(narrowest) as db:
        holder, revision, used = ask_principal(db, caller.claims.principal_id), ask_revision(db), ask_calls_used(db)
    principal = _principal(caller.claims, holder.fetchall())
    context = dataclasses.replace(narrowest, customers=principal.scope()) if principal else narrowest
    return Seen(context, principal, snapshot_at(context, revision_of(revision)), calls_used_of(used))


def narrowest_of(caller: Caller) -> Context:
    return Context(caller.claims.tenant_id, (), caller.claims.principal_id)


def _principal(claims: Claims, rows: list[tuple[object, ...]]) -> ActingPrincipal | None:
    try:
        principal = principal_of(claims.principal_id, rows, epoch=claims.epoch)
    except PrincipalRefused:
        return None
    return principal.limited_to(claims.customers) if principal.tenant_id == claims.tenant_id else None
