"""Votes. The request's row is locked while one is cast, so that the last of those needed is seen once."""

import secrets
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from approvals.binding import SALT_BYTES, challenge_of, is_challenge, shown_digest
from approvals.effects.selectors import preview_of
from approvals.effects.services import is_waited_for
from approvals.errors import DeviceUsed, NotADecider, NotOpen, OtherDigest, OwnRequest, PreviewAwaited, VotedAlready
from approvals.models import ApprovalRequest, Vote
from approvals.quorum import decides
from approvals.selectors import ruling_of, still_missing, voters_of
from approvals.services import (
    check_reason,
    effects_digest,
    end,
    facts,
    locked_together,
    reach_quorum,
    record_about,
    void,
)
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
    return _cast(found, given, by) if given else _refused(found[0], "totp", by)


def begin_passkey(request: ApprovalRequest, *, principal: ActingPrincipal) -> Ceremony:
    """What the passkey signs names the action, the person, and nothing that was signed before."""
    _check_person(request, principal)
    if principal.session_id is None:
        raise NotADecider
    challenge = challenge_of(shown_digest(request), principal.id, secrets.token_bytes(SALT_BYTES))
    user = User.objects.get(id=principal.id)
    return begin_vote(user, session_id=principal.session_id, about=request.pk.hex, challenge=challenge)


@transaction.atomic
def approve_with_passkey(
    request: ApprovalRequest, *, principal: ActingPrincipal, state: str, answer: dict[str, Any], by: Actor
) -> bool:
    """As with a code. What was signed has to be over this request's digest, as it is now."""
    found = _to_approve(request, principal, shown_digest(request))
    if principal.session_id is None:
        raise NotADecider
    user = User.objects.get(id=principal.id)
    spent = spend_passkey(
        user, session_id=principal.session_id, about=request.pk.hex, state=state, answer=answer, by=by
    )
    if spent is None:
        return _refused(found[0], "passkey", by)
    given, signed = spent
    if not is_challenge(signed, shown_digest(found[0]), principal.id):
        return _refused(found[0], "passkey", by)
    return _cast(found, given, by)


@transaction.atomic
def reject(request: ApprovalRequest, *, principal: ActingPrincipal, reason: str, by: Actor) -> ApprovalRequest:
    """One is enough. Also what is approved already, as long as it does not run; of several customers, for all."""
    reason = check_reason(reason)
    found, undone = locked_together(request)
    _check_person(found, principal)
    if found.state not in {State.PENDING, State.APPROVED}:
        raise NotOpen(found.get_state_display())
    for each in undone:
        _check_person(each, principal)
        _add(each, by, Vote.Decision.REJECT, reason=reason)
        end(each, State.REJECTED, because=f"{by.label}: {reason}")
        record_about(EventKind.APPROVAL_REJECTED, each, by, {**facts(each), "reason": reason})
    return found


def _to_approve(request: ApprovalRequest, principal: ActingPrincipal, digest: str) -> list[ApprovalRequest]:
    """Locked: the request, and all that are decided about with it."""
    first, found = locked_together(request)
    _check_open(first, principal, digest)
    if first.batch and len(found) != len(first.batch["customers"]):
        raise NotOpen("no longer whole")
    for each in found:
        _check_open(each, principal, digest)
    return found


def _check_open(found: ApprovalRequest, principal: ActingPrincipal, digest: str) -> None:
    _check_person(found, principal)
    if found.state != State.PENDING:
        raise NotOpen(found.get_state_display())
    if found.decide_by <= datetime.now(UTC):
        raise NotOpen(State.EXPIRED.label)
    if digest != shown_digest(found):
        raise OtherDigest
    if is_waited_for(found, preview_of(found)):
        raise PreviewAwaited
    if Vote.objects.filter(request=found, approver_id=principal.id).exists():
        raise VotedAlready


def _check_person(request: ApprovalRequest, principal: ActingPrincipal) -> None:
    if not decides(principal, request.customer_id):
        raise NotADecider
    if principal.id in {request.requester_id, request.answerable_id}:
        raise OwnRequest


def _cast(all_of_them: list[ApprovalRequest], given: Given, by: Actor) -> bool:
    """The vote, and what follows from it under the policy and the roles of this moment: for all, or for none."""
    for each in all_of_them:
        _vote(each, given, by)
    said = [(each, ruling_of(each), voters_of(each)) for each in all_of_them]
    if any(ruling.refuses for _, ruling, _ in said):
        for each in all_of_them:
            void(each, "A rule of this workspace now refuses the call.", by=by)
    elif not any(still_missing(*each) for each in said):
        for each, ruling, voters in said:
            reach_quorum(each, ruling, voters, by)
    return True


def _vote(found: ApprovalRequest, given: Given, by: Actor) -> None:
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
