"""Every question about grants that are held in advance. The customers in scope are the database's."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from approvals.held.models import GrantUse, HeldGrant, HostAgent
from approvals.held.playbooks import steps_of
from approvals.held.terms import moment_of
from approvals.models import ApprovalRequest
from approvals.showing import arguments_of


def grants() -> QuerySet[HeldGrant]:
    """Newest first: ids are in order of time."""
    return HeldGrant.objects.select_related("customer", "instance", "asset", "agent", "request").order_by("-id")


def agents() -> QuerySet[HostAgent]:
    return HostAgent.objects.select_related("customer", "asset").order_by("-id")


def agents_that_hold() -> QuerySet[HostAgent]:
    return agents().filter(revoked_at=None, enrolled_at__isnull=False)


def uses_of(grant: HeldGrant) -> QuerySet[GrantUse]:
    return GrantUse.objects.filter(grant=grant).order_by("id")


def terms_shown(request: ApprovalRequest) -> dict[str, Any] | None:
    """For people, of a request for a grant; None, if it is for a call."""
    terms = request.terms
    if not terms:
        return None
    agent = agents().filter(id=terms["agent"]).first()
    moments = {name: moment_of(terms[name]) for name in ("not_before", "not_after")}
    grant = HeldGrant.objects.filter(request=request).first()
    host = agent.asset.name if agent else "unknown"
    steps = [(f"{request.instance.slug}_{each.tool}", arguments_of(each.arguments)) for each in steps_of(request)]
    several = steps if len(steps) > 1 else []
    return {**terms, **moments, "host": host, "grant": grant, "when": when_of(terms), "several": several}


def when_of(terms: Mapping[str, Any]) -> str:
    minutes = terms["heartbeat_lost_minutes"]
    lost = f"after more than {minutes} minute{'s' * (minutes != 1)} without contact to MSPlex" if minutes else ""
    return ", or ".join(filter(None, [lost, "on a critical alert at the host" if terms["critical_alert"] else ""]))
