"""A person asks for a grant that a host agent may use later. Others have to agree, as to a call."""

import dataclasses
from datetime import UTC, datetime
from uuid import UUID

from approvals.held.selectors import agents
from approvals.held.terms import Terms
from approvals.models import ApprovalRequest
from approvals.policy import Effect, Ruling
from approvals.services import request_approval
from approvals.showing import shown_arguments
from audit.actors import Actor
from identity.errors import SecondFactorImpossible
from identity.models import User
from identity.principals import ActingPrincipal, PrincipalKind
from identity.services.factors import confirmed_device
from identity.services.votes import spend_code
from identity.step_up import check_recent
from msplex.decision.decide import decide
from msplex.decision.snapshot import snapshot
from msplex.decision.verdicts import Request
from msplex.portal.asking import MOST_APPROVERS, Wish, call_for, ruling_needed
from tenants.errors import Invalid


@dataclasses.dataclass(frozen=True, slots=True)
class GrantWish:
    """`call`: what would be done; its customer is the host agent's."""

    call: Wish
    agent: UUID
    not_before: datetime | None
    not_after: datetime
    heartbeat_lost_minutes: int | None = None
    critical_alert: bool = False
    uses: int = 1


def ask_for_grant(wish: GrantWish, *, principal: ActingPrincipal, code: str, by: Actor) -> ApprovalRequest | None:
    """None: the code was refused, and counted, so the caller must let that be committed. It is spent last."""
    if principal.kind is not PrincipalKind.USER or principal.agent_session_id:
        raise SecondFactorImpossible
    if not wish.call.reason.strip():
        raise Invalid("Say why, for those who decide.", field="reason", code="reason_needed")
    if shown_arguments(wish.call.arguments) != wish.call.arguments:
        message = "A grant lies on a host for days, so it takes no argument that looks like a secret."
        raise Invalid(message, field="arguments", code="secret_argument")
    terms, now = _terms(wish), datetime.now(UTC)
    terms.check(now)
    request = Request(wish.call.tool, dict(wish.call.arguments), str(terms.agent.customer_id))
    decision = decide(snapshot(), principal, request)
    said = ruling_needed(decision) if decision.refusal else Ruling(Effect.APPROVAL, 1)
    wanted = dataclasses.replace(said, approvers=max(said.approvers, min(wish.call.approvers, MOST_APPROVERS)))
    call = call_for(wish.call, decision, principal, by)
    if not _proven(principal, code):
        return None
    told = {"reason": wish.call.reason, "ticket": wish.call.ticket}
    return request_approval(call, wanted, terms=terms.as_json(), **told)


def _terms(wish: GrantWish) -> Terms:
    agent = agents().filter(id=wish.agent).first()
    if agent is None:
        raise Invalid("Choose a host agent that is enrolled and not revoked.", field="agent")
    begins = wish.not_before or datetime.now(UTC)
    return Terms(agent, begins, wish.not_after, wish.heartbeat_lost_minutes, wish.critical_alert, wish.uses)


def _proven(principal: ActingPrincipal, code: str) -> bool:
    """With the next code of their own app; who has only passkeys, with one that was used in the last minutes."""
    user = User.objects.get(id=principal.id)
    if confirmed_device(user) is None:
        check_recent(principal)
        return True
    return spend_code(user, code) is not None
