"""What people are shown of a request: exact, but for what looks like a secret; and where it stands."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from approvals.binding import shown_digest, words_of
from approvals.effects.selectors import WAITING, Effects, effects_of, may_see
from approvals.models import ApprovalRequest, Comment, ExecutionGrant, ToolRule, Vote
from approvals.policy import Ruling
from approvals.quorum import Missing, Voter, decides, missing
from approvals.selectors import comments_of, grant_of, ruling_of, still_missing, together_with, voters_of, votes_of
from connectors.labels import looks_secret
from connectors.redaction import MASK, redact
from identity.principals import ActingPrincipal

LARGE = 300  # characters of one value; beyond that it is folded
State = ApprovalRequest.State


@dataclasses.dataclass(frozen=True, slots=True)
class Argument:
    name: str
    value: str
    large: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Together:
    """One customer's part of a decision about several."""

    request: ApprovalRequest
    objects: list[str]
    arguments: str


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """A request as one person sees it now. `missing`: under the policy of now, of those who may still vote."""

    request: ApprovalRequest
    words: list[str]
    arguments: list[Argument]
    effects: Effects
    together: list[Together]
    several: int  # customers, with its own; 0: it is about one
    votes: list[Vote]
    counted: frozenset[Any]
    comments: list[Comment]
    grant: ExecutionGrant | None
    ruling: Ruling
    missing: Missing
    rule: str
    may_decide: bool
    may_reject: bool
    may_withdraw: bool

    @property
    def digest(self) -> str:
        """What is voted on: of all customers, where it is about several."""
        return shown_digest(self.request)

    @property
    def need(self) -> int:
        return max(self.request.need, self.ruling.approvers)

    @property
    def roles(self) -> list[str]:
        return list(dict.fromkeys((*self.request.factors, *self.ruling.factors)))

    @property
    def late(self) -> bool:
        return is_late(self.request)


def _together(request: ApprovalRequest, principal: ActingPrincipal) -> list[Together]:
    """Which objects, only to who may see what would be changed."""
    return [
        Together(each, _names(each) if may_see(each, principal) else [], json.dumps(shown_arguments(each.arguments)))
        for each in together_with(request)
    ]


def _names(request: ApprovalRequest) -> list[str]:
    seen = (one for preview in request.previews.all() for one in preview.objects_seen)
    return [f"{one['kind']} {one['id']} {one['name']}" for one in seen]


def standing(request: ApprovalRequest, principal: ActingPrincipal) -> Standing:
    votes, said, voters = list(votes_of(request)), ruling_of(request), voters_of(request)
    own = principal.id in {request.requester_id, request.answerable_id}
    open_ = request.state in {State.PENDING, State.APPROVED} and not is_late(request)
    voted = any(vote.approver_id == principal.id for vote in votes)
    decider = open_ and not own and not voted and decides(principal, request.customer_id)
    effects = effects_of(request, principal)
    return Standing(
        request=request, words=words_of(shown_digest(request)).split(), together=_together(request, principal),
        several=len(request.batch["customers"]) if request.batch else 0, arguments=arguments_of(request.arguments),
        effects=effects, votes=votes, counted=frozenset(voter.id for voter in voters),
        comments=list(comments_of(request)), grant=grant_of(request), ruling=said,
        missing=_missing(request, said, voters), rule=_rule(request),
        may_decide=decider and request.state == State.PENDING and effects.state != WAITING, may_reject=decider,
        may_withdraw=open_ and own,
    )  # fmt: skip


def _missing(request: ApprovalRequest, said: Ruling, voters: list[Voter]) -> Missing:
    """Of one that is over, only what it would have been."""
    return still_missing(request, said, voters) if request.is_open else missing(0, (), voters)


def _rule(request: ApprovalRequest) -> str:
    if request.policy_rule is None:
        return ""
    return ToolRule.objects.filter(id=request.policy_rule).values_list("name", flat=True).first() or "one since removed"


def is_late(request: ApprovalRequest) -> bool:
    """Whose clock has run out, though the sweep has not been there yet."""
    ends = {State.PENDING: request.decide_by, State.APPROVED: request.execute_by}.get(State(request.state))
    return ends is not None and ends <= datetime.now(UTC)


def shown_arguments(arguments: Any) -> Any:
    """Without the values of what looks like a secret by its name."""
    return redact(_masked(arguments))


def arguments_of(arguments: Mapping[str, Any]) -> list[Argument]:
    found = []
    for name, value in shown_arguments(dict(arguments)).items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
        found.append(Argument(name, text, len(text) > LARGE))
    return found


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: MASK if _hides(key, item) else _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value


def _hides(name: str, value: Any) -> bool:
    return looks_secret(name) and value not in (None, "")
