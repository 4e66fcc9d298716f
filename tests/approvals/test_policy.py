"""Which rule decides, over made-up rules: no database, no clock."""

from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID, uuid4

import pytest

from approvals.policy import Comparison, Condition, Effect, Rule, Subject, Window, next_change, ruling

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ACME, OTHER = UUID(int=1), UUID(int=2)
NIGHT = Window(frozenset(), time(18), time(8), "Europe/London")


def rule(effect: str = "refuse", **terms: Any) -> Rule:
    return Rule(uuid4(), 1, "tests", Effect(effect), terms.pop("approvers", int(effect == "approval")), **terms)


def subject(**changes: Any) -> Subject:
    terms: dict[str, Any] = {
        "tool": "halopsa_add_note", "connector": "halopsa", "risk": "write", "tier": "production", "customer_id": ACME,
        "roles": frozenset({"operator"}), "caller": "agent", "now": MONDAY_NOON, "arguments": {"note": "hello"},
    }  # fmt: skip
    return Subject(**(terms | changes))


@pytest.mark.parametrize(
    ("selector", "change"),
    [
        ({"risk": "write"}, {"risk": "read"}),
        ({"tier": "production"}, {"tier": "identity"}),
        ({"connector": "halopsa"}, {"connector": "hudu"}),
        ({"tool": "halopsa_add_note"}, {"tool": "halopsa_create_ticket"}),
        ({"role": "operator"}, {"roles": frozenset({"viewer"})}),
        ({"caller": "agent"}, {"caller": "service_account"}),
        ({"customer_id": ACME}, {"customer_id": OTHER}),
        ({"conditions": (Condition("note", Comparison.CONTAINS, "HELL"),)}, {"arguments": {"note": "bye"}}),
        ({"window": Window(frozenset({0}))}, {"now": MONDAY_NOON.replace(day=24)}),
    ],
)
def test_each_selector_narrows_what_a_rule_is_about(selector, change):
    rules = [rule(**selector)]

    assert ruling(rules, subject()).refuses
    assert not ruling(rules, subject(**change)).refuses
    # All selectors of one rule have to fit.
    assert not ruling([rule(**selector, risk="destructive")] if "risk" not in selector else [], subject()).refuses


def test_the_first_rule_that_fits_decides_and_the_rest_is_not_asked():
    first, second = rule("allow", tool="halopsa_add_note"), rule("refuse", risk="write")

    assert ruling([first, second], subject()).rule is first
    assert ruling([second, first], subject()).rule is second
    assert ruling([rule("refuse", risk="read"), rule("approval", approvers=3)], subject()).approvers == 3


@pytest.mark.parametrize(("risk", "approvers"), [("read", 0), ("write", 1), ("destructive", 2), ("unheard of", 2)])
def test_without_a_rule_risk_decides_how_many_have_to_agree(risk, approvers):
    said = ruling([], subject(risk=risk))

    assert (said.approvers, said.rule, said.refuses) == (approvers, None, False)


@pytest.mark.parametrize(
    ("condition", "fitting", "other"),
    [
        (Condition("n", Comparison.IS, 1), [{"n": 1}], [{"n": True}, {"n": "1"}, {"n": 2}, {}]),
        (Condition("n", Comparison.IS, True), [{"n": True}], [{"n": 1}, {}]),
        (Condition("n", Comparison.IS_NOT, 1), [{"n": 2}, {"n": True}], [{"n": 1}, {}]),
        (Condition("n", Comparison.CONTAINS, "ab"), [{"n": "xABx"}, {"n": ["ab"]}], [{"n": ["abc"]}, {"n": 3}, {}]),
        (Condition("n", Comparison.MORE_THAN, 5), [{"n": 6}, {"n": 5.1}], [{"n": 5}, {"n": "9"}, {"n": True}, {}]),
        (Condition("n", Comparison.LONGER_THAN, 2), [{"n": "abc"}, {"n": [1, 2, 3]}], [{"n": "ab"}, {"n": 12345}, {}]),
        (Condition("n", Comparison.PRESENT), [{"n": None}, {"n": 0}], [{}, {"m": 1}]),
        (Condition("n", Comparison.ABSENT), [{}, {"m": 1}], [{"n": None}]),
        (Condition("a.b", Comparison.IS, 1), [{"a": {"b": 1}}], [{"a": 1}, {"a": {}}, {"a.b": 1}]),
    ],
)
def test_conditions(condition, fitting, other):
    assert all(condition.fits(arguments) for arguments in fitting)
    assert not any(condition.fits(arguments) for arguments in other)
    assert str(condition)


def test_all_conditions_of_a_rule_have_to_hold():
    both = rule(conditions=(Condition("a", Comparison.PRESENT), Condition("b", Comparison.PRESENT)))

    assert not ruling([both], subject(arguments={"a": 1})).refuses
    assert ruling([both], subject(arguments={"a": 1, "b": 1})).refuses


@pytest.mark.parametrize(
    ("rules", "listed"),
    [
        ([("refuse", "state", "present")], True),
        ([("refuse", "state", "present"), ("refuse",)], False),
        ([("allow", "state", "present"), ("refuse",)], True),
        # The tool takes no such argument, so no call can have it.
        ([("allow", "colour", "present"), ("refuse",)], False),
        ([("refuse", "colour", "absent")], False),
        # Every call has one that is required.
        ([("refuse", "note", "present")], False),
        ([("allow", "note", "absent"), ("refuse",)], False),
    ],
)
def test_a_list_asks_what_any_call_could_get(rules, listed):
    """No arguments are known yet, so a refusal of some does not hide the tool, and a way past a refusal shows it."""
    made = [rule(effect, conditions=tuple([Condition(c[0], Comparison(c[1]))] if c else [])) for effect, *c in rules]

    assert ruling(made, subject(arguments=None, taken={"note": True, "state": False})).refuses is not listed


@pytest.mark.parametrize(
    ("moment", "covered"),
    [
        ("2026-11-23T17:59", False), ("2026-11-23T18:00", True),
        ("2026-11-24T07:59", True), ("2026-11-24T08:00", False),
        # In summer London is an hour ahead of UTC.
        ("2026-07-06T17:00", True), ("2026-07-06T07:00", False), ("2026-07-06T06:59", True),
    ],
)  # fmt: skip
def test_windows_go_over_midnight_and_by_the_clock_of_their_place(moment, covered):
    assert NIGHT.covers(datetime.fromisoformat(moment).replace(tzinfo=UTC)) is covered


def test_the_days_of_a_window_over_midnight_are_those_on_which_it_starts():
    friday = Window(frozenset({4}), time(18), time(8))

    assert friday.covers(datetime(2026, 11, 28, 7, 59, tzinfo=UTC))  # Saturday morning
    assert not friday.covers(datetime(2026, 11, 27, 7, 59, tzinfo=UTC))  # Friday morning
    assert not friday.covers(datetime(2026, 11, 28, 18, tzinfo=UTC))


def test_a_window_of_whole_days_has_no_hours():
    weekend = Window(frozenset({5, 6}), timezone="Pacific/Auckland")

    assert weekend.covers(datetime(2026, 11, 27, 12, tzinfo=UTC))  # Saturday there
    assert not weekend.covers(datetime(2026, 11, 29, 12, tzinfo=UTC))  # Monday there


def test_when_a_window_ends():
    assert next_change(NIGHT, datetime(2026, 11, 23, 19, 30, 5, tzinfo=UTC)) == datetime(2026, 11, 24, 8, tzinfo=UTC)
    odd = Window(frozenset(), time(0), time(12, 7))
    assert next_change(odd, datetime(2026, 11, 23, 12, 1, tzinfo=UTC)) == datetime(2026, 11, 23, 12, 7, tzinfo=UTC)
    assert next_change(Window(frozenset(range(7))), MONDAY_NOON) is None
