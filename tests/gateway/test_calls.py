"""tools/call from an agent's bytes to the vendor's and back, through real processes."""

import json
import time

import pytest
import redis
from django.conf import settings

from audit.kinds import EventKind
from audit.models import Event
from billing.models import CustomerCounter, QuotaCounter, UsageEvent
from connectors.contract import Risk
from connectors.models import ToolCall
from connectors.services import deactivate_instance, unmap_customer
from connectors.vendors.halopsa.connector import HALOPSA
from identity.roles import Role
from identity.services import disable_principal
from msplex.decision.denials import DENIALS
from msplex.dispatch import line
from msplex.portal.trace import Stage, stage_of, trace
from tenants.isolation.context import Context, acting_for
from tenants.models import Customer, Entitlement, Subscription, Tenant
from tests.conftest import as_role, stack_redis
from tests.connectors.factories import ALICE, connect
from tests.factories import make_tenant
from tests.gateway.door import Door, agent, refusal
from tests.identity.factories import SETUP, make_machine

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
LIST, GET = "halopsa_list_tickets", "halopsa_get_ticket"
# An operator's: what destroys, or changes several things at once, is not among them.
TOOLS = sorted(f"halopsa_{tool.name}" for tool in HALOPSA.tools if tool.risk is not Risk.DESTRUCTIVE)


@pytest.fixture
def world(vendor):
    return connect(vendor)


@pytest.fixture
def door(gateway_url, world):
    return agent(gateway_url, world, world.tenant.customers[0])


def clients_in(answer) -> set[int]:
    return {ticket["client_id"] for ticket in answer["structuredContent"]["tickets"]}


def test_an_agent_gets_its_customers_tickets(door, world):
    answer = door.call(LIST, limit=5)

    assert answer["structuredContent"]["count"] == 5
    assert clients_in(answer) == {11}
    assert json.loads(answer["content"][0]["text"]) == answer["structuredContent"]


def test_each_gate_leaves_its_verdict_on_the_call(door, world):
    door.call(LIST, limit=1)

    with world.tenant.acting():
        call = ToolCall.objects.get()
    assert call.state == ToolCall.State.SUCCEEDED
    assert [verdict["gate"] for verdict in call.verdicts] == [
        "authenticate_principal", "resolve_tenant", "resolve_customer", "load_entitlements", "verify_subscription",
        "verify_connector_entitlement", "verify_instance_readiness", "evaluate_policy", "check_quota",
        "check_approval", "dispatch", "execute", "return_result",
    ]  # fmt: skip
    assert all(verdict["ok"] for verdict in call.verdicts)
    assert (call.rows_returned, call.rows_dropped) == (1, 0)
    assert call.vendor_requests >= 1


def test_billed_equals_audited(door, world):
    door.call(LIST, limit=1)
    door.call(LIST, limit=1, customer="nobody")

    with as_role("worker"), world.tenant.acting():
        usage = set(UsageEvent.objects.values_list("id", flat=True))
        finished = set(
            Event.objects.filter(kind=EventKind.CALL_FINISHED, result="ok").values_list("subject_id", flat=True)
        )
        refused = Event.objects.filter(kind=EventKind.CALL_REFUSED).count()
        counted = QuotaCounter.objects.get().used
    assert usage == finished
    assert (len(usage), refused, counted) == (1, 1, 1)


def test_the_intent_is_on_record_before_the_outcome(door, world):
    door.call(LIST, limit=1)

    with world.tenant.acting():
        kinds = list(
            Event.objects.filter(
                kind__in=[EventKind.CALL_INTENDED, EventKind.CREDENTIAL_OPENED, EventKind.CALL_FINISHED]
            )
            .filter(kind__startswith="gateway")
            .order_by("id")
            .values_list("kind", flat=True)
        )
    assert kinds == [EventKind.CALL_INTENDED, EventKind.CALL_FINISHED]


def test_every_request_to_the_vendor_is_on_record_without_what_was_in_it(door, vendor, world):
    """Down to the single call of the vendor's API: which one, with which parameters narrowed, and how it went."""
    door.call(LIST, limit=1)
    vendor.behave("forbidden")
    door.call(LIST, limit=1)

    with world.tenant.acting():
        answered, failed = Event.objects.filter(kind=EventKind.CALL_FINISHED).order_by("id")
    last = answered.facts["requests"][-1]
    assert (last["method"], last["status"]) == ("GET", 200)
    assert last["path"].startswith("/api/Tickets?client_id,")
    assert len(answered.facts["requests"]) == answered.facts["vendor_requests"]
    assert failed.facts["requests"][-1]["status"] == 403
    assert "rows_dropped" not in answered.facts  # of other customers: not for the pack of this one


@pytest.mark.parametrize("mode", ["ignore_filter", "mix", "injection"])
def test_a_vendor_that_mixes_clients_shows_no_foreign_row(door, vendor, mode):
    vendor.behave(mode)

    answer = door.call(LIST, limit=50)

    text = json.dumps(answer)
    assert clients_in(answer) == {11}
    assert "MARK-11-ALDER" in text
    assert not [mark for mark in ("MARK-12", "MARK-13", "MARK-21", "Birch", "Cedar", "Dogwood") if mark in text]


def test_another_customers_ticket_is_not_found_like_a_missing_one(door):
    foreign = door.call(GET, ticket_id=12001)
    missing = door.call(GET, ticket_id=999999)

    assert refusal(foreign)["code"] == "not_found"
    assert foreign["content"] == missing["content"]
    assert _without_the_call(refusal(foreign)) == _without_the_call(refusal(missing))


def _without_the_call(envelope):
    return {key: value for key, value in envelope.items() if key not in {"call_id", "link"}}


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("echo_key", "output_blocked"),
        ("500", "vendor_fault"),
        ("429", "vendor_throttled"),
        ("html", "vendor_not_json"),
    ],
)
def test_a_vendor_that_misbehaves_is_a_named_refusal(door, vendor, world, mode, code):
    vendor.behave(mode)

    answer = door.call(LIST, limit=5)

    assert answer["isError"]
    assert refusal(answer)["code"] == code
    assert refusal(answer)["gate"] == "execute"
    assert world.secret not in json.dumps(answer)


def test_a_failed_call_costs_nothing(door, vendor, world):
    vendor.behave("500")

    door.call(LIST)

    with as_role("worker"), world.tenant.acting():
        assert not UsageEvent.objects.exists()
        assert QuotaCounter.objects.get().used == 0


def test_a_caller_for_several_customers_has_to_name_one(gateway_url, world):
    door = agent(gateway_url, world)

    unnamed, named = door.call(LIST), door.call(LIST, customer=world.tenant.customers[1].key, limit=2)

    assert refusal(unnamed)["code"] == "customer_required"
    assert all(customer.key in unnamed["content"][0]["text"] for customer in world.tenant.customers)
    assert clients_in(named) == {12}


def test_customers_out_of_scope_foreign_and_unknown_are_one(door, world, vendor):
    globex = connect(vendor, name="globex", clients=(21, 22, 23)).tenant
    said = set()
    for name in (
        world.tenant.customers[1].key,
        str(world.tenant.customers[1].id),
        str(globex.customers[0].id),
        "nobody",
    ):
        answer = door.call(LIST, customer=name)
        assert refusal(answer)["code"] == "customer_not_in_scope"
        said.add(answer["content"][0]["text"].replace(name, "-"))
    assert len(said) == 1


def test_a_hidden_tool_is_answered_like_an_unknown_one(gateway_url, world):
    door = agent(gateway_url, world, role=Role.BILLING)

    hidden = door.post("tools/call", {"name": LIST, "arguments": {"customer": world.tenant.customers[0].key}})
    unknown = door.post(
        "tools/call", {"name": "halopsa_no_such", "arguments": {"customer": world.tenant.customers[0].key}}
    )

    assert (hidden.status_code, hidden.content) == (unknown.status_code, unknown.content)
    assert hidden.json()["error"] == {"code": -32602, "message": "Unknown tool"}


@pytest.mark.parametrize("arguments", [{}, {"customer": "nobody"}])
def test_not_even_an_explanation_tells_of_a_hidden_tool(gateway_url, world, arguments):
    """Refused before the gate at which the tool is looked at, as for any other caller."""
    door = agent(gateway_url, world, role=Role.BILLING)

    hidden, unknown = door.call(LIST, **arguments), door.call("halopsa_no_such", **arguments)

    assert refusal(hidden)["code"] in {"customer_required", "customer_not_in_scope"}
    assert set(hidden["_meta"]) == set(unknown["_meta"])
    assert "io.msplex/explanation" not in hidden["_meta"]
    assert hidden["content"] == unknown["content"]
    told = agent(gateway_url, world).call(LIST, **arguments)
    assert told["_meta"]["io.msplex/explanation"]["complete"]


def test_another_tenants_tool_is_unknown(gateway_url, world):
    globex = make_tenant("globex")
    mallory = agent(gateway_url, globex, globex.customers[0])

    answer = mallory.post("tools/call", {"name": LIST, "arguments": {}}).json()
    listed = mallory.post("tools/list", {})

    assert answer["error"] == {"code": -32602, "message": "Unknown tool"}
    assert listed.status_code == 403
    assert refusal(listed.json()["error"])["gate"] == "verify_instance_readiness"


def test_arguments_are_checked_and_named(door, vendor):
    vendor.reset()
    answer = door.call(LIST, limit=5000, client_id=12)

    call_id = refusal(answer)["call_id"]
    assert refusal(answer) == {
        "gate": "evaluate_policy", "code": "invalid_arguments", "retryable": False, "call_id": call_id,
        "remedy": DENIALS["invalid_arguments"].remedy, "link": f"{settings.PUBLIC_URL}/calls/{call_id}/",
    }  # fmt: skip
    assert "limit" in answer["content"][0]["text"]
    assert "client_id" in answer["content"][0]["text"]
    assert vendor.seen()["total"] == 0


def test_a_disabled_principal_is_refused_on_its_very_next_request(gateway_url, world):
    machine = make_machine(world.tenant, Role.OPERATOR, customers=(world.tenant.customers[0],))
    door = Door(gateway_url, machine.token())
    assert door.tools()

    with world.tenant.acting():
        disable_principal(machine.id, by=SETUP)

    assert door.post("tools/list", {}).status_code == 401
    refused = door.post("tools/call", {"name": LIST, "arguments": {}})
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("withdraw", "status", "code"),
    [
        (lambda _: Tenant.objects.update(status="suspended"), 403, "tenant_suspended"),
        (lambda _: Subscription.objects.update(status="cancelled"), 403, "subscription_inactive"),
    ],
)
def test_what_closes_the_door_closes_it_for_list_and_call_alike(door, world, withdraw, status, code):
    with world.tenant.acting():
        withdraw(world)

    for answer in (door.post("tools/list", {}), door.post("tools/call", {"name": LIST, "arguments": {}})):
        assert answer.status_code == status
        assert refusal(answer.json()["error"])["code"] == code


@pytest.mark.parametrize(
    ("withdraw", "gate", "code"),
    [
        (
            lambda _: Entitlement.objects.update(valid_until="2020-01-01T00:00:00Z"),
            "verify_connector_entitlement",
            "connector_not_entitled",
        ),
        (
            lambda world: deactivate_instance(world.instance, by=ALICE),
            "verify_instance_readiness",
            "instance_not_ready",
        ),
        (lambda world: unmap_customer(world.mappings[0], by=ALICE), "verify_instance_readiness", "instance_not_ready"),
        (
            lambda world: type(world.instance).objects.update(health_ok_at="2020-01-01T00:00:00Z"),
            "verify_instance_readiness",
            "instance_not_ready",
        ),
    ],
)
def test_what_takes_the_tools_away_is_named_on_list_and_call(door, world, vendor, withdraw, gate, code):
    assert door.tools() == TOOLS
    with world.tenant.acting():
        withdraw(world)
    vendor.reset()

    listed = door.post("tools/list", {})
    called = door.call(LIST)

    assert listed.status_code == 403
    assert (refusal(listed.json()["error"])["gate"], refusal(listed.json()["error"])["code"]) == (gate, code)
    assert (refusal(called)["gate"], refusal(called)["code"]) == (gate, code)
    assert vendor.seen()["total"] == 0


def test_the_last_included_call_is_the_last(door, world, vendor):
    with world.tenant.acting():
        Entitlement.objects.update(included_calls=1)

    first, second = door.call(LIST, limit=1), door.call(LIST, limit=1)

    assert "structuredContent" in first
    assert refusal(second)["code"] == "quota_exhausted"


def test_a_customers_last_call_is_the_last_of_its_own_limit_and_the_refusal_says_so(door, world, vendor):
    with world.tenant.acting():
        Customer.objects.filter(id=world.tenant.customers[0].pk).update(monthly_calls=1)

    first, second = door.call(LIST, limit=1), door.call(LIST, limit=1)

    assert "structuredContent" in first
    assert refusal(second)["code"] == "customer_limit_reached"
    assert "raise the limit of" in json.dumps(second)
    with world.tenant.acting():
        assert (QuotaCounter.objects.get().used, CustomerCounter.objects.get().used) == (1, 1)


def test_a_tool_under_approval_waits_as_a_request(door, world, vendor):
    from approvals.models import ApprovalRequest, ToolRule  # noqa: PLC0415

    with world.tenant.acting():
        ToolRule.objects.create(position=1, name="Ask", effect="approval", approvers=1, tool=LIST)
    vendor.reset()

    first, again, other = door.call(LIST, limit=1), door.call(LIST, limit=1), door.call(LIST, limit=2)

    assert refusal(first)["code"] == "approval_required"
    assert (
        refusal(first)["approval_request"] == refusal(again)["approval_request"] != refusal(other)["approval_request"]
    )
    assert vendor.seen()["total"] == 0
    with world.tenant.acting():
        assert ApprovalRequest.objects.count() == 2
        assert not QuotaCounter.objects.exists()


def test_a_call_runs_once_however_often_its_message_comes(door, world, vendor):
    door.call(LIST, limit=1)
    with world.tenant.acting():
        call = ToolCall.objects.get()
    vendor.reset()

    with acting_for(Context(world.tenant.id, (call.customer_id,))):
        line.send(call.id, redis.Redis.from_url(stack_redis()))
    assert "structuredContent" in door.call(LIST, limit=1)

    time.sleep(0.3)
    assert vendor.seen()["by_path"]["/api/Tickets"] == 1  # the second call's
    with as_role("worker"), world.tenant.acting():
        assert UsageEvent.objects.count() == 2


def test_a_call_is_traced_from_its_token_to_the_vendor(door, world):
    door.call(LIST, limit=1)

    with world.tenant.acting():
        found = trace(call=ToolCall.objects.get().id)
    assert [stage_of(event) for event in found.events] == [
        Stage.TOKEN, Stage.DECISION, Stage.CREDENTIAL, Stage.OUTCOME,
    ]  # fmt: skip
    assert found.counted
    assert found.requests[-1]["path"].startswith("/api/Tickets")
    assert all(step.outcome == "passed" for step in found.gates[:11])


def test_a_refusal_says_what_would_let_the_call_pass_and_only_to_whom_it_may(door, world):
    from approvals.models import ToolRule  # noqa: PLC0415

    with world.tenant.acting():
        ToolRule.objects.create(position=1, name="Nothing today", effect="refuse", tool=LIST)

    denied, unknown = door.call(LIST, limit=1), door.call("halopsa_nothing")
    wrong = door.call("halopsa_list_assets", limit=0)

    said = denied["_meta"]["io.msplex/explanation"]
    assert said["complete"]
    assert said["changes"] == [
        {"gate": "evaluate_policy", "text": "Switch off or change rule 1 of the policy, “Nothing today”."}
    ]
    assert [each["gate"] for each in said["verdicts"] if not each["ok"]] == ["evaluate_policy"]
    assert "io.msplex/explanation" not in wrong["_meta"]
    assert "_meta" not in unknown
