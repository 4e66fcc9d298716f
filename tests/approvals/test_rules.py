"""The policy's editor: every change is checked, in order, recorded, and decides the next call."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import time
from typing import Any

import pytest
from django.db import connection

from approvals.models import ToolRule
from approvals.policy import Rule
from approvals.rules import MOST_RULES, add_rule, change_rule, move_rule, remove_rule, rules
from audit.kinds import EventKind
from audit.models import Event
from identity.errors import PermissionMissing
from identity.roles import Role
from tenants.errors import Conflict, Invalid, NotFound
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, make_member


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant("acme")


def names(world: TenantWorld) -> list[str]:
    with world.acting():
        found = list(rules())
    assert [rule.position for rule in found] == list(range(1, len(found) + 1))
    return [rule.name for rule in found]


def add(world: TenantWorld, name: str = "Rule", **terms: Any) -> ToolRule:
    with world.acting():
        return add_rule({"name": name, "effect": "refuse"} | terms, by=SETUP)


def test_rules_stand_in_the_order_in_which_they_are_put(acme):
    first, second, third = (add(acme, name) for name in ("a", "b", "c"))

    with acme.acting():
        move_rule(third, to=1, by=SETUP)
    assert names(acme) == ["c", "a", "b"]
    with acme.acting():
        move_rule(third, to=99, by=SETUP)
    assert names(acme) == ["a", "b", "c"]
    with acme.acting():
        remove_rule(second, by=SETUP)
    assert names(acme) == ["a", "c"]
    with acme.acting(), pytest.raises(Invalid):
        move_rule(first, to=0, by=SETUP)


def test_each_change_is_on_the_record_and_none_of_what_did_not_change(acme):
    rule, _ = add(acme, "a", starts=time(8), ends=time(18), days=[1, 0, 1]), add(acme, "b")
    with acme.acting():
        rule = change_rule(rule, {"effect": "approval", "approvers": 2}, by=SETUP)
        change_rule(rule, {"effect": "approval"}, by=SETUP)
        move_rule(rule, to=1, by=SETUP)
        move_rule(rule, to=2, by=SETUP)
        remove_rule(rule, by=SETUP)
        events = Event.objects.filter(kind__startswith="approvals:rule:", subject_id=str(rule.pk)).order_by("id")
        seen = [(event.kind, said_in(event)) for event in events]

    said = {"name": "a", "enabled": True, "starts": "08:00", "ends": "18:00", "days": [0, 1]}
    refuse, ask = said | {"effect": "refuse"}, said | {"effect": "approval", "approvers": 2}
    assert seen == [
        (EventKind.TOOL_RULE_ADDED, {"after": refuse}),
        (EventKind.TOOL_RULE_CHANGED, {"before": refuse, "after": ask}),
        (EventKind.TOOL_RULE_MOVED, {"before": 1, "after": 2}),
        (EventKind.TOOL_RULE_REMOVED, {"before": ask}),
    ]


def test_required_roles_go_when_a_rule_asks_nobody_any_more(acme):
    rule = add(acme, "a", effect="approval", approvers=2, factors=["owner", "operator"])
    with acme.acting(), pytest.raises(Invalid):
        change_rule(rule, {"approvers": 1}, by=SETUP)
    with acme.acting():
        assert Rule.of(ToolRule.objects.get()).factors == ("owner", "operator")
        assert change_rule(rule, {"effect": "refuse"}, by=SETUP).factors == []


def said_in(event: Event) -> dict[str, Any]:
    return {key: said for key, said in json.loads(event.body).items() if key in {"before", "after"}}


WRONG = [
    ("name", {"name": " "}), ("name", {"name": "x" * 101}), ("effect", {"effect": "perhaps"}),
    ("risk", {"risk": "high"}), ("tier", {"tier": "x"}), ("role", {"role": "king"}), ("caller", {"caller": "x"}),
    ("connector", {"connector": "nothing"}), ("tool", {"tool": "with space"}),
    ("approvers", {"effect": "approval"}), ("approvers", {"effect": "approval", "approvers": 11}),
    ("factors", {"effect": "approval", "approvers": 2, "factors": ["viewer"]}),
    ("factors", {"effect": "approval", "approvers": 2, "factors": "owner"}),
    ("factors", {"effect": "approval", "approvers": 1, "factors": ["owner", "operator"]}),
    ("days", {"days": [7]}), ("days", {"days": "Mon"}), ("ends", {"starts": time(8)}), ("starts", {"ends": time(8)}),
    ("ends", {"starts": time(8), "ends": time(8)}), ("timezone", {"timezone": "Moon/Sea"}),
    ("timezone", {"timezone": "../etc/passwd"}), ("owner", {"owner": "x"}),
    ("conditions", {"conditions": "x"}), ("conditions", {"conditions": [{"path": "a b", "test": "is", "value": 1}]}),
    ("conditions", {"conditions": [{"path": "a", "test": "like", "value": 1}]}),
    ("conditions", {"conditions": [{"path": "a", "test": "more_than", "value": "9"}]}),
    ("conditions", {"conditions": [{"path": "a", "test": "is", "value": None}]}),
    ("conditions", {"conditions": [{"path": "a", "test": "is", "value": float("nan")}]}),
    ("conditions", {"conditions": [{"path": "a", "test": "is", "value": 1, "or": 2}]}),
    ("conditions", {"conditions": [{"path": "a", "test": "present"}] * 11}),
]  # fmt: skip


@pytest.mark.parametrize(("field", "terms"), WRONG)
def test_what_cannot_be_meant_is_refused_at_its_field_and_changes_nothing(acme, field, terms):
    with pytest.raises(Invalid) as refused:
        add(acme, **terms)

    assert refused.value.field == field
    assert names(acme) == []
    rule = add(acme)
    with acme.acting(), pytest.raises(Invalid):
        change_rule(rule, terms, by=SETUP)
    with acme.acting():
        assert ToolRule.objects.get().effect == "refuse"


def test_only_who_may_edit_the_policy_changes_it(acme):
    rule = add(acme)
    operator = make_member(acme, Role.OPERATOR).actor

    for change in (
        lambda: add_rule({"name": "x", "effect": "allow"}, by=operator),
        lambda: change_rule(rule, {"effect": "allow"}, by=operator),
        lambda: move_rule(rule, to=1, by=operator),
        lambda: remove_rule(rule, by=operator),
    ):
        with acme.acting(), pytest.raises(PermissionMissing):
            change()
    assert names(acme) == ["Rule"]


def test_another_tenants_rule_is_not_found(acme):
    theirs = add(make_tenant("globex"))

    for change in (
        lambda: change_rule(theirs, {"effect": "allow"}, by=SETUP),
        lambda: move_rule(theirs, to=1, by=SETUP),
        lambda: remove_rule(theirs, by=SETUP),
    ):
        with acme.acting(), pytest.raises(NotFound):
            change()


def test_many_who_change_the_order_at_once_leave_one_without_gaps(acme):
    kept = [add(acme, str(number)) for number in range(4)]

    def change(number: int) -> None:
        try:
            with acme.acting():
                if number % 2:
                    add_rule({"name": f"new {number}", "effect": "allow"}, by=SETUP)
                else:
                    move_rule(kept[number // 2], to=1, by=SETUP)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(8)))

    assert sorted(names(acme)) == sorted([str(n) for n in range(4)] + [f"new {n}" for n in (1, 3, 5, 7)])


def test_there_is_an_end_to_rules(acme):
    with acme.acting():
        ToolRule.objects.bulk_create(
            ToolRule(position=number, name="x", effect="allow") for number in range(1, MOST_RULES + 1)
        )

    with pytest.raises(Conflict):
        add(acme)
