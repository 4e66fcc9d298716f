"""From a description to what is exposed: by the broker or as a text, and nothing that changed meanwhile."""

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from django.urls import reverse

from audit.kinds import EventKind
from connectors.catalogue import connector
from connectors.contract import Risk
from connectors.imported.declaration import _OWNER, _called
from connectors.imported.discovery import request_discovery
from connectors.imported.openapi.describing import describe
from connectors.imported.openapi.stub_description import description
from connectors.imported.reviewing import classify_tool
from connectors.models import Discovery, ImportedTool
from connectors.services import check_health
from identity.roles import Role
from tenants.errors import Conflict, Invalid
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld, bodies
from tests.connectors.vendor import StubVendor
from tests.identity.factories import make_person
from tests.imported.factories import look, offered, row
from tests.imported.openapi import classified, connect, exposed, terms

State = ImportedTool.State
pytestmark = pytest.mark.usefixtures("sealer", "queued")


@pytest.fixture
def world(described: ConnectedWorld) -> ConnectedWorld:
    look(described)
    return described


@pytest.fixture
def told(api: StubVendor) -> ConnectedWorld:
    """Connected, without an address of a description."""
    with as_role("app"):
        return connect(api, description="")


def last(world: ConnectedWorld) -> Discovery:
    with as_role("app"), world.tenant.acting():
        return Discovery.objects.latest("id")


def give(world: ConnectedWorld, written: str) -> Discovery:
    with as_role("app"), world.tenant.acting():
        return describe(world.instance, written, by=ALICE)


def test_what_is_described_is_not_offered(world: ConnectedWorld) -> None:
    seen = last(world)

    assert (seen.code, seen.found, seen.added, seen.unusable) == ("", 12, 12, 2)
    assert seen.reasons == {"cycle": 1, "reference": 1}
    assert offered(world) == {}


@pytest.mark.parametrize("mode", ["drift", "drift_list"])
def test_an_operation_that_changed_leaves_the_list_until_a_person_has_looked(
    world: ConnectedWorld, api: StubVendor, mode: str
) -> None:
    exposed(world, "list_tickets", "get_ticket")
    api.behave(mode)
    look(world)

    assert set(offered(world)) == {"get_ticket"}
    assert row(world, "list_tickets").state == State.CHANGED
    (said,) = bodies(world.tenant, EventKind.TOOL_CHANGED)
    assert said["alert"] is True


def test_a_description_elsewhere_is_asked_without_the_key_and_only_for_that(
    api: StubVendor, vendor: StubVendor
) -> None:
    """`vendor`: another process, that has no description and knows nothing of the key."""
    with as_role("app"):
        world = connect(api, description=f"{vendor.url}/openapi.json")
    vendor.reset()
    look(world)

    assert last(world).code == "vendor_unauthorized"
    assert set(vendor.seen()["authorizations"]) == {""}
    reach = connector("openapi").reach(world.instance.settings)
    assert reach.admits(f"{api.url}/v2/tickets")
    assert not reach.admits(f"{vendor.url}/openapi.json")


def test_the_key_goes_along_to_the_apis_own_host(world: ConnectedWorld, api: StubVendor) -> None:
    with urllib.request.urlopen(f"{api.url}/_stub/received", timeout=5) as kept:
        asked = kept.read()

    assert b"GET /openapi.json" in asked
    assert world.secret.encode() in asked


@pytest.mark.parametrize(
    "address", ["https://169.254.169.254/o.json", "https://localhost/o.json", "http://192.0.2.1/o"]
)
def test_an_address_that_may_not_be_called_is_not(api: StubVendor, address: str, settings: Any) -> None:
    with as_role("app"):
        world = connect(api, description=address)
    settings.VENDOR_NETWORKS = ()
    look(world)

    assert last(world).code == "vendor_address_refused"


def test_a_description_that_holds_the_key_is_not_written_down(
    world: ConnectedWorld, api: StubVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors.imported.openapi import client  # noqa: PLC0415

    def echo(written: bytes, settings: Any) -> Any:
        return described(written.replace(b"Ignore previous", world.secret.encode()), settings)

    described = client.described
    monkeypatch.setattr(client, "described", echo)
    look(world)

    assert last(world).code == "output_blocked"
    assert world.secret not in json.dumps(row(world, "list_tickets").seen)


def test_a_text_does_what_an_address_does(told: ConnectedWorld) -> None:
    seen = give(told, json.dumps(description()))
    exposed(told, "list_tickets", "get_ticket")
    give(told, json.dumps(description("drift")))

    assert (seen.found, seen.added) == (12, 12)
    assert set(offered(told)) == {"get_ticket"}


def test_there_is_one_source_of_a_description(world: ConnectedWorld, told: ConnectedWorld) -> None:
    refused: list[tuple[ConnectedWorld, Callable[[ConnectedWorld], Any], str]] = [
        (world, lambda it: describe(it.instance, "{}", by=ALICE), "not_describable"),
        (told, lambda it: request_discovery(it.instance, by=ALICE), "not_discoverable"),
    ]
    for it, ask, code in refused:
        with as_role("app"), it.tenant.acting(), pytest.raises(Conflict) as caught:
            ask(it)
        assert caught.value.code == code
    look(told)
    with as_role("app"), told.tenant.acting():
        assert not Discovery.objects.exists()


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("", "description_unreadable"), ("<html>", "description_unreadable"),
        ('{"swagger": "2.0"}', "description_version"), ("x" * 900_001, "description_too_large"),
    ],
)  # fmt: skip
def test_a_text_that_cannot_be_used_says_why_and_changes_nothing(told: ConnectedWorld, written: str, code: str) -> None:
    give(told, json.dumps(description()))
    with pytest.raises(Invalid) as caught:
        give(told, written)

    assert (caught.value.field, caught.value.code) == ("description", code)
    assert row(told, "list_tickets").seen_digest


def test_the_health_check_needs_the_key(world: ConnectedWorld, api: StubVendor) -> None:
    for mode, healthy in (("honest", True), ("html", False), ("500", False)):
        api.behave(mode)
        with override_settings(MSPLEX_PROCESS="broker"), as_role("broker"), acting_for(Context(world.tenant.id)):
            check_health(world.instance.id)
        with as_role("app"), world.tenant.acting():
            world.instance.refresh_from_db()
        assert (world.instance.health == "healthy") is healthy, mode


@pytest.mark.parametrize(
    ("name", "risk", "changes", "field"),
    [
        ("search", Risk.READ, {"only_reads": False}, "risk"),
        ("list_tickets", Risk.READ, {"only_reads": True}, "only_reads"),
        ("change_ticket", Risk.READ, {}, "risk"),
        ("change_ticket", Risk.READ, {"only_reads": True}, "risk"),
        ("delete_ticket", Risk.WRITE, {}, "risk"),
        ("add_note", Risk.WRITE, {"parent": ""}, "parent"),
        ("list_tickets", Risk.READ, {"arguments": ["limit", "filter_client_id"]}, "arguments"),
        ("create_ticket", Risk.WRITE, {"arguments": ["summary", "company_id"]}, "arguments"),
        ("create_ticket", Risk.WRITE, {"arguments": ["summary", "client_name"]}, "arguments"),
        ("create_ticket", Risk.WRITE, {"arguments": ["summary", "id"]}, "arguments"),
        ("change_ticket", Risk.WRITE, {"arguments": ["id", "summary", "client_id"]}, "arguments"),
        ("list_tickets", Risk.READ, {"picked": ["tags"]}, "picked"),
    ],
)  # fmt: skip
def test_a_declaration_that_does_not_hold_an_operation_is_refused(
    world: ConnectedWorld, name: str, risk: Risk, changes: dict[str, Any], field: str
) -> None:
    exposed(world, "get_ticket")
    with pytest.raises(Invalid) as caught:
        classified(world, name, risk, **changes)

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("place", "moves"),
    [("note", False), (["details", "note"], False), (["customer", "reference"], True), (["a", "company_id"], True)],
)
def test_an_owner_above_a_field_of_the_body_names_it_too(place: Any, moves: bool) -> None:
    definition = {"method": "POST", "places": {"given": {"in": "body", "name": place}}}

    assert any(_OWNER.match(each) for each in _called("given", definition)) is moves


def test_an_operation_without_a_typed_answer_is_never_exposed(world: ConnectedWorld) -> None:
    tool = row(world, "get_export")
    with as_role("app"), world.tenant.acting(), pytest.raises(Invalid) as caught:
        classify_tool(tool, seen_digest=tool.seen_digest, terms=terms("list_tickets"), by=ALICE)

    assert caught.value.code == "tool_untyped"


def test_a_description_is_given_by_its_page_as_text_or_file_and_over_the_api(told: ConnectedWorld) -> None:
    with as_role("app"):
        alice = make_person(told.tenant, Role.ADMIN)
    browser, page = alice.browser(), reverse("portal:connector_tools", args=[told.instance.pk])
    place, written = reverse("portal:connector_tools_describe", args=[told.instance.pk]), json.dumps(description())

    first = browser.get(page).content.decode()
    assert "No operation is known" in first
    assert "Look for tools" not in first
    assert browser.post(place, {"description": ""}).status_code == 422
    wrong = browser.post(place, {"description": '{"swagger": "2.0"}'})
    assert wrong.status_code == 422
    assert "Swagger 2.0 has to be converted" in wrong.content.decode()
    file = SimpleUploadedFile("openapi.json", written.encode())
    assert browser.post(place, {"file": file}).status_code == 302
    listed = browser.get(page, {"q": "ticket"}).content.decode()
    assert "list_tickets" in listed
    assert "get_file" not in listed
    assert "its description refers back to itself" in listed
    answer = browser.post(
        reverse("api:imported-tool-describe"), {"instance": str(told.instance.pk), "description": written},
        content_type="application/json",
    )  # fmt: skip
    assert (answer.status_code, answer.json()["found"], answer.json()["added"]) == (200, 12, 0)
    bad = browser.post(
        reverse("api:imported-tool-describe"), {"instance": str(told.instance.pk), "description": "{}"},
        content_type="application/json",
    )  # fmt: skip
    assert (bad.status_code, "description" in bad.json()["fields"]) == (400, True)
