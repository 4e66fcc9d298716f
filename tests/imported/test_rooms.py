"""Declaring and exposing a server's tools as people do it: by the pages, and the same over the API."""

from dataclasses import asdict
from typing import Any

import pytest
from django.urls import reverse

from connectors.models import ImportedTool
from identity.roles import Role
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.identity.factories import Person, make_person
from tests.imported.factories import DECLARATIONS, exposed, look, offered, row, terms

pytestmark = pytest.mark.usefixtures("queued")
LIST = "list_tickets"


@pytest.fixture
def world(imported: ConnectedWorld) -> ConnectedWorld:
    look(imported)
    return imported


@pytest.fixture
def alice(world: ConnectedWorld) -> Person:
    with as_role("app"):
        return make_person(world.tenant, Role.ADMIN)


def page_of(world: ConnectedWorld, name: str = LIST, room: str = "connector_tool") -> str:
    return reverse(f"portal:{room}", args=[world.instance.pk, row(world, name).pk])


def form_of(world: ConnectedWorld, name: str = LIST, **changes: Any) -> dict[str, Any]:
    said = terms(name)
    declared = {
        key: list(value) if isinstance(value, tuple) else value for key, value in asdict(said.declaration).items()
    }
    declared = {key: value for key, value in declared.items() if value is not False}
    about = {"title": said.title, "description": said.description, "risk": said.risk.value, "tier": said.tier.value}
    return {"seen_digest": row(world, name).seen_digest, **about, **declared, **changes}


def test_a_tool_is_declared_and_exposed_by_its_page_and_withdrawn_again(alice: Person, world: ConnectedWorld) -> None:
    browser = alice.browser()
    connection = browser.get(reverse("portal:connector_instance", args=[world.instance.pk])).content.decode()
    assert reverse("portal:connector_tools", args=[world.instance.pk]) in connection
    listed = browser.get(reverse("portal:connector_tools", args=[world.instance.pk])).content.decode()
    page = browser.get(page_of(world))

    assert LIST in listed
    assert "Not declared yet" in listed
    assert "Look for tools</button>" in listed
    assert "Ignore previous instructions" in page.content.decode()  # the server's words, for the person alone
    assert page.context["form"]["description"].value() == ""
    saved = browser.post(page_of(world), form_of(world))
    assert saved.status_code == 302, saved.content.decode()
    assert LIST not in offered(world)
    browser.post(page_of(world, room="connector_tool_expose"))  # not tried
    assert LIST not in offered(world)
    browser.post(page_of(world, room="connector_tool_expose"), {"untried": "on"})
    assert offered(world)[LIST].description == f"Declared {LIST}."
    browser.post(page_of(world, room="connector_tool_withdraw"))
    assert LIST not in offered(world)
    assert row(world, LIST).state == ImportedTool.State.WITHDRAWN


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"customer": ""}, "Choose the argument that takes the customer"),
        ({"owner": "summary.x"}, "Select a valid choice"),
        ({"arguments": ["limit", "client_id"]}, "A caller never names an owner"),
        ({"title": " "}, "This field is required"),
        ({"seen_digest": "0" * 64}, "describes the tool differently meanwhile"),
    ],
)
def test_a_declaration_that_does_not_hold_is_said_at_its_field(
    alice: Person, world: ConnectedWorld, changes: dict[str, Any], said: str
) -> None:
    response = alice.browser().post(page_of(world), form_of(world, **changes))

    assert response.status_code == 422
    assert said in response.content.decode()
    assert row(world, LIST).pinned_digest == ""


def test_what_has_no_type_shows_no_form_and_says_why(alice: Person, world: ConnectedWorld) -> None:
    with as_role("app"), world.tenant.acting():
        untyped = next(tool.name for tool in ImportedTool.objects.all() if "outputSchema" not in tool.seen)

    page = alice.browser().get(page_of(world, untyped)).content.decode()

    assert "It cannot be exposed" in page
    assert "Save declaration" not in page


def test_a_change_at_the_server_is_shown_part_by_part(alice: Person, world: ConnectedWorld, server: StubVendor) -> None:
    exposed(world, LIST)
    server.behave("changed")
    look(world)

    page = alice.browser().get(page_of(world))

    assert row(world, LIST).state == ImportedTool.State.CHANGED
    assert page.context["differences"]
    assert "What is different from what was reviewed" in page.content.decode()
    assert "Expose</button>" not in page.content.decode()


def test_the_api_does_the_same(alice: Person, world: ConnectedWorld, queued: list[Any]) -> None:
    browser, kind = alice.browser(), "application/json"
    places = reverse("api:imported-tool-list"), {"instance": str(world.instance.pk)}
    found = {tool["name"]: tool for tool in browser.get(*places).json()["results"]}
    said = terms(LIST)
    declared = DECLARATIONS[LIST].as_json()
    body = {
        "seen_digest": found[LIST]["seen_digest"], "title": said.title, "description": said.description,
        "risk": "read", "tier": "production", "declaration": declared,
    }  # fmt: skip
    place = reverse("api:imported-tool-detail", args=[found[LIST]["id"]])

    assert browser.post(f"{place}expose/", {}, content_type=kind).status_code == 409
    classified = browser.post(f"{place}classify/", body, content_type=kind)
    assert classified.status_code == 200, classified.json()
    assert classified.json()["declaration"] == declared
    assert browser.post(f"{place}expose/", {}, content_type=kind).json()["code"] == "not_tried"
    assert browser.post(f"{place}expose/", {"untried": True}, content_type=kind).json()["state"] == "exposed"
    assert LIST in offered(world)
    assert browser.post(f"{place}withdraw/").json()["state"] == "withdrawn"
    wrong = browser.post(f"{place}classify/", body | {"declaration": declared | {"customer": ""}}, content_type=kind)
    assert wrong.status_code == 400
    assert "customer" in wrong.json()["fields"]
    queued.clear()
    discover = reverse("api:imported-tool-discover")
    assert browser.post(discover, {"instance": str(world.instance.pk)}, content_type=kind).status_code == 202
    assert len(queued) == 1


def test_declaring_and_exposing_need_a_second_factor_of_the_last_minutes(world: ConnectedWorld) -> None:
    with as_role("app"):
        bob = make_person(world.tenant, Role.OPERATOR, name="bob")
    browser = bob.browser(mfa=False) if "mfa" in bob.browser.__code__.co_varnames else bob.browser()

    tool = row(world, LIST)
    assert tool.state == ImportedTool.State.DISCOVERED
    assert browser.get(reverse("portal:connector_tools", args=[world.instance.pk])).status_code == 200
