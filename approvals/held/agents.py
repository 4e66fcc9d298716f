"""Host agents: added by an administrator for one asset, enrolled once with a code, revoked."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from approvals.held.models import HeldGrant, HostAgent
from approvals.held.services import revoke_rows
from audit.actors import Actor, ActorKind
from audit.kinds import EventKind
from audit.services import record
from connectors.compact import decoded, encoded, kid_of, raw_of
from connectors.signing import believed
from identity.services.uniqueness import conflict_if_taken
from tenants.directory import register_client, tenant_of
from tenants.errors import Conflict, Invalid, NotFound
from tenants.isolation.context import Context, acting_for
from tenants.models import Asset, Customer

MARK = "mspx_h_"  # of a host agent's id, which names its tenant
CODE_HOLDS = timedelta(hours=24)
KEY_BYTES = 32
LONGEST_NAME = 200
TAKEN = "There is an active host agent for this asset. Revoke it first."


@transaction.atomic
def add_agent(customer: Customer, *, name: str, by: Actor) -> tuple[HostAgent, str]:
    """For the customer's host of that name, which is made if there is none; and the code that enrols it, once."""
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME:
        raise Invalid("Say which host it is for.", field="name")
    if customer.status != Customer.Status.ACTIVE:
        raise Invalid("Choose an active customer.", field="customer")
    agent = HostAgent(customer=customer, asset=_asset(customer, name), created_by=by.label[:200])
    agent.client_id = f"{MARK}{agent.pk.hex}"
    code = _new_code(agent)
    with conflict_if_taken(TAKEN, code="agent_exists"):
        agent.save(force_insert=True)
    register_client(agent.client_id)
    _record(EventKind.HOST_AGENT_ADDED, agent, by)
    return agent, code


@transaction.atomic
def renew_code(agent: HostAgent, *, by: Actor) -> str:
    """For one that has not enrolled: the old code is good for nothing."""
    found = _locked(agent.pk)
    if found.state != "waiting":
        raise Conflict("It has enrolled already, or was revoked. Add a new one.", code="agent_enrolled")
    code = _new_code(found)
    found.save(update_fields=["code_digest", "code_expires_at"])
    _record(EventKind.HOST_AGENT_ADDED, found, by, {"again": True})
    return code


@transaction.atomic
def revoke_agent(agent: HostAgent, *, by: Actor) -> HostAgent:
    """It is believed nothing from now on, and all that it holds is revoked: out of reach, it may still act on it."""
    found = _locked(agent.pk)
    if found.revoked_at:
        raise Conflict("It was revoked already.", code="already_revoked")
    found.revoked_at, found.revoked_by, found.code_digest = datetime.now(UTC), by.label[:200], ""
    found.save(update_fields=["revoked_at", "revoked_by", "code_digest"])
    held = HeldGrant.objects.filter(agent=found, state=HeldGrant.State.HELD).select_for_update()
    revoke_rows(held, because="Its host agent was revoked.", by=by)
    _record(EventKind.HOST_AGENT_REVOKED, found, by)
    return found


def enrol(code: str, key: str, *, address: str) -> Mapping[str, Any] | None:
    """What the agent has to know from now on. None: the code is nobody's, over or used; Invalid: the key is none."""
    client_id, _, secret = code.partition(".")
    tenant = tenant_of("client", client_id) if client_id.startswith(MARK) else None
    if tenant is None or not secret:
        return None
    with acting_for(Context(tenant)), transaction.atomic():
        found = HostAgent.objects.select_for_update(of=("self",)).select_related("asset")
        agent = found.filter(client_id=client_id).first()
        if agent is None or not _is_good(agent, secret):
            return None
        return _enrolled(agent, _key_in(key), address)


def _is_good(agent: HostAgent, secret: str) -> bool:
    same = secrets.compare_digest(agent.code_digest, _digest(secret))
    return bool(agent.code_digest) and same and agent.state == "waiting" and datetime.now(UTC) < agent.code_expires_at


def _enrolled(agent: HostAgent, key: bytes, address: str) -> Mapping[str, Any]:
    agent.key, agent.kid, agent.code_digest, agent.enrolled_at = key, kid_of(key), "", datetime.now(UTC)
    agent.save(update_fields=["key", "kid", "code_digest", "enrolled_at"])
    _record(EventKind.HOST_AGENT_ENROLLED, agent, actor_of(agent, address), {"key": encoded(key), "kid": agent.kid})
    return {
        "agent": str(agent.pk), "client_id": agent.client_id, "asset": str(agent.asset_id),
        "asset_name": agent.asset.name, "customer": str(agent.customer_id), "tenant": str(agent.tenant_id),
        "issuer": settings.PUBLIC_URL, "keys": [encoded(raw_of(each)) for each in believed()],
    }  # fmt: skip


def actor_of(agent: HostAgent, address: str = "", request_id: str = "") -> Actor:
    return Actor(ActorKind.SYSTEM, agent.pk, f"host agent at {agent.asset.name}", address, request_id)


def _key_in(key: str) -> bytes:
    try:
        raw = decoded(key)
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise Invalid("Give the public half of an Ed25519 key: 32 bytes in base64url.", field="key")
    return raw


def _new_code(agent: HostAgent) -> str:
    secret = secrets.token_urlsafe(24)
    agent.code_digest, agent.code_expires_at = _digest(secret), datetime.now(UTC) + CODE_HOLDS
    return f"{agent.client_id}.{secret}"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _asset(customer: Customer, name: str) -> Asset:
    found = Asset.objects.filter(customer=customer, kind="host", name=name, active=True).order_by("id").first()
    return found or Asset.objects.create(customer=customer, kind="host", name=name)


def _locked(agent: UUID) -> HostAgent:
    rows = HostAgent.objects.select_for_update(of=("self",)).select_related("asset")
    found = rows.filter(id=agent).first()
    if found is None:
        raise NotFound
    return found


def _record(kind: EventKind, agent: HostAgent, by: Actor, body: dict[str, Any] | None = None) -> None:
    subject = ("host_agent", agent.pk, agent.asset.name)
    told = {"asset": str(agent.asset_id), "client_id": agent.client_id, **(body or {})}
    record(kind, actor=by, subject=subject, customer_id=agent.customer_id, body=told)
