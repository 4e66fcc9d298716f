"""Whether those who agreed are enough: pure, and the same in the portal, at the gateway and in the broker.

A voter is a person whose vote counts now. Each required role has to be held by another one of them: somebody with two
of the roles stands for one.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from uuid import UUID

from approvals.binding import is_challenge, shown_digest
from approvals.models import ApprovalRequest, Vote
from audit.actors import ActorKind
from identity.passkeys import signed_challenge
from identity.permissions import Permission
from identity.principals import ActingPrincipal
from identity.services.votes import PASSKEY


@dataclasses.dataclass(frozen=True, slots=True)
class Voter:
    """`roles`: those that let the person decide for this customer."""

    id: UUID
    roles: frozenset[str]
    label: str = ""
    factor: str = ""
    device: str = ""
    voted_at: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Missing:
    people: int = 0
    factors: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.people or self.factors)


def missing(need: int, factors: Sequence[str], voters: Iterable[Voter]) -> Missing:
    """What is still missing of `need` people and of these roles."""
    people = distinct(voters)
    unmet = _unmet(factors, people)
    return Missing(max(need - len(people), len(unmet), 0), unmet)


def distinct(voters: Iterable[Voter]) -> tuple[Voter, ...]:
    """One for each person and for each device: two accounts with one authenticator are one person."""
    found: list[Voter] = []
    for voter in voters:
        if all(voter.id != other.id and (not voter.device or voter.device != other.device) for other in found):
            found.append(voter)
    return tuple(found)


def _unmet(factors: Sequence[str], people: Sequence[Voter]) -> tuple[str, ...]:
    """The roles for which nobody is left when each person stands for one (a matching, by augmenting paths)."""
    stands_for: dict[UUID, int] = {}

    def place(number: int, tried: set[UUID]) -> bool:
        for person in people:
            if factors[number] not in person.roles or person.id in tried:
                continue
            tried.add(person.id)
            if person.id not in stands_for or place(stands_for[person.id], tried):
                stands_for[person.id] = number
                return True
        return False

    return tuple(factors[number] for number in range(len(factors)) if not place(number, set()))


def decides(principal: ActingPrincipal, customer_id: UUID) -> bool:
    """A person, never an account of automation nor an agent, with the permission for that customer."""
    kind = principal.actor().kind
    return kind is ActorKind.USER and principal.allows(Permission.APPROVALS_REQUEST_DECIDE, customer_id)


def deciding_roles(principal: ActingPrincipal, customer_id: UUID) -> frozenset[str]:
    return frozenset(
        grant.role.value
        for grant in principal.grants
        if grant.customer_id in {None, customer_id} and Permission.APPROVALS_REQUEST_DECIDE in grant.permissions
    )


def voter_of(request: ApprovalRequest, vote: Vote, principal: ActingPrincipal) -> Voter | None:
    """None, if the vote does not stand, or the person may not decide any more."""
    if not stands(request, vote) or not decides(principal, vote.customer_id):
        return None
    return Voter(
        vote.approver_id, deciding_roles(principal, vote.customer_id), vote.approver_label, vote.factor,
        vote.factor_ref, vote.created_at.isoformat(timespec="microseconds"),
    )  # fmt: skip


def stands(request: ApprovalRequest, vote: Vote) -> bool:
    """An approval of exactly this, in time, by somebody else, that a passkey has signed if it says so."""
    own = vote.approver_id in {request.requester_id, request.answerable_id}
    in_time = request.created_at <= vote.created_at <= request.decide_by
    if vote.decision != Vote.Decision.APPROVE or vote.digest != request.digest or own or not in_time:
        return False
    return vote.factor != PASSKEY or _is_signed(request, vote)


def _is_signed(request: ApprovalRequest, vote: Vote) -> bool:
    signed = signed_challenge(vote.proof)
    return signed is not None and is_challenge(signed, shown_digest(request), vote.approver_id)
