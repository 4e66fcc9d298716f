"""Host agents, and grants that they hold, as if people had agreed to them."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from approvals.held.agents import add_agent
from approvals.held.models import GrantUse, HeldGrant, HostAgent
from approvals.held.terms import Terms
from approvals.models import ApprovalRequest
from tests.factories import TenantWorld
from tests.identity.factories import SETUP
from tests.portal.factories import make_request
from tests.tenants.furnishing import as_administrator


def make_host_agent(world: TenantWorld, name: str = "SRV-DC01", *, enrolled: bool = True) -> HostAgent:
    with world.acting():
        found = HostAgent.objects.filter(asset__name=name, revoked_at=None).select_related("asset").first()
        if found:
            return found
        agent, _ = add_agent(world.customers[0], name=name, by=SETUP)
        if enrolled:
            agent.key, agent.kid = secrets.token_bytes(32), secrets.token_urlsafe(32)
            agent.enrolled_at = agent.seen_at = datetime.now(UTC)
            agent.save(update_fields=["key", "kid", "enrolled_at", "seen_at"])
        return agent


def terms_of(agent: HostAgent, **given: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    values = {"not_before": now, "not_after": now + timedelta(hours=12), "heartbeat_lost_minutes": 5}
    return Terms(**{"agent": agent, **values, **given}).as_json()


def make_asked(world: TenantWorld, name: str = "SRV-DC01", **given: Any) -> ApprovalRequest:
    agent = make_host_agent(world, name)
    told = {"reason": "After-hours coverage", "tool": "update_ticket", **given}
    return make_request(world, terms=terms_of(agent, critical_alert=True), **told)


def make_grant(world: TenantWorld, name: str = "SRV-DC01", **given: Any) -> HeldGrant:
    request, agent = make_asked(world, name), make_host_agent(world, name)
    now = datetime.now(UTC)
    values = {
        "request": request, "customer": world.customers[0], "agent": agent, "asset": agent.asset,
        "instance": request.instance, "connector": "halopsa", "tool": request.tool, "nonce": request.nonce,
        "digest": request.digest, "token": "x.y.z", "not_before": now, "not_after": now + timedelta(hours=12),
        "heartbeat_lost_minutes": 5, "critical_alert": True, "uses": 2, "issued_at": now, "delivered_at": now,
    }  # fmt: skip
    with as_administrator(), world.acting():
        return HeldGrant.objects.create(**values | given)


def make_use(grant: HeldGrant, world: TenantWorld, **given: Any) -> GrantUse:
    values = {
        "customer_id": grant.customer_id, "agent": grant.agent, "grant": grant, "grant_ref": grant.pk, "number": 1,
        "evidence": "x.y.z", "received_at": datetime.now(UTC), "state": "settled", "outcome": "succeeded",
        "settled_at": datetime.now(UTC),
    }  # fmt: skip
    with as_administrator(), world.acting():
        return GrantUse.objects.create(**values | given)
