"""A tool of a server that lists its clients: declared, asked by the broker alone, and matched as a vendor's list is."""

from dataclasses import replace
from typing import Any

import pytest
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from connectors.clients import enqueue_due_fetches, fetch_clients, request_clients
from connectors.imported.client_sources import Source, declare_client_source, forget_client_source
from connectors.mapping import confirm_sure, drifted, proposals
from connectors.models import ClientList, ClientSource, VendorClient
from connectors.services import map_customer
from connectors.stub.world import CLIENTS
from identity.roles import Role
from identity.services import create_customer
from tenants.errors import Conflict, Invalid
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.identity.factories import SETUP, make_person
from tests.imported.factories import connect_mcp, look, offered, row

THERE = tuple(CLIENTS)
SOURCE = Source("id", "name", rows="clients", domain="website", page="page")


@pytest.fixture
def world(server: StubVendor) -> ConnectedWorld:
    made = connect_mcp(server)
    look(made)
    return made


def declared(world: ConnectedWorld, tool_name: str = "list_clients", /, **changes: Any) -> ClientSource:
    tool = row(world, tool_name)
    with as_role("app"), world.tenant.acting():
        terms = replace(SOURCE, **changes)
        return declare_client_source(tool, seen_digest=tool.seen_digest, terms=terms, by=ALICE)


def fetched(world: ConnectedWorld) -> ClientList:
    with as_role("app"), world.tenant.acting():
        request_clients(world.instance, by=ALICE)
    with override_settings(MSPLEX_PROCESS="broker"), as_role("broker"), acting_for(Context(world.tenant.id)):
        fetch_clients(world.instance.id, timezone.now())
    with as_role("app"), world.tenant.acting():
        return ClientList.objects.get()


def clients(world: ConnectedWorld) -> dict[str, tuple[str, str]]:
    with as_role("app"), world.tenant.acting():
        return {each.external_id: (each.name, each.domain) for each in VendorClient.objects.filter(gone_at=None)}


def test_the_clients_are_listed_over_all_pages_as_declared(world: ConnectedWorld) -> None:
    declared(world)

    assert fetched(world).code == ""
    assert clients(world) == {str(each): (f"Client {each}", f"client-{each}.example") for each in THERE}


def test_without_a_page_the_first_answer_is_all(world: ConnectedWorld) -> None:
    declared(world, page="")

    fetched(world)

    assert set(clients(world)) >= {str(each) for each in THERE[:2]}


def test_matching_and_mapping_work_as_for_a_vendor(world: ConnectedWorld) -> None:
    newcomer = next(each for each in THERE if each not in (11, 12, 13))
    declared(world)
    fetched(world)

    with as_role("app"), world.tenant.acting():
        customer = create_customer(name=f"Client {newcomer}", key="newcomer", by=SETUP)
        found = proposals(world.instance)
        assert [each.customer for each in found.sure] == [customer]
        made = confirm_sure(world.instance, digest=found.digest, by=ALICE)
        assert [each.external_id for each in made] == [str(newcomer)]
        assert drifted(world.instance) == []


def test_what_is_mapped_and_is_not_in_the_list_is_drift(world: ConnectedWorld) -> None:
    declared(world)
    with as_role("app"), world.tenant.acting():
        customer = create_customer(name="Mapped by hand", key="by-hand", by=SETUP)
        map_customer(world.instance, customer=customer, external_id="777", by=ALICE)

    fetched(world)

    with as_role("app"), world.tenant.acting():
        assert [(each.mapping.external_id, each.drift.value) for each in drifted(world.instance)] == [("777", "gone")]


def test_it_is_no_tool_by_that(world: ConnectedWorld) -> None:
    declared(world)
    fetched(world)

    assert offered(world) == {}


def test_a_tool_that_is_described_differently_is_not_asked(world: ConnectedWorld, server: StubVendor) -> None:
    source = declared(world)
    with as_role("app"), world.tenant.acting():
        ClientSource.objects.filter(pk=source.pk).update(pinned={**source.pinned, "description": "Another."})

    assert fetched(world).code == "tool_changed"
    assert clients(world) == {}


def test_a_list_in_which_nobody_has_an_id_is_another_list(world: ConnectedWorld, server: StubVendor) -> None:
    declared(world)
    server.behave("ownerless")

    assert fetched(world).code == "vendor_shape"
    assert clients(world) == {}


def test_nobody_is_asked_before_it_is_declared_and_no_mapping_is_called_gone(world: ConnectedWorld) -> None:
    with as_role("app"), world.tenant.acting(), pytest.raises(Conflict):
        request_clients(world.instance, by=ALICE)
    with as_role("worker"), acting_for(Context(world.tenant.id)):
        due = enqueue_due_fetches(timezone.now())
    with override_settings(MSPLEX_PROCESS="broker"), as_role("broker"), acting_for(Context(world.tenant.id)):
        fetch_clients(world.instance.id, timezone.now())

    assert due == 0
    with as_role("app"), world.tenant.acting():
        assert not ClientList.objects.exists()
        assert not VendorClient.objects.exists()


def test_when_it_is_forgotten_nobody_is_asked_any_more(world: ConnectedWorld) -> None:
    source = declared(world)
    with as_role("app"), world.tenant.acting():
        forget_client_source(source.tool, by=ALICE)
        with pytest.raises(Conflict):
            request_clients(world.instance, by=ALICE)


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("list_clients", {"rows": "nowhere"}, "rows"),
        ("list_clients", {"client_id": "nothing"}, "client_id"),
        ("list_clients", {"name": "id"}, "name"),
        ("list_clients", {"domain": "id"}, "domain"),
        ("list_clients", {"page": "size"}, "page"),
        ("list_tickets", {"rows": "tickets", "name": "summary", "domain": "", "page": ""}, "page"),
        ("create_ticket", {"rows": "", "name": "summary", "domain": "", "page": ""}, None),
        ("search", {}, None),
    ],
)
def test_a_source_that_cannot_be_is_refused_and_says_what_to_mend(world: ConnectedWorld, name, changes, field) -> None:
    with pytest.raises(Invalid) as refused:
        declared(world, name, **changes)

    assert refused.value.field == field


def test_a_definition_that_was_not_looked_at_is_a_conflict(world: ConnectedWorld) -> None:
    tool = row(world, "list_clients")
    with as_role("app"), world.tenant.acting(), pytest.raises(Conflict):
        declare_client_source(tool, seen_digest="0" * 64, terms=SOURCE, by=ALICE)


def test_in_the_portal_it_is_said_on_the_tools_page(world: ConnectedWorld) -> None:
    alice, tool = make_person(world.tenant, Role.ADMIN), row(world, "list_clients")
    said = {"seen_digest": tool.seen_digest, "rows": "clients", "client_id": "id", "name": "name", "first_page": "1"}
    where = reverse("portal:connector_client_source", args=[world.instance.pk, tool.pk])

    wrong = alice.browser().post(where, said | {"name": "total"})
    done = alice.browser().post(where, said | {"domain": "website", "page": "page"}, follow=True)
    page = alice.browser().get(reverse("portal:connector_tool", args=[world.instance.pk, tool.pk])).content.decode()

    assert wrong.status_code == 422
    assert done.status_code == 200
    assert "Ask it no more" in page
    with as_role("app"), world.tenant.acting():
        assert ClientSource.objects.get().domain == "website"
