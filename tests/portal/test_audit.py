"""The rooms of the audit log: what narrows it, who sees what of it, and the way of a call through it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit.actors import Actor, ActorKind, CallRef
from audit.kinds import EventKind
from audit.models import Event, Leaf
from audit.services import record
from audit.waiting import await_seal
from identity.roles import Role
from identity.services import bind_role
from msplex.portal import paging
from msplex.portal.event_filters import AuditFilter, EventFilter
from msplex.portal.trace import MOST
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tests.approvals.asking import approve
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, Person, make_machine, make_member, make_person
from tests.oauth.flow import McpClient
from tests.portal.factories import furnish, make_request

MACHINE = Actor(ActorKind.SERVICE_ACCOUNT, UUID(int=77), "triage-agent", "192.0.2.7", "req-1")
INSTANCE = UUID(int=5)
LIST = reverse("portal:audit")
API = "/api/v1/audit-events/"


def note(world: TenantWorld, kind: EventKind = EventKind.CALL_FINISHED, **given: Any) -> str:
    """An event of the first customer, unless told otherwise; its id."""
    customer = given.pop("customer", world.customers[0])
    values = {"actor": MACHINE, "subject": ("tool_call", uuid4(), "list_tickets"), **given}
    with world.acting():
        return str(record(kind, customer_id=customer and customer.pk, **values))


@pytest.fixture
def alice() -> Person:
    return make_person(make_tenant(), Role.ADMIN)


def shown(browser: Browser, **query: object) -> set[str]:
    return {str(row.pk) for row in browser.get(LIST, query).context["page"].rows}


def listed(client: Browser, **query: object) -> set[str]:
    answer = client.get(API, query)
    assert answer.status_code == 200, answer.content
    return {row["id"] for row in answer.json()["results"]}


CALL = CallRef(UUID(int=9), INSTANCE, "close_ticket")
# (what the event has that the others do not, the query)
NARROWINGS: dict[str, tuple[Callable[[Person], dict[str, Any]], Callable[[Person], dict[str, object]]]] = {
    "kind": (lambda _: {"kind": EventKind.ROLE_BOUND}, lambda _: {"kind": "identity:role:bind"}),
    "family": (lambda _: {"kind": EventKind.CREDENTIAL_REFUSED}, lambda _: {"family": "secrets"}),
    "result": (lambda _: {"result": "refused"}, lambda _: {"result": "refused"}),
    "actor": (lambda who: {"actor": who.actor}, lambda who: {"actor": who.id}),
    "who": (lambda who: {"actor": who.actor}, lambda who: {"who": who.user.email[:12].upper()}),
    "customer": (
        lambda who: {"customer": who.world.customers[1]},
        lambda who: {"customer": who.world.customers[1].pk},
    ),
    "tool": (lambda _: {"call": CALL}, lambda _: {"tool": "close_ticket"}),
    "call": (lambda _: {"call": CALL}, lambda _: {"call": CALL.id}),
    "request": (
        lambda _: {"actor": Actor(ActorKind.SYSTEM, None, "x", request_id="req-2")},
        lambda _: {"request": "req-2"},
    ),
    "subject": (lambda _: {"subject": ("x", UUID(int=3), "x")}, lambda _: {"subject": UUID(int=3)}),
}


@pytest.mark.parametrize("name", NARROWINGS)
def test_events_are_narrowed_in_portal_and_api_alike(alice: Person, name: str) -> None:
    different, query = (each(alice) for each in NARROWINGS[name])
    other, wanted = note(alice.world), note(alice.world, **different)

    for found in (shown(alice.browser(), **query), listed(make_machine(alice.world, Role.ADMIN).api(), **query)):
        assert wanted in found
        assert other not in found


def test_events_are_narrowed_by_connection() -> None:
    it = furnish("acme")
    other, wanted = note(it.world), note(it.world, call=CallRef(None, it.instance.pk))

    for found in (
        shown(it.owner.browser(), instance=it.instance.pk),
        listed(make_machine(it.world, Role.ADMIN).api(), instance=it.instance.pk),
    ):
        assert wanted in found
        assert other not in found


def test_the_quorum_of_an_action_is_found_by_its_nonce(alice: Person) -> None:
    request = make_request(alice.world, approvers=1)
    bob = make_member(alice.world, Role.ADMIN, name="bob")
    assert approve(bob, request)
    other = note(alice.world)
    with alice.world.acting():
        quorum = str(Event.objects.get(kind=EventKind.APPROVAL_QUORUM).pk)

    for found in (
        shown(alice.browser(), nonce=request.nonce),
        listed(make_machine(alice.world, Role.ADMIN).api(), nonce=request.nonce),
    ):
        assert quorum in found
        assert other not in found
    assert listed(make_machine(alice.world, Role.ADMIN).api(), nonce="0" * 32) == set()


def test_events_are_narrowed_by_time(alice: Person) -> None:
    event = note(alice.world)
    now, browser = timezone.now(), alice.browser()
    earlier, later = (
        moment.strftime("%Y-%m-%dT%H:%M:%S") for moment in (now - timedelta(minutes=5), now + timedelta(1))
    )

    assert event in shown(browser, since=earlier, until=later)
    assert shown(browser, since=later) == set()
    assert shown(browser, until=earlier) == set()


def test_every_narrowing_is_walked() -> None:
    assert set(AuditFilter.base_filters) == set(EventFilter.base_filters)
    assert set(EventFilter.base_filters) == {*NARROWINGS, "instance", "nonce", "since", "until"}


def test_what_an_agent_did_is_found_by_its_person() -> None:
    it = furnish("acme")
    McpClient.registered().tokens(it.owner, it.world.customers[0])
    with it.world.acting():
        agents = Event.objects.filter(kind=EventKind.TOKEN_ISSUED, actor_kind="agent")
        issued = {str(key) for key in agents.values_list("pk", flat=True)}

    assert issued
    assert issued <= shown(it.owner.browser(), actor=it.owner.id)
    assert issued <= shown(it.owner.browser(), who=it.owner.user.email)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "1066-10-14T09:00"}, "since"),
        ({"kind": "x"}, "kind"),
        ({"call": "x"}, "call"),
        ({"until": "x"}, "until"),
    ],
)
def test_a_narrowing_that_cannot_be_meant_is_said(alice: Person, query: dict[str, str], field: str) -> None:
    note(alice.world)

    page = alice.browser().get(LIST, query)
    answer = make_machine(alice.world, Role.ADMIN).api().get(API, query)

    assert page.context["page"].rows == []
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


@pytest.mark.parametrize("query", ["before=x&after=y", "who=%00", "request=%00", "tool=%27", "since=9999-12-31T23:59"])
def test_the_list_survives_a_strange_query(alice: Person, query: str) -> None:
    note(alice.world)

    assert alice.browser().get(f"{LIST}?{query}").status_code == 200


def test_events_are_paged_by_id_both_ways(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE_ROWS", 2)
    made = [note(alice.world, result="failed") for _ in range(5)]
    browser = alice.browser()

    newest = browser.get(LIST, {"result": "failed"}).context["page"]
    middle = browser.get(f"{LIST}?{newest.older}").context["page"]
    oldest = browser.get(f"{LIST}?{middle.older}").context["page"]

    assert [[str(row.pk) for row in page.rows] for page in (newest, middle, oldest)] == [
        made[4:2:-1], made[2:0:-1], made[:1],
    ]  # fmt: skip


def test_the_list_costs_the_same_whatever_it_holds(alice: Person) -> None:
    browser, counts = alice.browser(), []
    for number in (1, 2, 30):
        for each in range(number):
            note(alice.world, customer=alice.world.customers[each % 3], call=CallRef(uuid4(), uuid4(), f"tool_{each}"))
        with CaptureQueriesContext(connection) as queries:
            browser.get(LIST)
        counts.append(len(queries))

    assert counts == [counts[0]] * 3
    assert counts[0] <= 15


# Who sees what


def test_a_customers_reader_sees_its_own_events_alone(alice: Person) -> None:
    mine, other = alice.world.customers[:2]
    carol = make_person(alice.world, Role.CUSTOMER_VIEWER, name="carol", customer=mine)
    own, foreign = note(alice.world), note(alice.world, customer=other)
    of_nobody = note(alice.world, customer=None)
    browser = carol.browser()

    assert own in shown(browser)
    assert not {foreign, of_nobody} & shown(browser)
    assert browser.get(reverse("portal:audit_event", args=[own])).status_code == 200
    for event in (foreign, of_nobody):
        assert browser.get(reverse("portal:audit_event", args=[event])).status_code == 404
    assert shown(browser, customer=other.pk) == set()


def test_staff_of_two_customers_see_those_two(alice: Person) -> None:
    first, second, third = alice.world.customers
    bob = make_person(alice.world, Role.VIEWER, name="bob", customer=first)
    with alice.world.acting():
        bind_role(bob.user.principal, role=Role.VIEWER, customer=second, by=SETUP)
    events = [note(alice.world, customer=customer) for customer in (first, second, third)]

    assert set(events[:2]) <= shown(bob.browser())
    assert events[2] not in shown(bob.browser())


def test_another_tenants_events_are_not_there(alice: Person) -> None:
    event = note(alice.world)
    mallory = make_person(make_tenant("globex"), Role.OWNER, name="mallory")

    assert event not in shown(mallory.browser())
    assert mallory.browser().get(reverse("portal:audit_event", args=[event])).status_code == 404


# One event


def test_an_event_tells_header_facts_and_gates(alice: Person) -> None:
    verdicts = ["authenticate_principal=ok", "resolve_tenant=ok", "resolve_customer=customer_required", "strange"]
    body = {"verdicts": verdicts, "gate": "resolve_customer", "code": "customer_required", "before": {"role": "x"}}
    event = note(alice.world, EventKind.CALL_REFUSED, body=body, result="refused", call=CALL)

    response = alice.browser().get(reverse("portal:audit_event", args=[event]))

    page = response.content.decode()
    assert [step.outcome.value for step in response.context["steps"]][:4] == ["passed", "passed", "refused", "skipped"]
    for text in ("triage-agent", "192.0.2.7", "req-1", "close_ticket", "body_commit", "Before role", event):
        assert text in page


def test_an_erased_body_leaves_the_record(alice: Person) -> None:
    event = note(alice.world)
    answer = make_machine(alice.world, Role.ADMIN).api().get(f"{API}{event}/").json()

    assert answer["header"].startswith('{"actor"')
    assert '"salt"' in answer["body"]
    assert "salt" not in answer["facts"]
    assert answer["facts"]["actor_label"] == "triage-agent"


def test_an_event_says_where_it_is_sealed(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    event, api = note(alice.world), make_machine(alice.world, Role.ADMIN).api()
    url = reverse("portal:audit_event", args=[event])
    with acting_for(Context(alice.world.id)):
        await_seal([UUID(event)], 20)
    with alice.world.acting():
        leaf = Leaf.objects.get(id=event)

    assert f"leaf {leaf.index} of tree {leaf.epoch}" in alice.browser().get(url).content.decode()
    assert api.get(f"{API}{event}/").json()["sealed"] == {"epoch": leaf.epoch, "index": leaf.index, "k": leaf.k}

    monkeypatch.setattr("msplex.portal.views.audit.place_of", lambda _: None)
    monkeypatch.setattr("msplex.portal.api_audit.place_of", lambda _: None)
    assert "Not sealed yet" in alice.browser().get(url).content.decode()
    assert api.get(f"{API}{event}/").json()["sealed"] is None


# The way of a call


def traced(browser: Browser, **query: object) -> dict[str, list[str]]:
    response = browser.get(reverse("portal:audit_trace"), query)
    assert response.status_code == 200
    return {stage: [event.kind for event in events] for stage, events in response.context["at"].items() if events}


def a_call(world: TenantWorld, actor: Actor, token: str, **given: Any) -> CallRef:
    call = CallRef(uuid7(), INSTANCE, "list_tickets")
    about = {"actor": actor, "call": call, "subject": ("tool_call", call.id, call.tool), **given}
    requests = [{"method": "GET", "path": "/api/Tickets?client_id", "status": 200, "ms": 12}]
    note(world, EventKind.CALL_INTENDED, body={"token": token, "verdicts": ["authenticate_principal=ok"]}, **about)
    note(world, EventKind.CREDENTIAL_OPENED, **about | {"subject": ("credential", uuid4(), "Halo")})
    note(world, EventKind.CALL_FINISHED, body={"requests": requests, "vendor_requests": 1}, **about)
    return call


def test_a_call_is_traced_from_the_token_to_the_vendor(alice: Person) -> None:
    buyer = replace(MACHINE, request_id="req-0")
    token = {"kind": EventKind.TOKEN_ISSUED, "customer": None, "subject": ("service_account", MACHINE.id, "triage")}
    token["actor"] = buyer
    note(alice.world, **token, body={"token": "jti-1"})
    note(alice.world, **token, body={"token": "jti-2"})
    call = a_call(alice.world, MACHINE, "jti-1")
    a_call(alice.world, MACHINE, "jti-2")

    browser = alice.browser()
    stages = traced(browser, call=call.id)
    page = browser.get(reverse("portal:audit_trace"), {"call": call.id})

    assert stages == {
        "token": [EventKind.TOKEN_ISSUED],
        "decision": [EventKind.CALL_INTENDED],
        "credential": [EventKind.CREDENTIAL_OPENED],
        "outcome": [EventKind.CALL_FINISHED],
    }
    assert page.context["at"]["token"][0].facts["token"] == "jti-1"
    assert "/api/Tickets?client_id" in page.content.decode()


def test_an_agents_call_is_traced_to_its_persons_sign_in() -> None:
    it = furnish("acme")
    with it.world.acting():
        issued = Event.objects.filter(kind=EventKind.TOKEN_ISSUED, actor_kind="agent").latest("id")
    agent = Actor(ActorKind.AGENT, issued.actor_id, "agent", request_id="req-9")
    call = a_call(it.world, agent, issued.facts["token"])

    stages = traced(it.owner.browser(), call=call.id)

    assert stages["token"] == [EventKind.TOKEN_ISSUED]
    assert EventKind.AGENT_CONNECTED in stages["sign_in"]


def test_a_request_is_traced_and_its_calls_are_named(alice: Person) -> None:
    first, second = (a_call(alice.world, MACHINE, "jti") for _ in range(2))
    note(alice.world, EventKind.ROLE_BOUND)

    response = alice.browser().get(reverse("portal:audit_trace"), {"request": "req-1"})

    assert response.context["trace"].calls == [first.id, second.id]
    assert [event.kind for event in response.context["at"]["other"]] == [EventKind.ROLE_BOUND]


def test_a_customers_reader_traces_its_own_calls_alone(alice: Person) -> None:
    mine, other = alice.world.customers[:2]
    carol = make_person(alice.world, Role.CUSTOMER_VIEWER, name="carol", customer=mine)
    own, foreign = (a_call(alice.world, MACHINE, "jti", customer=customer) for customer in (mine, other))

    assert traced(carol.browser(), call=own.id)
    assert traced(carol.browser(), call=foreign.id) == {}
    assert len(traced(carol.browser(), request="req-1")["outcome"]) == 1


@pytest.mark.parametrize(
    "query", [{}, {"call": "x"}, {"call": str(uuid4())}, {"request": "\0"}, {"request": "nothing"}]
)
def test_a_trace_of_nothing_says_so(alice: Person, query: dict[str, str]) -> None:
    assert traced(alice.browser(), **query) == {}


def test_a_trace_over_the_api_is_the_same(alice: Person) -> None:
    call = a_call(alice.world, MACHINE, "jti")
    api = make_machine(alice.world, Role.ADMIN).api()

    told = api.get(f"{API}trace/", {"call": call.id}).json()

    assert [(event["stage"], event["kind"]) for event in told["events"]] == [
        ("decision", EventKind.CALL_INTENDED),
        ("credential", EventKind.CREDENTIAL_OPENED),
        ("outcome", EventKind.CALL_FINISHED),
    ]
    assert told["counted"] is False
    assert api.get(f"{API}trace/").status_code == 400
    assert api.get(f"{API}trace/", {"call": call.id, "request": "x"}).status_code == 400


def test_a_trace_of_a_request_that_did_a_thousand_things_has_an_end(alice: Person) -> None:
    with alice.world.acting():
        for _ in range(MOST + 5):
            record(EventKind.ROLE_BOUND, actor=MACHINE)

    found = alice.browser().get(reverse("portal:audit_trace"), {"request": "req-1"}).context["trace"]

    assert (len(found.events), found.more) == (MOST, True)
