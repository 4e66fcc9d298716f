"""Every question about requests. The acting tenant is the manager's, the customers in scope are the database's."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from approvals.held.playbooks import steps_of
from approvals.models import OPEN_STATES, ApprovalRequest, Comment, ExecutionGrant, HeldGrant, ToolRule, Vote
from approvals.policy import Rule, Ruling, Subject, by_default, ruling, strictest
from approvals.quorum import Missing, Voter, missing, voter_of
from connectors.contract import Tool
from connectors.models import ImportedTool
from connectors.offering import tools_of
from identity.permissions import Permission
from identity.principals import ActingPrincipal
from identity.selectors import known_principals
from identity.services.authority import whole_tenant


def requests() -> QuerySet[ApprovalRequest]:
    """Newest first: ids are in order of time."""
    return ApprovalRequest.objects.select_related("customer", "instance").order_by("-id")


def requests_of(principal: ActingPrincipal) -> QuerySet[ApprovalRequest]:
    """Asked for by the person, by an agent for them, or by automation that they answer for."""
    return requests().filter(Q(requester_id=principal.id) | Q(answerable_id=principal.id))


def waiting_for(principal: ActingPrincipal) -> QuerySet[ApprovalRequest]:
    """Those that the person can decide, and has not."""
    own = Q(requester_id=principal.id) | Q(answerable_id=principal.id)
    voted = Exists(Vote.objects.filter(request=OuterRef("pk"), approver_id=principal.id))
    rows = requests().filter(state=ApprovalRequest.State.PENDING, decide_by__gt=datetime.now(UTC)).exclude(own)
    rows = rows.filter(Q(batch_id=None) | Q(id=F("batch_id")))  # of those that are decided about together, the first
    if not principal.allows_everywhere(Permission.APPROVALS_REQUEST_DECIDE):
        rows = rows.filter(customer_id__in=_decided_by(principal))
    return rows.exclude(voted)


def decided() -> QuerySet[ApprovalRequest]:
    return requests().exclude(state__in=OPEN_STATES)


def _decided_by(principal: ActingPrincipal) -> list[UUID]:
    customers = principal.bound_customers()
    return [each for each in customers if principal.allows(Permission.APPROVALS_REQUEST_DECIDE, each)]


def together_with(request: ApprovalRequest) -> list[ApprovalRequest]:
    """All that are decided about with it, and itself, as far as the person may see them; of a single one nothing."""
    if request.batch_id is None:
        return []
    rows = ApprovalRequest.objects.select_related("customer").prefetch_related("previews")
    return list(rows.filter(batch_id=request.batch_id).order_by("customer__name", "id"))


def with_nonce(nonce: str) -> list[UUID]:
    """The request, and the grant that is held in advance, of which at most one each has it."""
    asked = ApprovalRequest.objects.filter(nonce=nonce).values_list("id", flat=True)
    return [*asked, *HeldGrant.objects.filter(nonce=nonce).values_list("id", flat=True)]


def votes_of(request: ApprovalRequest) -> QuerySet[Vote]:
    return Vote.objects.filter(request=request).order_by("id")


def comments_of(request: ApprovalRequest) -> QuerySet[Comment]:
    return Comment.objects.filter(request=request).order_by("id")


def grant_of(request: ApprovalRequest) -> ExecutionGrant | None:
    return ExecutionGrant.objects.filter(request=request).first()


def voters_of(request: ApprovalRequest) -> list[Voter]:
    """Whose vote counts now: who approved exactly this, and could do so still."""
    votes = list(votes_of(request).filter(decision=Vote.Decision.APPROVE))
    with whole_tenant():  # who somebody is, and what they may do, is not shown to every colleague
        people = known_principals(vote.approver_id for vote in votes)
    found = (voter_of(request, vote, people[vote.approver_id]) for vote in votes if vote.approver_id in people)
    return [voter for voter in found if voter]


def ruling_of(request: ApprovalRequest) -> Ruling:
    """What the policy says of it now; of a grant with several steps, the strictest that it says of one of them."""
    exposed = ImportedTool.objects.filter(instance=request.instance, state=ImportedTool.State.EXPOSED)
    tools = {each.name: each for each in tools_of(request.instance, exposed)}
    rules = [Rule.of(row) for row in ToolRule.objects.filter(enabled=True).order_by("position")]
    return strictest([_ruling(request, tools.get(step.tool), step.arguments, rules) for step in steps_of(request)])


def _ruling(request: ApprovalRequest, tool: Tool | None, arguments: Mapping[str, Any], rules: Sequence[Rule]) -> Ruling:
    """Of a tool that is not there any more: what holds for the riskiest."""
    if tool is None:
        return by_default("")
    subject = Subject(
        tool=f"{request.instance.slug}_{tool.name}", connector=request.connector, risk=tool.risk.value,
        tier=tool.tier.value, customer_id=request.customer_id, roles=frozenset(request.roles),
        caller=request.requester_kind, now=datetime.now(UTC), arguments=arguments,
    )  # fmt: skip
    return ruling(rules, subject)


def still_missing(request: ApprovalRequest, said: Ruling, voters: Sequence[Voter]) -> Missing:
    """Of what held when it was asked for, and of what holds now: a change of the policy only ever tightens."""
    need = max(request.need, said.approvers)
    then, now = missing(need, request.factors, voters), missing(need, said.factors, voters)
    return Missing(max(then.people, now.people), tuple(dict.fromkeys((*then.factors, *now.factors))))
