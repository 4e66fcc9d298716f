"""What was true at a moment that is over, by what is recorded; and that nothing else is said of it."""

import time
from datetime import UTC, datetime

import pytest
from django.db import transaction
from django.urls import reverse

from approvals.models import ToolRule
from approvals.policy import Rule
from approvals.rules import add_rule, change_rule, move_rule, remove_rule, rules
from billing.plans import change_subscription, publish_plan
from billing.terms import ConnectorTerms
from identity.models import Principal, RoleBinding
from identity.principals import Grant
from identity.roles import Role
from identity.services import bind_role, disable_principal, enable_principal, unbind_role
from msplex.decision.past import Past, past
from msplex.decision.verdicts import Gate
from tenants.models import Entitlement, Subscription
from tests.identity.factories import SETUP, make_machine, make_person
from tests.portal.factories import Furnished, furnish

TOOL = "halopsa_list_tickets"


@pytest.fixture
def acme() -> Furnished:
    return furnish("acme")


def moment() -> datetime:
    """Between what was done before it and what is done after it."""
    time.sleep(0.01)
    now = datetime.now(UTC)
    time.sleep(0.01)
    return now


def seen(it: Furnished, principal, at: datetime) -> Past:
    with it.world.acting():
        return past(principal.id, at)


def names(known: Past) -> list[str] | None:
    return None if known.rules is None else [rule.name for rule in known.rules]


def test_rules_are_those_of_then_in_the_order_of_then(acme):
    machine, moments = make_machine(acme.world, Role.OPERATOR), [moment()]
    with acme.world.acting():
        first = add_rule({"name": "First", "effect": "refuse", "starts": None, "days": [5]}, by=SETUP)
        moments.append(moment())
        second = add_rule(
            {"name": "Second", "effect": "approval", "approvers": 2, "factors": ["owner"],
             "conditions": [{"path": "a", "test": "is", "value": 1}], "customer": acme.world.customers[0]},
            by=SETUP,
        )  # fmt: skip
        moments.append(moment())
        move_rule(second, to=1, by=SETUP)
        moments.append(moment())
        change_rule(first, {"enabled": False}, by=SETUP)
        moments.append(moment())
        as_made = Rule.of(rules().get(pk=second.pk))
        remove_rule(second, by=SETUP)
        change_rule(first, {"enabled": True, "name": "Changed"}, by=SETUP)

    told = [seen(acme, machine, at) for at in (*moments, moment())]

    assert [names(each) for each in told] == [
        [], ["First"], ["First", "Second"], ["Second", "First"], ["Second"], ["Changed"],
    ]  # fmt: skip
    kept = told[4].rules[0]
    ours, theirs = ({**each.__dict__} for each in (kept, as_made))
    for each in (ours, theirs):
        each.pop("version", None)
    assert {k: ours[k] for k in theirs if k in ours} == theirs


def test_rules_that_changed_without_a_record_cannot_be_told(acme):
    machine = make_machine(acme.world, Role.OPERATOR)
    with acme.world.acting():
        add_rule({"name": "First", "effect": "refuse"}, by=SETUP)
        at = moment()
        ToolRule.objects.update(name="Renamed by hand")

    assert names(seen(acme, machine, at)) is None


def test_roles_are_those_of_then(acme):
    one, other = acme.world.customers[:2]
    start = moment()
    machine = make_machine(acme.world, Role.VIEWER, customers=[one])
    made = moment()
    with acme.world.acting():
        principal = Principal.objects.get(id=machine.id)
        bind_role(principal, role=Role.OPERATOR, customer=other, by=SETUP)
        given = moment()
        unbind_role(RoleBinding.objects.get(principal=principal, customer=one), by=SETUP)

    told = [seen(acme, machine, at) for at in (start, made, given, moment())]

    viewer, operator = Grant(Role.VIEWER, one.id), Grant(Role.OPERATOR, other.id)
    assert [set(each.grants) for each in told] == [set(), {viewer}, {viewer, operator}, {operator}]
    assert [each.enabled for each in told] == [False, True, True, True]


def test_roles_that_changed_without_a_record_cannot_be_told(acme):
    machine, at = make_machine(acme.world, Role.VIEWER), moment()
    with acme.world.acting():
        RoleBinding.objects.filter(principal=machine.id).update(role=Role.ADMIN.value)

    assert seen(acme, machine, at).grants is None


def test_who_was_disabled_then_may_be_enabled_now_and_the_other_way_round(acme):
    machine, before = make_machine(acme.world, Role.VIEWER), moment()
    with acme.world.acting():
        disable_principal(machine.id, by=SETUP)
        between = moment()
        enable_principal(machine.id, by=SETUP)

    assert [seen(acme, machine, at).enabled for at in (before, between, moment())] == [True, False, True]


def plan_of(it: Furnished, number: int, *connectors: str, status=Subscription.Status.ACTIVE) -> datetime:
    terms = {name: ConnectorTerms(included_calls=100) for name in connectors}
    with it.world.acting(), transaction.atomic():
        made = publish_plan(f"plan{number}", connectors=terms, by=SETUP)
        change_subscription(made, status, by=SETUP)
    return moment()


def test_the_plan_is_that_of_then(acme):
    machine, before = make_machine(acme.world, Role.VIEWER), moment()
    narrow = plan_of(acme, 1, "action1")
    wide = plan_of(acme, 2, "halopsa", status=Subscription.Status.PAST_DUE)

    none, first, second = (seen(acme, machine, at) for at in (before, narrow, wide))

    assert (none.subscription, none.entitlements) == (None, None), "no period is on record"
    assert (first.subscription.plan, set(first.entitlements)) == ("plan1", {"action1"})
    assert (second.subscription.status, set(second.entitlements)) == ("past_due", {"halopsa"})


def test_what_was_entitled_beside_the_plan_cannot_be_told(acme):
    machine, at = make_machine(acme.world, Role.VIEWER), plan_of(acme, 1, "halopsa")
    with acme.world.acting():
        Entitlement.objects.filter(connector="halopsa").update(included_calls=5)

    told = seen(acme, machine, at)

    assert (told.subscription.plan, told.entitlements) == ("plan1", None)


def asked(it: Furnished, principal, at: datetime, browser=None, **more):
    sent = {"principal": str(principal.id), "tool": TOOL, "customer": it.world.customers[0].key}
    sent |= {"at": at.isoformat(), "as_it_was": True, **more}
    answer = (browser or it.owner.browser()).post(
        reverse("api:explanation-list"), sent, content_type="application/json"
    )
    assert answer.status_code == 200, answer.content
    return answer.json()


def verdicts(answer) -> dict[str, bool | None]:
    return {each["gate"]: each["ok"] for each in answer["verdicts"]}


def test_a_call_is_explained_as_it_was_then_and_what_is_not_kept_is_said(acme):
    plan_of(acme, 1, "halopsa")
    customer = acme.world.customers[0]
    machine = make_machine(acme.world, Role.OPERATOR, customers=[customer])
    with acme.world.acting():
        rule = add_rule({"name": "Nothing here", "effect": "refuse", "customer": customer}, by=SETUP)
        then = moment()
        remove_rule(rule, by=SETUP)
        disable_principal(machine.id, by=SETUP)

    refused, passed = asked(acme, machine, then), None
    with acme.world.acting():
        enable_principal(machine.id, by=SETUP)
    passed = asked(acme, machine, moment())

    assert refused["outcome"] == "refused"
    assert verdicts(refused) == {
        Gate.AUTHENTICATE_PRINCIPAL: True, Gate.RESOLVE_TENANT: None, Gate.RESOLVE_CUSTOMER: True,
        Gate.LOAD_ENTITLEMENTS: True, Gate.VERIFY_SUBSCRIPTION: True, Gate.VERIFY_CONNECTOR_ENTITLEMENT: True,
        Gate.VERIFY_INSTANCE_READINESS: None, Gate.EVALUATE_POLICY: False, Gate.CHECK_QUOTA: None,
        Gate.CHECK_APPROVAL: None,
    }  # fmt: skip
    said = {each["gate"]: each for each in refused["verdicts"]}
    assert said[Gate.EVALUATE_POLICY]["code"] == "policy_denied"
    assert "Nothing here" in said[Gate.EVALUATE_POLICY]["detail"]
    assert all(each["detail"] for each in refused["verdicts"] if each["ok"] is None)
    assert passed["outcome"] == "untold"
    assert verdicts(passed)[Gate.EVALUATE_POLICY] is verdicts(passed)[Gate.CHECK_APPROVAL] is True


def test_who_came_later_was_not_there(acme):
    plan_of(acme, 1, "halopsa")
    then, machine = moment(), make_machine(acme.world, Role.OPERATOR)

    answer = asked(acme, machine, then)

    assert (answer["outcome"], verdicts(answer)[Gate.AUTHENTICATE_PRINCIPAL]) == ("refused", False)


def test_the_page_says_the_same(acme):
    plan_of(acme, 1, "halopsa")
    machine, then = make_machine(acme.world, Role.VIEWER), moment()
    page = acme.owner.browser().get(
        reverse("portal:policy_try"),
        {"principal": str(machine.id), "tool": TOOL, "customer": str(acme.world.customers[0].pk), "as_it_was": "on",
         "at": then.strftime("%Y-%m-%dT%H:%M")},
    )  # fmt: skip
    text = page.content.decode()

    assert page.status_code == 200
    assert "It would have been refused" in text, "at the beginning of that minute the account was not there"
    assert "not told" in text


def test_a_time_that_is_not_over_is_refused_at_its_field(acme):
    machine = make_machine(acme.world, Role.VIEWER)
    sent = {"principal": str(machine.id), "tool": TOOL, "at": "2999-01-01T00:00", "as_it_was": True}
    browser = acme.owner.browser()

    page = browser.get(reverse("portal:policy_try"), sent | {"as_it_was": "on"})
    api = browser.post(reverse("api:explanation-list"), sent | {"at": "2999-01-01T00:00Z"}, "application/json")

    assert page.status_code == 422
    assert 'aria-invalid="true"' in page.content.decode()
    assert api.status_code == 400
    assert list(api.json()["fields"]) == ["at"]


def test_who_sees_one_customer_is_told_no_more_than_can_be_seen(acme):
    """The log of a narrower reader does not add up, so nothing is said rather than something wrong."""
    machine = make_machine(acme.world, Role.VIEWER, customers=acme.world.customers[:2])
    at = moment()
    with acme.world.acting(acme.world.customers[0], principal=make_person(acme.world, Role.VIEWER).id):
        told = past(machine.id, at)

    assert told.grants is None or {grant.customer_id for grant in told.grants} <= {acme.world.customers[0].id}
