"""The broker issues a grant that is held in advance, once people have agreed: the execution of such a request.

It believes no state: in one transaction it counts the votes that stand now, asks the policy of now, makes the digest
again, and signs. docs/grants.md has the format.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from approvals.binding import digest_of, exact_text, imported_of, tool_digest_of
from approvals.held.models import HeldGrant, HostAgent
from approvals.held.playbooks import signed_steps, steps_of
from approvals.held.terms import moment_of, seconds_of
from approvals.models import ApprovalRequest
from approvals.selectors import ruling_of, still_missing, voters_of
from approvals.services import end, locked, record_about, void
from audit.actors import system
from audit.canonical import canonical
from audit.kinds import EventKind
from connectors.selectors import mapping_for
from connectors.signing import sign_compact
from identity.services.authority import whole_tenant
from tenants.ids import uuid7
from tenants.models import Asset, Customer

TYPE = "msplex-grant+jwt"
BINDING = "msplex/held/v1"
BINDING_STEPS, WITH_STEPS, OF_STEPS = "msplex/held/v2", 2, ("on_failure", "steps")
BROKER = system("broker")
State = ApprovalRequest.State
# What the agent makes the digest of again, before it does anything.
BOUND = (
    "agent", "agent_key", "arguments", "asset", "condition", "connection", "customer", "exp", "nbf", "nonce", "tenant",
    "tool", "uses",
)  # fmt: skip


def issue(request_id: UUID) -> HeldGrant | None:
    """None: there is nothing to issue, or no longer, and then the request says why."""
    with whole_tenant(), transaction.atomic():
        request = locked(request_id)
        if request.state != State.APPROVED or not request.terms:
            return None
        agent = HostAgent.objects.select_related("asset").filter(id=request.terms["agent"]).first()
        why = _why_not(request, agent)
        if why or agent is None:
            void(request, why, by=BROKER)
            return None
        return _issued(request, agent)


def _why_not(request: ApprovalRequest, agent: HostAgent | None) -> str:
    """Why it may not be issued now; empty, if it may."""
    now = datetime.now(UTC)
    if request.execute_by is None or now > request.execute_by:
        return "The time to issue it is over."
    if moment_of(request.terms["not_after"]) <= now:
        return "The window in which it could be used is over."
    if agent is None or not _is_as_asked(request, agent):
        return "The host agent is not the one that it was asked for, or was revoked."
    if Customer.objects.filter(id=request.customer_id, status=Customer.Status.ACTIVE).first() is None:
        return "The customer is not active any more."
    return _policy(request) or _drift(request)


def _is_as_asked(request: ApprovalRequest, agent: HostAgent) -> bool:
    asset: Asset = agent.asset
    bound = (agent.kid, str(agent.asset_id)) == (request.terms["agent_key"], request.terms["asset"])
    return bound and agent.state == "active" and asset.active and agent.customer_id == request.customer_id


def _policy(request: ApprovalRequest) -> str:
    said = ruling_of(request)
    if said.refuses:
        return "A rule of this workspace now refuses the call."
    if still_missing(request, said, voters_of(request)):
        return "Not enough of those who approved it may still do so."
    return ""


def _drift(request: ApprovalRequest) -> str:
    mapping = mapping_for(request.instance, request.customer)
    tool = tool_digest_of(request.connector, request.tool, imported_of(request.instance))
    external = mapping.external_id if mapping else ""
    now = digest_of(request, arguments=request.arguments, external_id=external, tool_digest=tool)
    if now != request.digest:
        return "The tool, or what the customer is mapped to, has changed."
    imported = imported_of(request.instance)
    for number, step in enumerate(steps_of(request), start=1):
        if tool_digest_of(request.connector, step.tool, imported) != step.tool_digest:
            return f"The tool of step {number} has changed."
    return ""


def _issued(request: ApprovalRequest, agent: HostAgent) -> HeldGrant:
    now = datetime.now(UTC)
    claims = claims_of(request, agent, uuid7(), now)
    terms = request.terms
    grant = HeldGrant.objects.create(
        id=claims["jti"], request=request, customer_id=request.customer_id, agent=agent, asset_id=agent.asset_id,
        instance=request.instance, connector=request.connector, tool=request.tool, nonce=request.nonce,
        digest=request.digest, token=sign_compact(TYPE, canonical(claims)), not_before=moment_of(claims["nbf"]),
        not_after=moment_of(claims["exp"]), heartbeat_lost_minutes=terms["heartbeat_lost_minutes"] or None,
        critical_alert=terms["critical_alert"], uses=terms["uses"], issued_at=now,
    )  # fmt: skip
    end(request, State.EXECUTED)
    body = {"grant": grant.token, "digest": grant.digest, "nonce": grant.nonce, "held": terms}
    record_about(EventKind.APPROVAL_GRANTED, request, BROKER, body)
    return grant


def claims_of(request: ApprovalRequest, agent: HostAgent, grant: UUID, now: datetime) -> dict[str, Any]:
    """What is signed. `bound` is the digest that the agent makes again; `digest` the one that people approved."""
    terms = request.terms
    claims = {
        "agent": str(agent.pk), "agent_key": agent.kid, "arguments": exact_text(request.arguments),
        "asset": str(agent.asset_id), "connection": str(request.instance_id), "customer": str(request.customer_id),
        "condition": {
            "critical_alert": terms["critical_alert"], "heartbeat_lost_minutes": terms["heartbeat_lost_minutes"],
        },
        "digest": request.digest, "exp": terms["not_after"], "iat": seconds_of(now), "iss": settings.PUBLIC_URL,
        "jti": str(grant), "nbf": terms["not_before"], "nonce": request.nonce, "request": str(request.pk),
        "tenant": str(request.tenant_id), "tool": f"{request.instance.slug}_{request.tool}", "uses": terms["uses"],
        "v": 1,
    }  # fmt: skip
    claims |= signed_steps(request)
    return claims | {"bound": bound_of(claims)}


def bound_of(claims: dict[str, Any]) -> str:
    """Hex SHA-256 over canonical JSON of what would be done, where, when and how often."""
    several = claims["v"] == WITH_STEPS
    names = (*BOUND, *OF_STEPS) if several else BOUND
    named = {"ctx": BINDING_STEPS if several else BINDING, **{name: claims[name] for name in names}}
    return hashlib.sha256(canonical(named)).hexdigest()
