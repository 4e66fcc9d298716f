"""The policy's pages: rules in their order, an editor that loses nothing, and calls that are tried out."""

import pytest
from django.urls import reverse

from approvals.models import ToolRule
from approvals.rules import add_rule
from audit.models import Event
from connectors.models import ToolCall
from identity.roles import Role
from tests.identity.factories import SETUP, Machine, make_machine, make_person
from tests.portal.factories import Furnished, furnish

NEW = {
    "name": "No changes at night", "effect": "approval", "approvers": "2", "enabled": "on", "risk": "write",
    "days": ["0", "4"], "starts": "18:00", "ends": "08:00", "timezone": "Europe/London",
    "conditions-TOTAL_FORMS": "3", "conditions-INITIAL_FORMS": "0",
    "conditions-0-path": "priority", "conditions-0-test": "is", "conditions-0-value": "1",
    "conditions-1-path": "note", "conditions-1-test": "contains", "conditions-1-value": '"1"',
    "conditions-2-path": "agent_id", "conditions-2-test": "present", "conditions-2-value": "",
}  # fmt: skip
CONDITIONS = [
    {"path": "priority", "test": "is", "value": 1},
    {"path": "note", "test": "contains", "value": "1"},
    {"path": "agent_id", "test": "present"},
]


@pytest.fixture
def acme() -> Furnished:
    return furnish("acme")


def rules_of(it: Furnished) -> list[ToolRule]:
    with it.world.acting():
        return list(ToolRule.objects.order_by("position"))


def add(it: Furnished, name: str, **terms: object) -> ToolRule:
    with it.world.acting():
        return add_rule({"name": name, "effect": "refuse"} | terms, by=SETUP)


def test_a_rule_is_made_as_it_was_filled_in_and_comes_back_so_when_it_is_edited(acme):
    browser = acme.owner.browser()

    assert browser.post(reverse("portal:policy_rule_new"), NEW).status_code == 302
    [made] = rules_of(acme)
    page = browser.get(reverse("portal:policy_rule", args=[made.pk]))
    bound = page.context["form"]
    again = {name: field.value() for name in NEW if name in bound.fields and (field := bound[name])}
    lines = {f"{line.add_prefix(n)}": line[n].value() for line in bound.conditions for n in line.fields}
    sent = {name: "" if value is None else value for name, value in (again | lines).items()}
    count = {"conditions-TOTAL_FORMS": "5", "conditions-INITIAL_FORMS": "3"}
    assert browser.post(reverse("portal:policy_rule", args=[made.pk]), sent | count).status_code == 302

    [kept] = rules_of(acme)
    for rule in (made, kept):
        assert (rule.effect, rule.approvers, rule.days, rule.timezone) == ("approval", 2, [0, 4], "Europe/London")
        assert rule.conditions == CONDITIONS
        assert f"{rule.starts:%H:%M}-{rule.ends:%H:%M}" == "18:00-08:00"
    listed = browser.get(reverse("portal:policy")).content.decode()
    assert "Tools that write; if priority is 1 and note contains &#x27;1&#x27; and agent_id is present" in listed
    assert "2 people agree first" in listed


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "Name"),
        ({"approvers": ""}, "People who have to agree"),
        ({"ends": ""}, "Until"),
        ({"conditions-0-test": ""}, "Test"),
        ({"conditions-0-test": "more_than", "conditions-0-value": "many"}, "asked of a number"),
        ({"timezone": "Mars"}, "Choose a time zone"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(acme, changes, field):
    response = acme.owner.browser().post(reverse("portal:policy_rule_new"), NEW | changes)

    assert response.status_code == 422
    page = response.content.decode()
    assert field in page
    assert 'value="Europe/London"' in page or changes.get("timezone")
    assert 'aria-invalid="true"' in page or "notice-bad" in page
    assert rules_of(acme) == []


def test_rules_are_moved_and_removed_by_buttons(acme):
    first, second = add(acme, "first"), add(acme, "second")
    browser = acme.owner.browser()

    browser.post(reverse("portal:policy_rule_move", args=[second.pk]), {"way": "up"})
    assert [rule.name for rule in rules_of(acme)] == ["second", "first"]
    browser.post(reverse("portal:policy_rule_move", args=[second.pk]), {"way": "up"})
    browser.post(reverse("portal:policy_rule_move", args=[second.pk]), {"way": "down"})
    assert [rule.name for rule in rules_of(acme)] == ["first", "second"]
    browser.post(reverse("portal:policy_rule_remove", args=[first.pk]))
    assert [rule.name for rule in rules_of(acme)] == ["second"]


def test_a_call_that_is_tried_is_neither_sent_nor_recorded(acme):
    add(acme, "Nothing for Acme", customer=acme.world.customers[0])
    caller: Machine = make_machine(acme.world, Role.OPERATOR, customers=[acme.world.customers[0]])
    with acme.world.acting():
        before = ToolCall.objects.count(), Event.objects.count()
    asked = {"principal": str(caller.id), "tool": "halopsa_list_tickets", "arguments": "{}"}

    page = acme.owner.browser().get(reverse("portal:policy_try"), asked)
    api = acme.owner.browser().post(
        reverse("api:explanation-list"), asked | {"arguments": {}}, content_type="application/json"
    )

    assert page.context["answer"].outcome == api.json()["outcome"] == "refused"
    texts = [change["text"] for change in api.json()["changes"]]
    assert texts == [change.text for change in page.context["answer"].explanation.changes]
    assert "Switch off or change rule 1 of the policy, “Nothing for Acme”." in texts
    with acme.world.acting():
        assert ToolCall.objects.count() == before[0]
        assert not Event.objects.filter(kind__startswith="gateway:").exists()


def test_arguments_may_be_left_empty_and_begin_so(acme):
    sent = {"principal": str(acme.machine.id), "tool": "halopsa_list_tickets"}
    browser = acme.owner.browser()

    for room in ("policy_try", "approval_new"):
        assert browser.get(reverse(f"portal:{room}")).context["form"]["arguments"].value() == ""
    assert browser.get(reverse("portal:policy_try"), sent | {"arguments": ""}).context["form"].is_valid()


@pytest.mark.parametrize("asked", [{"arguments": "{"}, {"arguments": "[1]"}, {"at": "soon"}, {"principal": "x"}])
def test_a_question_that_cannot_be_meant_is_said_at_its_field(acme, asked):
    sent = {"principal": str(acme.machine.id), "tool": "halopsa_list_tickets"} | asked

    response = acme.owner.browser().get(reverse("portal:policy_try"), sent)

    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.content.decode()


def test_the_clock_of_a_question_moves_alone(acme):
    add(acme, "Saturdays", days=[5])
    sent = {"principal": str(acme.machine.id), "tool": "halopsa_list_tickets"}
    browser = acme.owner.browser()

    def codes(at: str) -> list[str]:
        answer = browser.get(reverse("portal:policy_try"), sent | {"at": at}).context["answer"]
        return [change.code for change in answer.explanation.changes]

    assert "policy_denied" in codes("2026-11-28T12:00")
    assert "policy_denied" not in codes("2026-11-27T12:00")


def test_whoever_only_reads_sees_no_button(acme):
    add(acme, "first")
    viewer = make_person(acme.world, Role.VIEWER, name="vera")

    page = viewer.browser().get(reverse("portal:policy")).content.decode()

    assert "first" in page
    assert "New rule" not in page
    assert '<form method="post" action="/policy/' not in page
