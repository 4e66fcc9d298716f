"""What a host agent asks for over the channel that it opens: its grants, and to be believed that it has used one."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.db import transaction

from approvals.held.agents import actor_of
from approvals.held.models import GrantUse, HeldGrant, HostAgent
from approvals.held.proofs import FRESH, Proof, proof_of
from approvals.held.services import record_grant
from approvals.tasks import settle_use
from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from connectors.compact import opened
from tenants.directory import tenant_of
from tenants.errors import Invalid
from tenants.isolation.context import Context, acting_for

USE = "msplex-use+jwt"
MOST_GRANTS = 100
MOST_REPORTED = 100
LONGEST_REASON = 300
State = HeldGrant.State


@dataclass(frozen=True, slots=True)
class Letter:
    """A request of an agent, before it is known whose it is. `path`: of its address, below the portal's."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    address: str = ""
    request_id: str = ""

    @property
    def proof(self) -> Proof | None:
        return proof_of("POST", f"{settings.PUBLIC_URL}{self.path}", self.headers, self.body)


class ClockApart(Exception):
    """It is the agent, and its clock is further from ours than a signature may be."""


def answer(letter: Letter, work: Any) -> Mapping[str, Any] | None:
    """Of `work(agent, by, given)`. None: nobody's, for whatever reason. ClockApart and Invalid: it is who it says."""
    proof = letter.proof
    tenant = tenant_of("client", proof.client_id) if proof else None
    if proof is None or tenant is None:
        return None
    with acting_for(Context(tenant)), transaction.atomic():
        agent = _known(proof)
        if agent is None:
            return None
        if abs(time.time() - proof.created) > FRESH:
            raise ClockApart
        agent.counter, agent.seen_at = proof.counter, datetime.now(UTC)
        agent.save(update_fields=["counter", "seen_at"])
        said: Mapping[str, Any] = work(
            agent, actor_of(agent, letter.address, letter.request_id), json_object(letter.body)
        )
        return said


def _known(proof: Proof) -> HostAgent | None:
    """Locked, so that of two requests with the same number one is taken."""
    rows = HostAgent.objects.select_for_update(of=("self",)).select_related("asset")
    agent = rows.filter(client_id=proof.client_id).first()
    if agent is None or agent.state != "active" or not proof.is_by(bytes(agent.key)):
        return None
    return agent if proof.counter > agent.counter else None


def json_object(body: bytes) -> dict[str, Any]:
    """Invalid, if it is none."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise Invalid("Send a JSON object.")
    return given


def sync(agent: HostAgent, by: Actor, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Everything that it may hold now, and what it may not any more. `given`: what it knows, and will not act on."""
    now = datetime.now(UTC)
    _note_told(agent, given.get("revoked"), now)
    _note_refused(agent, by, given.get("refused"))
    live = HeldGrant.objects.filter(agent=agent, not_after__gt=now)
    held = list(live.filter(state=State.HELD).order_by("id")[:MOST_GRANTS])
    for grant in held:
        if grant.delivered_at is None:
            grant.delivered_at = now
            grant.save(update_fields=["delivered_at"])
            record_grant(EventKind.GRANT_DELIVERED, grant, by, {"agent": str(agent.pk)})
    revoked = live.filter(state=State.REVOKED).order_by("id").values_list("id", flat=True)
    return {
        "now": int(now.timestamp()),
        "grants": [{"id": str(grant.pk), "token": grant.token} for grant in held],
        "revoked": [str(each) for each in revoked],
    }


def _note_told(agent: HostAgent, ids: Any, now: datetime) -> None:
    rows = HeldGrant.objects.filter(agent=agent, id__in=_ids(ids), state=State.REVOKED, told_at=None)
    rows.update(told_at=now)


def _note_refused(agent: HostAgent, by: Actor, said: Any) -> None:
    """Once for each grant and reason."""
    reasons = {str(key): str(value)[:LONGEST_REASON] for key, value in said.items()} if isinstance(said, dict) else {}
    for grant in HeldGrant.objects.filter(agent=agent, id__in=_ids(list(reasons))).select_for_update():
        because = reasons[str(grant.pk)].replace("\0", "")
        if because and because != grant.refused_because:
            grant.refused_because = because
            grant.save(update_fields=["refused_because"])
            record_grant(EventKind.GRANT_DECLINED, grant, by, {"because": because}, result="refused")


def _ids(given: Any) -> list[UUID]:
    found = []
    for each in given[:MOST_REPORTED] if isinstance(given, list) else ():
        try:
            found.append(UUID(str(each)))
        except ValueError:
            continue
    return found


def report(agent: HostAgent, by: Actor, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """One use, signed by its agent. Told again it is answered as before; told otherwise it is a finding."""
    evidence = str(given.get("evidence", ""))
    told = opened(evidence, USE, [Ed25519PublicKey.from_public_bytes(bytes(agent.key))])
    if told is None:
        raise Invalid("The evidence is not signed by this agent's key.", field="evidence")
    if told.get("agent") != str(agent.pk):  # or the client's pack with it would not be sound
        raise Invalid("The evidence does not name the agent that reports it.", field="evidence")
    grant_ref, number, step = _named(told)
    known = GrantUse.objects.filter(agent=agent, grant_ref=grant_ref, number=number, step=step).first()
    if known is None:
        known = _received(agent, grant_ref, (number, step), evidence)
    elif known.evidence != evidence:
        _differs(known, by, evidence)
    return {"state": known.state, "finding": known.finding}


def _named(told: Mapping[str, Any]) -> tuple[UUID, int, int]:
    """The grant, which use of it, and which step of that."""
    try:
        grant, number, step = UUID(str(told.get("grant"))), told.get("number"), told.get("step", 1)
    except ValueError:
        raise Invalid("The evidence names no grant.", field="evidence") from None
    if type(number) is not int or not 0 < number < 2**31 or type(step) is not int or not 0 < step < 2**15:
        raise Invalid("The evidence does not say which use it was.", field="evidence")
    return grant, number, step


def _received(agent: HostAgent, grant_ref: UUID, which: tuple[int, int], evidence: str) -> GrantUse:
    grant = HeldGrant.objects.filter(agent=agent, id=grant_ref).first()
    use = GrantUse.objects.create(
        customer_id=agent.customer_id, agent=agent, grant=grant, grant_ref=grant_ref, number=which[0],
        step=which[1], evidence=evidence, received_at=datetime.now(UTC),
    )  # fmt: skip
    settle_use.delay_on_commit(str(use.pk))
    return use


def _differs(known: GrantUse, by: Actor, evidence: str) -> None:
    """The same use, told in another way: somebody has a copy of the agent's key, or of its memory."""
    subject = ("held_grant", known.grant_ref, "")
    body = {"finding": "reported_otherwise", "number": known.number, "step": known.step, "evidence": evidence}
    record(
        EventKind.GRANT_MISUSED, actor=by, subject=subject, customer_id=known.customer_id, result="refused", body=body
    )
