"""A person asks for a grant that a host agent may use later. Others have to agree, as to a call."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from approvals.binding import imported_of, tool_digest_of
from approvals.held.playbooks import STOP, Playbook, Step
from approvals.held.selectors import agents
from approvals.held.terms import Terms
from approvals.models import ApprovalRequest
from approvals.policy import Effect, Ruling, strictest
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
from msplex.decision.verdicts import Decision, Request, Resolved
from msplex.portal.asking import MOST_APPROVERS, Wish, call_for, ruling_needed
from tenants.errors import DomainError, Invalid


@dataclasses.dataclass(frozen=True, slots=True)
class GrantWish:
    """`call`: what would be done; its customer is the host agent's. `then`: further steps, tool and arguments."""

    call: Wish
    agent: UUID
    not_before: datetime | None
    not_after: datetime
    heartbeat_lost_minutes: int | None = None
    critical_alert: bool = False
    uses: int = 1
    then: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    on_failure: str = STOP


def ask_for_grant(wish: GrantWish, *, principal: ActingPrincipal, code: str, by: Actor) -> ApprovalRequest | None:
    """None: the code was refused, and counted, so the caller must let that be committed. It is spent last."""
    if principal.kind is not PrincipalKind.USER or principal.agent_session_id:
        raise SecondFactorImpossible
    if not wish.call.reason.strip():
        raise Invalid("Say why, for those who decide.", field="reason", code="reason_needed")
    _check_secrets(wish)
    terms, now = _terms(wish), datetime.now(UTC)
    terms.check(now)
    decisions = [_decided(each, terms, principal) for each in _calls(wish)]
    terms = dataclasses.replace(terms, playbook=_playbook(wish, decisions))
    terms.check(now)
    said = strictest([ruling_needed(each) if each.refusal else Ruling(Effect.APPROVAL, 1) for each in decisions])
    wanted = dataclasses.replace(said, approvers=max(said.approvers, min(wish.call.approvers, MOST_APPROVERS)))
    call = call_for(wish.call, decisions[0], principal, by)
    if not _proven(principal, code):
        return None
    told = {"reason": wish.call.reason, "ticket": wish.call.ticket}
    return request_approval(call, wanted, terms=terms.as_json(), **told)


def _calls(wish: GrantWish) -> list[tuple[str, Mapping[str, Any]]]:
    return [(wish.call.tool, wish.call.arguments), *wish.then]


def _check_secrets(wish: GrantWish) -> None:
    for number, (_, arguments) in enumerate(_calls(wish)):
        if shown_arguments(arguments) != arguments:
            message = "A grant lies on a host for days, so it takes no argument that looks like a secret."
            raise Invalid(message, field="then" if number else "arguments", code="secret_argument")


def _decided(step: tuple[str, Mapping[str, Any]], terms: Terms, principal: ActingPrincipal) -> Decision:
    """Each step goes through the gates as a call of its own would."""
    return decide(snapshot(), principal, Request(step[0], dict(step[1]), str(terms.agent.customer_id)))


def _playbook(wish: GrantWish, decisions: Sequence[Decision]) -> Playbook | None:
    """None: there is one step alone."""
    if not wish.then:
        return None
    for number, decision in enumerate(decisions[1:], start=2):
        try:
            if decision.refusal:
                ruling_needed(decision)
        except DomainError as error:
            raise Invalid(f"Step {number}: {error.message}", field="then", code=error.code) from None
    found = [each.resolved for each in decisions]
    if len({each.instance.pk for each in found if each.instance}) != 1:
        raise Invalid("All steps have to be tools of the same connection.", field="then", code="several_connections")
    steps = [_step(each, arguments) for each, (_, arguments) in zip(found, _calls(wish), strict=True)]
    return Playbook(tuple(steps), wish.on_failure)


def _step(found: Resolved, arguments: Mapping[str, Any]) -> Step:
    if found.tool is None or found.connector is None or found.instance is None:
        raise LookupError("gates out of order")
    declared = tool_digest_of(found.connector.key, found.tool.name, imported_of(found.instance))
    return Step(found.tool.name, dict(arguments), declared)


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
