"""A question to the gates that calls nothing: would this caller be let through, now or then, and if not, why?"""

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from billing.selectors import calls_of_customer, calls_used
from identity.errors import PrincipalRefused
from identity.models import Principal
from identity.principals import ActingPrincipal, PrincipalKind
from identity.selectors import known_principal
from msplex.decision.as_of import AsOf, as_of
from msplex.decision.explain import Explanation, Question, explain
from msplex.decision.past import past
from msplex.decision.snapshot import snapshot
from msplex.decision.verdicts import Code, Request, Usage
from msplex.portal.gates import Step, way_through
from tenants.errors import Invalid


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """`steps`: the thirteen gates, those behind a refusal as they would be after the changes."""

    explanation: Explanation
    steps: list[Step]

    @property
    def outcome(self) -> str:
        """runs, waits (for people to approve), or refused."""
        refusal = self.explanation.decision.refusal
        return "runs" if refusal is None else "waits" if refusal.code == Code.APPROVAL_REQUIRED else "refused"

    @property
    def approvers(self) -> int:
        """People who would have to agree, once nothing else is in the way."""
        return self.explanation.ruling.approvers if self.explanation.ruling else 0

    @property
    def rule(self) -> str:
        """Which rule says so; empty: what holds where none fits."""
        ruling = self.explanation.ruling
        return ruling.rule.name if ruling and ruling.rule else ""


def ask(principal_id: UUID, tool: str, arguments: Mapping[str, Any], *, customer: str | None, now: datetime) -> Answer:
    """As of the acting tenant's rows at this moment, with `now` as the clock. Reads only, and counts nothing."""
    state = snapshot()
    offered = state.tools.get(tool)
    used = calls_used(offered.connector.key) if offered else 0
    question = Question(state, _principal(principal_id), Request(tool, dict(arguments), customer), now, Usage(used))
    if found := question.asked().resolved.customer:
        question = dataclasses.replace(question, usage=Usage(used, of_customer=calls_of_customer(found.id)))
    said = explain(question)
    return Answer(said, way_through(verdict.as_json() for verdict in said.verdicts))


@dataclasses.dataclass(frozen=True, slots=True)
class Earlier:
    """What can be told of a moment that is over."""

    told: AsOf
    steps: list[Step]

    @property
    def outcome(self) -> str:
        return self.told.outcome

    @property
    def approvers(self) -> int:
        return self.told.ruling.approvers if self.told.ruling else 0

    @property
    def rule(self) -> str:
        return self.told.ruling.rule.name if self.told.ruling and self.told.ruling.rule else ""


def ask_then(
    principal_id: UUID, tool: str, arguments: Mapping[str, Any], *, customer: str | None, at: datetime
) -> Earlier:
    """As it was at that moment, as far as that is recorded. Reads only."""
    if at >= timezone.now():
        raise Invalid("Choose a time that is over.", field="at", code="not_past")
    question = Question(snapshot(), _whoever(principal_id), Request(tool, dict(arguments), customer), at, Usage())
    told = as_of(question, past(principal_id, at))
    return Earlier(told, way_through(each.as_json() for each in told.told))


def _whoever(principal_id: UUID) -> ActingPrincipal | None:
    """The account, whether or not it may act now; its roles are those of then."""
    row = Principal.objects.filter(id=principal_id).first()
    if row is None:
        return None
    return ActingPrincipal(row.pk, PrincipalKind(row.kind), row.label, row.tenant_id, row.epoch)


def _principal(principal_id: UUID) -> ActingPrincipal | None:
    try:
        return known_principal(principal_id)
    except PrincipalRefused:
        return None
