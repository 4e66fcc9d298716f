"""A tool tried before anybody has it: under the whole narrowing, without sending what changes something."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from audit.kinds import EventKind
from connectors.imported.dry_runs import KEPT, carry_out, forget_old_runs, request_dry_run, worked
from connectors.imported.reviewing import expose_tool
from connectors.models import CustomerMapping, DryRun
from connectors.tasks import run_dry
from identity.roles import Role
from tenants.errors import Conflict, DomainError, Invalid
from tenants.isolation.context import Context, acting_for
from tenants.models import Entitlement
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld, bodies
from tests.connectors.vendor import StubVendor
from tests.identity.factories import make_person
from tests.imported import openapi
from tests.imported.factories import classified, connect_mcp, exposed, look, offered, row
from tests.tenants.furnishing import as_administrator

State = DryRun.State
pytestmark = pytest.mark.usefixtures("sealer", "queued")


@pytest.fixture
def world(described: ConnectedWorld) -> ConnectedWorld:
    look(described)
    return described


def asked(world: ConnectedWorld, name: str, arguments: dict[str, Any] | None = None, customer: int = 0) -> DryRun:
    tool = row(world, name)
    given = openapi.CALLS.get(name, {}) if arguments is None else arguments
    with as_role("app"), world.tenant.acting():
        return request_dry_run(tool, customer=world.tenant.customers[customer], arguments=given, by=ALICE)


def done(world: ConnectedWorld, run: DryRun) -> DryRun:
    """As the broker does it."""
    with override_settings(MSPLEX_PROCESS="broker"), as_role("broker"), acting_for(Context(world.tenant.id)):
        carry_out(run.pk)
    with as_role("app"), world.tenant.acting():
        run.refresh_from_db()
    return run


def tried(world: ConnectedWorld, name: str, arguments: dict[str, Any] | None = None, customer: int = 0) -> DryRun:
    return done(world, asked(world, name, arguments, customer))


def test_a_reading_tool_is_run_once_and_counted_and_no_value_is_kept(world: ConnectedWorld, api: StubVendor) -> None:
    openapi.classified(world, "list_tickets")
    api.reset()
    run = tried(world, "list_tickets")

    assert (run.state, run.code) == (State.SUCCEEDED, "")
    assert (run.result["rows"], run.result["kept"], run.result["foreign"]) == (12, 12, 0)
    assert ["password", "string", 12] in run.result["fields"]
    assert ["priority", "string", 4] in run.result["fields"]
    assert [(each["method"], each["path"], each["status"]) for each in run.result["requests"]] == [
        ("GET", "/v2/tickets?client_id,limit", 200)
    ]
    assert "MARK-" not in json.dumps(run.result)
    assert api.seen()["total"] == 1
    assert offered(world) == {}


@pytest.mark.parametrize(
    ("name", "mode", "code", "problems"),
    [
        ("list_tickets", "ownerless", "vendor_shape", ["owner_never_found"]),
        ("list_tickets", "ignore_filter", "", ["ignores_customer"]),
        ("list_tickets", "empty", "", ["nothing_came"]),
        ("list_tickets", "html", "vendor_not_json", []),
        ("list_tickets", "echo_key", "output_blocked", []),
        ("list_tickets", "429", "vendor_throttled", []),
        ("get_ticket", "forbidden", "vendor_forbidden", []),
    ],
)
def test_what_is_wrong_is_said_and_it_did_not_work(
    world: ConnectedWorld, api: StubVendor, name: str, mode: str, code: str, problems: list[str]
) -> None:
    openapi.classified(world, name)
    api.behave(mode)
    run = tried(world, name)

    assert (run.state, run.code, run.result["problems"]) == (State.FAILED, code, problems)
    assert world.secret not in json.dumps(run.result)
    tool = row(world, name)
    with as_role("app"), world.tenant.acting(), pytest.raises(Conflict) as caught:
        expose_tool(tool, by=ALICE)
    assert caught.value.code == "not_tried"


def test_a_wrong_owner_and_a_wrong_mapping_are_seen(world: ConnectedWorld) -> None:
    openapi.classified(world, "list_tickets", owner="id")
    by_id = tried(world, "list_tickets")
    openapi.classified(world, "get_ticket")
    other = tried(world, "get_ticket", {"id": 12003})

    assert (by_id.state, by_id.result["problems"]) == (State.FAILED, ["all_foreign", "ignores_customer"])
    assert (other.state, other.code, other.result["problems"]) == (State.FAILED, "not_found", ["all_foreign"])


def test_a_list_that_takes_no_customer_may_hold_others(world: ConnectedWorld, api: StubVendor) -> None:
    """Everybody's by design: the customer's own are left, and nobody is to blame."""
    api.behave("ignore_filter")
    changes = {"narrowing": "C", "customer": "", "arguments": ["limit"], "limit": "limit"}
    with pytest.raises(Invalid):  # this one needs the customer
        openapi.classified(world, "list_tickets", **changes)
    openapi.classified(
        world, "list_notes", narrowing="C", owner="ticket_id", parent="", parent_argument="", parent_key=""
    )
    run = tried(world, "list_notes", {"id": 11003})

    assert (run.result["problems"], run.result["foreign"]) == (["all_foreign"], 0)


@pytest.mark.parametrize("name", ["change_ticket", "delete_ticket", "add_note", "create_ticket"])
def test_what_changes_something_shows_its_request_and_sends_nothing(
    world: ConnectedWorld, api: StubVendor, name: str
) -> None:
    openapi.exposed(world, "get_ticket")
    openapi.classified(world, name)
    api.reset()
    run = tried(world, name)

    sent = {
        "change_ticket": {"method": "PATCH", "path": "/v2/tickets/11003", "body": {"summary": "Done"}},
        "delete_ticket": {"method": "DELETE", "path": "/v2/tickets/11003", "body": None},
        "add_note": {"method": "POST", "path": "/v2/tickets/11003/notes", "body": {"text": "Done."}},
        "create_ticket": {
            "method": "POST", "path": "/v2/tickets",
            "body": {"client_id": 11, "summary": "Printer", "details": {"note": "It smokes"}},
        },
    }  # fmt: skip
    assert (run.state, run.result["would_send"]) == (State.SUCCEEDED, sent[name])
    assert api.seen()["changes"] == []
    assert api.seen()["total"] == (0 if name == "create_ticket" else 1)
    assert world.secret not in json.dumps(run.result)


def test_a_guard_that_finds_another_customers_thing_stops_it(world: ConnectedWorld, api: StubVendor) -> None:
    openapi.exposed(world, "get_ticket")
    openapi.classified(world, "change_ticket")
    run = tried(world, "change_ticket", {"id": 12003, "summary": "x"})

    assert (run.state, run.code, run.result["would_send"]) == (State.FAILED, "not_found", None)
    assert api.seen()["changes"] == []


def test_a_servers_tools_are_tried_in_the_same_way(server: StubVendor) -> None:
    with as_role("app"):
        world = connect_mcp(server)
    look(world)
    classified(world, "list_tickets")
    exposed(world, "get_ticket")
    classified(world, "add_note")
    server.reset()
    read, write = tried(world, "list_tickets", {"limit": 5}), tried(
        world, "add_note", {"ticket_id": 11003, "text": "x"}
    )  # fmt: skip

    assert (read.state, read.result["kept"]) == (State.SUCCEEDED, 12)
    assert write.result["would_send"]["body"] == {"name": "add_note", "arguments": {"ticket_id": 11003, "text": "x"}}
    assert [call["tool"] for call in server.seen()["calls"]] == ["list_tickets", "get_ticket"]


def test_a_tool_is_exposed_on_a_dry_run_that_worked_with_this_declaration(world: ConnectedWorld) -> None:
    openapi.classified(world, "list_tickets", picked=["id"])
    assert tried(world, "list_tickets").state == State.SUCCEEDED
    openapi.classified(world, "list_tickets")
    with as_role("app"), world.tenant.acting(), pytest.raises(Conflict):
        expose_tool(row(world, "list_tickets"), by=ALICE)
    tried(world, "list_tickets")
    with as_role("app"), world.tenant.acting():
        expose_tool(row(world, "list_tickets"), by=ALICE)

    assert set(offered(world)) == {"list_tickets"}
    assert [body["tried"] for body in bodies(world.tenant, EventKind.TOOL_EXPOSED)] == [True]


def test_that_it_goes_untried_is_said_expressly_and_on_the_record(world: ConnectedWorld) -> None:
    openapi.exposed(world, "list_tickets")

    assert [body["tried"] for body in bodies(world.tenant, EventKind.TOOL_EXPOSED)] == [False]


def test_a_dry_run_counts_for_a_day_and_is_forgotten(world: ConnectedWorld) -> None:
    openapi.classified(world, "list_tickets")
    run = tried(world, "list_tickets")
    long_ago = timezone.now() - KEPT - timedelta(minutes=1)
    with as_administrator(), world.tenant.acting():
        DryRun.objects.filter(pk=run.pk).update(finished_at=long_ago, asked_at=long_ago)
    with as_role("app"), world.tenant.acting(), pytest.raises(Conflict):
        expose_tool(row(world, "list_tickets"), by=ALICE)
    with as_role("worker"), acting_for(Context(world.tenant.id)):
        forget_old_runs(timezone.now())
    with as_role("app"), world.tenant.acting():
        assert not DryRun.objects.exists()


def test_it_is_on_the_record_who_asked_for_whom_and_what_came(world: ConnectedWorld) -> None:
    openapi.classified(world, "list_tickets")
    tried(world, "list_tickets")
    (wanted,), (came,) = (bodies(world.tenant, kind) for kind in (EventKind.TOOL_DRY_RUN_ASKED, EventKind.TOOL_DRY_RUN))

    assert wanted["arguments"] == {"limit": 50}
    assert (came["rows"], came["kept"], came["problems"]) == (12, 12, [])


def test_a_dry_run_is_made_once_and_not_when_it_is_late(world: ConnectedWorld, api: StubVendor) -> None:
    openapi.classified(world, "list_tickets")
    run = asked(world, "list_tickets")
    with pytest.raises(Conflict) as caught:
        asked(world, "list_tickets")
    assert caught.value.code == "dry_run_under_way"
    done(world, run)
    api.reset()
    done(world, run)
    late = asked(world, "list_tickets")
    with as_administrator(), world.tenant.acting():
        DryRun.objects.filter(pk=late.pk).update(asked_at=timezone.now() - timedelta(minutes=3))
    done(world, late)

    assert api.seen()["total"] == 0
    assert late.state == State.WAITING


def _unmapped(world: ConnectedWorld) -> None:
    CustomerMapping.objects.filter(customer=world.tenant.customers[0]).delete()


def _ended(_: ConnectedWorld) -> None:
    Entitlement.objects.update(valid_until=timezone.now())


@pytest.mark.parametrize("bar", [_unmapped, _ended])
def test_between_the_request_and_the_run_nothing_may_have_changed(
    world: ConnectedWorld, api: StubVendor, bar: Any
) -> None:
    openapi.classified(world, "list_tickets")
    run = asked(world, "list_tickets")
    with as_role("app"), world.tenant.acting():
        bar(world)
    api.reset()

    assert done(world, run).code == "dry_run_overtaken"
    assert api.seen()["total"] == 0
    with pytest.raises(DomainError):
        asked(world, "list_tickets")


def test_another_declaration_of_what_it_hangs_on_is_another_tool(world: ConnectedWorld) -> None:
    openapi.exposed(world, "get_ticket")
    openapi.classified(world, "change_ticket")
    assert tried(world, "change_ticket").state == State.SUCCEEDED
    tool = row(world, "change_ticket")
    with as_role("app"), world.tenant.acting():
        assert worked(tool)
    openapi.classified(world, "get_ticket", picked=("id",))

    with as_role("app"), world.tenant.acting():
        assert not worked(tool)


def test_what_was_declared_anew_is_not_run_as_it_was_asked_for(world: ConnectedWorld, api: StubVendor) -> None:
    openapi.classified(world, "list_tickets")
    run = asked(world, "list_tickets")
    openapi.classified(world, "list_tickets", picked=("id",))
    api.reset()

    assert done(world, run).code == "dry_run_overtaken"
    assert api.seen()["total"] == 0


@pytest.mark.parametrize(
    ("arguments", "customer", "field"),
    [({"client_id": 12}, 0, "arguments"), ({"limit": "x"}, 0, "arguments"), ({}, 1, "customer")],
)
def test_what_cannot_be_tried_is_said_at_once(
    world: ConnectedWorld, arguments: dict[str, Any], customer: int, field: str
) -> None:
    openapi.classified(world, "list_tickets")
    with as_role("app"), world.tenant.acting():
        CustomerMapping.objects.filter(customer=world.tenant.customers[1]).delete()
    with pytest.raises(Invalid) as caught:
        asked(world, "list_tickets", arguments, customer)

    assert caught.value.field == field


def test_its_page_and_the_api_do_it(world: ConnectedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(type(run_dry._get_current_object()), "apply_async", lambda _self, *args, **_: sent.append(args))
    openapi.classified(world, "list_tickets")
    with as_role("app"):
        alice = make_person(world.tenant, Role.ADMIN)
    browser, ids = alice.browser(), [world.instance.pk, row(world, "list_tickets").pk]
    page, place = reverse("portal:connector_tool", args=ids), reverse("portal:connector_tool_try", args=ids)
    customer = str(world.tenant.customers[0].pk)

    assert "Not tried" in browser.get(page).content.decode()
    wrong = browser.post(place, {"customer": customer, "arguments": '{"client_id": 12}'})
    assert wrong.status_code == 422
    assert "The arguments do not fit" in wrong.content.decode()
    assert browser.post(place, {"customer": customer, "arguments": ""}).status_code == 302
    assert "as soon as it can" in browser.get(page).content.decode()
    with as_role("app"), world.tenant.acting():
        run = DryRun.objects.latest("id")
    done(world, run)
    told = browser.get(page).content.decode()
    assert "Left for the customer" in told
    assert "Expose untried" not in told
    api = reverse("api:imported-tool-dry-runs", args=[ids[1]])
    (listed,) = browser.get(api).json()
    assert (listed["state"], listed["result"]["kept"]) == ("succeeded", 12)
    again = browser.post(api, {"customer": customer, "arguments": {"limit": 1}}, content_type="application/json")
    assert (again.status_code, again.json()["state"], len(sent)) == (202, "waiting", 2)
