"""Changing the tool policy. Each change is one transaction: the order is locked, checked, rewritten and recorded."""

import math
import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import QuerySet

from approvals.models import ToolRule
from approvals.policy import DAYS, UNVALUED, Comparison
from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from connectors.catalogue import find
from connectors.contract import Risk, Tier
from identity.permissions import Permission
from identity.roles import ROLES, Role
from identity.services.authority import authorise
from tenants.errors import Conflict, Invalid, NotFound
from tenants.isolation.context import acting_tenant

MOST_RULES = 200
NAME_LENGTH = 100
TOOL_LENGTH = 192
MOST_APPROVERS = 10
MOST_CONDITIONS = 10
VALUE_LENGTH = 500
DECIDING = tuple(role.value for role in Role if Permission.APPROVALS_REQUEST_DECIDE in ROLES[role].permissions)
CALLERS = ("agent", "service_account")
TERMS = (
    "name", "effect", "approvers", "factors", "enabled", "risk", "tier", "connector", "tool", "role", "caller",
    "customer", "conditions", "days", "starts", "ends", "timezone",
)  # fmt: skip
_PATH = re.compile(r"[^\s.]{1,100}(\.[^\s.]{1,100}){0,4}")
_CHOICES = {
    "effect": set(ToolRule.Effect.values),
    "risk": {"", *Risk},
    "tier": {"", *Tier},
    "role": {"", *Role},
    "caller": {"", *CALLERS},
}


def rules() -> QuerySet[ToolRule]:
    """In the order in which they are asked, those that are switched off included."""
    return ToolRule.objects.select_related("customer").order_by("position")


@transaction.atomic
def add_rule(terms: Mapping[str, Any], *, by: Actor) -> ToolRule:
    """Behind all others. `terms` are those of TERMS; what is not given is open."""
    number = _locked(by)
    if number >= MOST_RULES:
        raise Conflict(f"There are {MOST_RULES} rules already. Remove one first.", code="too_many_rules")
    rule = ToolRule(position=number + 1, changed_by=by.label[:200])
    _put(rule, terms)
    rule.save(force_insert=True)
    _recorded(EventKind.TOOL_RULE_ADDED, rule, by, after=facts(rule))
    return rule


@transaction.atomic
def change_rule(rule: ToolRule, terms: Mapping[str, Any], *, by: Actor) -> ToolRule:
    """Those of its terms that are given; it keeps its place."""
    _locked(by)
    found = _fresh(rule)
    before = facts(found)
    _put(found, terms)
    found.changed_by = by.label[:200]
    found.save()
    if facts(found) != before:
        _recorded(EventKind.TOOL_RULE_CHANGED, found, by, before=before, after=facts(found))
    return found


@transaction.atomic
def move_rule(rule: ToolRule, *, to: int, by: Actor) -> ToolRule:
    """To that place, 1 being the first; one too far is the end."""
    number = _locked(by)
    found = _fresh(rule)
    if to < 1:
        raise Invalid("Places start at 1.", field="to", code="no_such_place")
    before, to = found.position, min(to, number)
    if before != to:
        order = [each for each in rules() if each.pk != found.pk]
        order.insert(to - 1, found)
        _numbered(order)
        _recorded(EventKind.TOOL_RULE_MOVED, found, by, before=before, after=to)
    return _fresh(found)


@transaction.atomic
def remove_rule(rule: ToolRule, *, by: Actor) -> None:
    _locked(by)
    found = _fresh(rule)
    before = facts(found)
    ToolRule.objects.filter(pk=found.pk).delete()
    _numbered(list(rules()))
    _recorded(EventKind.TOOL_RULE_REMOVED, found, by, before=before)


def facts(rule: ToolRule) -> dict[str, Any]:
    """What a rule says, for the record; only what it does say."""
    said = {name: getattr(rule, name) for name in TERMS if name not in {"customer", "starts", "ends"}}
    said |= {"customer": str(rule.customer_id or "")}
    said |= {name: f"{moment:%H:%M}" for name in ("starts", "ends") if (moment := getattr(rule, name)) is not None}
    return {name: value for name, value in said.items() if value not in ("", [], 0)}


def _locked(by: Actor) -> int:
    """Whoever changes the order waits for whoever does so already. How many rules there are."""
    authorise(by, Permission.APPROVALS_RULE_MANAGE, None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"approvals.rules:{acting_tenant()}"])
    return ToolRule.objects.count()


def _fresh(rule: ToolRule) -> ToolRule:
    found = rules().filter(pk=rule.pk).first()
    if found is None:
        raise NotFound
    return found


def _numbered(order: list[ToolRule]) -> None:
    for place, rule in enumerate(order, 1):
        rule.position = place
    ToolRule.objects.bulk_update(order, ["position"])


def _put(rule: ToolRule, terms: Mapping[str, Any]) -> None:
    for name, value in terms.items():
        if name not in TERMS:
            raise Invalid(f"A rule has no {name}.", field=name)
        setattr(rule, name, value)
    _check_words(rule)
    _check_approvers(rule)
    _check_factors(rule)
    _check_target(rule)
    _check_conditions(rule)
    _check_window(rule)


def _check_words(rule: ToolRule) -> None:
    rule.name = rule.name.strip()
    if not rule.name or len(rule.name) > NAME_LENGTH:
        raise Invalid(f"Give the rule a name of at most {NAME_LENGTH} characters.", field="name", code="name_needed")
    for field, allowed in _CHOICES.items():
        if getattr(rule, field) not in allowed:
            raise Invalid(f"Choose one of: {', '.join(sorted(allowed - {''}))}.", field=field)


def _check_approvers(rule: ToolRule) -> None:
    if rule.effect != ToolRule.Effect.APPROVAL:
        rule.approvers, rule.factors = 0, []
    elif not 1 <= rule.approvers <= MOST_APPROVERS:
        raise Invalid(f"Say how many people have to agree: 1 to {MOST_APPROVERS}.", field="approvers")


def _check_factors(rule: ToolRule) -> None:
    """Roles of people who can decide at all, and no more of them than people."""
    given = rule.factors
    if not isinstance(given, list) or not all(each in DECIDING for each in given):
        raise Invalid(f"Each is a role that decides: {', '.join(DECIDING)}.", field="factors")
    if len(given) > rule.approvers:
        raise Invalid("Each role is another person's, so at least as many people have to agree.", field="factors")


def _check_target(rule: ToolRule) -> None:
    if rule.connector and find(rule.connector) is None:
        raise Invalid("There is no such connector.", field="connector")
    if len(rule.tool) > TOOL_LENGTH or re.search(r"\s", rule.tool):
        raise Invalid("Give the name as agents call it, such as halopsa_list_tickets.", field="tool")
    if rule.customer_id and rule.customer is None:
        raise Invalid("There is no such customer.", field="customer")


def _check_conditions(rule: ToolRule) -> None:
    given = rule.conditions
    if not isinstance(given, list) or len(given) > MOST_CONDITIONS:
        raise Invalid(f"Give at most {MOST_CONDITIONS} conditions.", field="conditions")
    rule.conditions = [_condition(each) for each in given]


def _condition(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict) or set(given) - {"path", "test", "value"}:
        raise Invalid("A condition has a path, a test and a value.", field="conditions")
    path, test, value = str(given.get("path", "")), given.get("test"), given.get("value")
    if not _PATH.fullmatch(path):
        raise Invalid("Name the argument, such as priority or ticket.priority.", field="conditions")
    if test not in set(Comparison):
        raise Invalid(f"A test is one of: {', '.join(Comparison)}.", field="conditions")
    if test in UNVALUED:
        return {"path": path, "test": test}
    _check_value(Comparison(test), value)
    return {"path": path, "test": test, "value": value}


def _check_value(test: Comparison, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if test in {Comparison.MORE_THAN, Comparison.LONGER_THAN} and not number:
        raise Invalid(f"`{test}` is asked of a number.", field="conditions")
    plain = isinstance(value, str | int | float) and (isinstance(value, str) or math.isfinite(value))
    if not plain or len(str(value)) > VALUE_LENGTH:
        raise Invalid("A value is a text, a number, true or false.", field="conditions")


def _check_window(rule: ToolRule) -> None:
    days = rule.days
    if not isinstance(days, list) or not all(isinstance(day, int) and day in range(len(DAYS)) for day in days):
        raise Invalid("Days are numbers from 0 (Monday) to 6.", field="days")
    rule.days = sorted(set(days))
    if (rule.starts is None) is not (rule.ends is None):
        raise Invalid("Give both hours, or none.", field="ends" if rule.ends is None else "starts")
    if rule.starts is not None and rule.starts == rule.ends:
        raise Invalid("It has to end at another time than it starts.", field="ends")
    try:
        ZoneInfo(rule.timezone or "UTC")
    except (ValueError, OSError, LookupError):
        raise Invalid("Choose a time zone, such as Europe/London.", field="timezone") from None


def _recorded(kind: EventKind, rule: ToolRule, by: Actor, **body: Any) -> None:
    subject = ("tool_rule", rule.pk, rule.name)
    record(kind, actor=by, subject=subject, customer_id=rule.customer_id, body=body)
