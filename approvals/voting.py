"""Votes. The request's row is locked while one is cast, so that the last of those needed is seen once."""

import secrets
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from approvals.binding import SALT_BYTES, challenge_of, is_challenge
from approvals.effects.selectors import preview_of
from approvals.effects.services import is_waited_for
from approvals.errors import DeviceUsed, NotADecider, NotOpen, OtherDigest, OwnRequest, PreviewAwaited, VotedAlready
from approvals.models import ApprovalRequest, Vote
from approvals.quorum import decides
from approvals.selectors import ruling_of, still_missing, voters_of
from approvals.services import check_reason, effects_digest, end, facts, locked, reach_quorum, record_about, void
from audit.actors import Actor
from audit.kinds import EventKind
from identity.models import User
from identity.passkeys import Ceremony
from identity.principals import ActingPrincipal
from identity.services.votes import Given, begin_vote, spend_code, spend_passkey

State = ApprovalRequest.State


@transaction.atomic
def approve_with_code(
    request: ApprovalRequest, *, principal: ActingPrincipal, code: str, digest: str, by: Actor
) -> bool:
    """False: the code was refused, counted and recorded, so the caller must let it be committed."""
    found = _to_approve(request, principal, digest)
    given = spend_code(User.objects.get(id=principal.id), code)
    return _cast(found, given, by) if given else _refused(found, "totp", by)


def begin_passkey(request: ApprovalRequest, *, principal: ActingPrincipal) -> Ceremony:
    """What the passkey signs names the action, the person, and nothing that was signed before."""
    _check_person(request, principal)
    if principal.session_id is None:
        raise NotADecider
    challenge = challenge_of(request.digest, principal.id, secrets.token_bytes(SALT_BYTES))
    user = User.objects.get(id=principal.id)
    return begin_vote(user, session_id=principal.session_id, about=request.pk.hex, challenge=challenge)


@transaction.atomic
def approve_with_passkey(
    request: ApprovalRequest, *, principal: ActingPrincipal, state: str, answer: dict[str, Any], by: Actor
) -> bool:
    """As with a code. What was signed has to be over this request's digest, as it is now."""
    found = _to_approve(request, principal, request.digest)
    if principal.session_id is None:
        raise NotADecider
    user = User.objects.get(id=principal.id)
    spent = spend_passkey(user, session_id=principal.session_id, about=found.pk.hex, state=state, answer=answer, by=by)
    if spent is None:
        return _refused(found, "passkey", by)
    given, signed = spent
    if not is_challenge(signed, found.digest, principal.id):
        return _refused(found, "passkey", by)
    return _cast(found, given, by)


@transaction.atomic
def reject(request: ApprovalRequest, *, principal: ActingPrincipal, reason: str, by: Actor) -> ApprovalRequest:
    """One is enough. Also what is approved already, as long as it does not run."""
    reason = check_reason(reason)
    found = locked(request.pk)
    _check_person(found, principal)
    if found.state not in {State.PENDING, State.APPROVED}:
        raise NotOpen(found.get_state_display())
    _add(found, by, Vote.Decision.REJECT, reason=reason)
    end(found, State.REJECTED, because=f"{by.label}: {reason}")
    record_about(EventKind.APPROVAL_REJECTED, found, by, {**facts(found), "reason": reason})
    return found


def _to_approve(request: ApprovalRequest, principal: ActingPrincipal, digest: str) -> ApprovalRequest:
    found = locked(request.pk)
    _check_person(found, principal)
    if found.state != State.PENDING:
        raise NotOpen(found.get_state_display())
    if found.decide_by <= datetime.now(UTC):
        raise NotOpen(State.EXPIRED.label)
    if digest != found.digest:
        raise OtherDigest
    if is_waited_for(found, preview_of(found)):
        raise PreviewAwaited
    if Vote.objects.filter(request=found, approver_id=principal.id).exists():
        raise VotedAlready
    return found


def _check_person(request: ApprovalRequest, principal: ActingPrincipal) -> None:
    if not decides(principal, request.customer_id):
        raise NotADecider
    if principal.id in {request.requester_id, request.answerable_id}:
        raise OwnRequest


def _cast(found: ApprovalRequest, given: Given, by: Actor) -> bool:
    """The vote, and what follows from it under the policy and the roles of this moment."""
    if Vote.objects.filter(request=found, factor_ref=given.device).exists():
        raise DeviceUsed
    _add(found, by, Vote.Decision.APPROVE, factor=given.factor, factor_ref=given.device, proof=given.proof)
    body = {
        **facts(found),
        "effects": effects_digest(found),
        "factor": given.factor,
        **({"proof": given.proof} if given.proof else {}),
    }
    record_about(EventKind.APPROVAL_VOTED, found, by, body)
    said, voters = ruling_of(found), voters_of(found)
    if said.refuses:
        void(found, "A rule of this workspace now refuses the call.", by=by)
    elif not still_missing(found, said, voters):
        reach_quorum(found, said, voters, by)
    return True


def _add(found: ApprovalRequest, by: Actor, decision: Vote.Decision, **given: Any) -> None:
    if by.id is None:
        raise NotADecider
    if Vote.objects.filter(request=found, approver_id=by.id).exists():
        raise VotedAlready
    Vote.objects.create(
        request=found, customer_id=found.customer_id, requester_id=found.requester_id,
        answerable_id=found.answerable_id, digest=found.digest, approver_id=by.id, approver_label=by.label,
        decision=decision, created_at=datetime.now(UTC), **given,
    )  # fmt: skip


def _refused(found: ApprovalRequest, factor: str, by: Actor) -> bool:
    record_about(EventKind.APPROVAL_VOTE_REFUSED, found, by, {**facts(found), "factor": factor}, result="refused")
    return False
