"""Pictures of a connection's lists: its vendor's clients, and the tools of a server (tests/portal/test_pictures.py)."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from connectors.clients import Fetch, record_clients
from connectors.contract import Client
from connectors.health import Checkup
from connectors.imported import stub_data
from connectors.imported.definitions import Listed
from connectors.imported.discovery import note
from connectors.imported.dry_runs import terms_digest
from connectors.imported.openapi.describing import describe
from connectors.imported.openapi.stub_description import description
from connectors.imported.reviewing import classify_tool, expose_tool
from connectors.models import ConnectorInstance, CustomerMapping, DryRun, Hook, ImportedTool, OwnCredential
from connectors.own_credentials import record_own_health, require_own_credentials, store_own_credential
from connectors.services import activate_instance, configure_instance, map_customer, record_health, start_instance
from identity.services import create_customer
from tenants.models import Customer, Entitlement
from tests.conftest import as_role
from tests.identity.factories import SETUP
from tests.imported import openapi as of_openapi
from tests.imported.factories import terms
from tests.portal import test_pictures
from tests.portal.factories import Furnished
from tests.portal.test_pictures import LOOKS, NAMES, _dress, _picture
from tests.tenants.furnishing import as_administrator

northwind, pytestmark = test_pictures.northwind, test_pictures.pytestmark
WITHOUT = ("Alder & Sons", "Birch", "Cedar Law", "Dune")
THERE = (
    ("11", "Riverside Dental Care", ""), ("13", NAMES[2], ""), ("21", "Alder and Sons Ltd", "alder.example"),
    ("22", "Birch GmbH", ""), ("23", "Birch Inc", ""), ("24", "Cedar Laws", ""),
    ("25", "A client with a very long name that nobody of ours is mapped to, of the North East and beyond", ""),
)  # fmt: skip


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_clients(page: Page, northwind: Furnished, as_person, look: str) -> None:
    """Some suggested, one gone, one renamed, one that nobody is mapped to."""
    with northwind.world.acting():
        for number, name in enumerate(WITHOUT):
            if not Customer.objects.filter(name=name).exists():
                create_customer(name=name, key=f"without-{number}", by=SETUP)
        instance = ConnectorInstance.objects.get(pk=northwind.instance.pk)
        mapped = [(m.external_id, m.external_name, "") for m in CustomerMapping.objects.filter(instance=instance)]
    for clients in (mapped, THERE):  # as it was when they were mapped, and as it is now
        with as_role("broker"), northwind.world.acting():
            record_clients(instance, Fetch(tuple(Client(*each) for each in clients)))
    as_person(northwind.owner)
    _dress(page, look)
    for show in ("suggested", "mapped", "changed", "clients"):
        page.goto(f"{reverse('portal:connector_clients', args=[instance.pk])}?show={show}")
        _picture(page, f"clients-{show}", look)


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_fields_that_were_left(page: Page, northwind: Furnished, as_person, look: str) -> None:
    """One that is fine, one that is not."""
    with northwind.world.acting():
        draft = ConnectorInstance.objects.filter(connector="halopsa", configured_at=None).earliest("id")
    as_person(northwind.owner)
    _dress(page, look)
    page.goto(reverse("portal:connector_instance", args=[draft.pk]))
    page.get_by_label("Address of your HaloPSA").fill("https://northwind.halopsa.com")
    page.get_by_label("Client ID", exact=True).fill("no good id")
    page.get_by_label("Client secret").focus()
    page.get_by_text("Fine").wait_for()
    page.locator("#id_client_id_said li").wait_for()
    _picture(page, "fields-left", look)


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_own_credentials(page: Page, northwind: Furnished, as_person, look: str) -> None:
    """One in order, one refused; the others reached with the connection's, or not at all."""
    hudu = _hudu(northwind)
    as_person(northwind.owner)
    _dress(page, look)
    mapped = reverse("portal:connector_clients", args=[hudu.pk]) + "?show=mapped"
    for only in (False, True):
        with northwind.world.acting():
            require_own_credentials(hudu, only=only, by=SETUP)
            rows = list(CustomerMapping.objects.filter(instance=hudu).order_by("external_id"))
        page.goto(mapped)
        _picture(page, f"own-{'only' if only else 'optional'}", look)
    for name, row in zip(("in-order", "refused", "none"), rows, strict=False):
        page.goto(reverse("portal:connector_own", args=[hudu.pk, row.pk]))
        _picture(page, f"own-{name}", look)
    page.goto(reverse("portal:connector_credentials"))
    _picture(page, "own-among-credentials", look)


def _hudu(northwind: Furnished) -> ConnectorInstance:
    with northwind.world.acting():
        if found := ConnectorInstance.objects.filter(connector="hudu").first():
            return found
        Entitlement.objects.get_or_create(connector="hudu", defaults={"included_calls": 10, "calls_per_minute": 10})
        hudu = start_instance("hudu", by=SETUP)
        settings, secret = {"base_url": "https://northwind.huducloud.com"}, {"api_key": "not-a-real-key-0000"}
        hudu = configure_instance(hudu, settings=settings, secret=secret, by=SETUP)
        hudu = activate_instance(record_health(hudu, Checkup("", "Fine.")), by=SETUP)
        checks = (Checkup("", "Fine."), Checkup("vendor_unauthorized", "x", permanent=True))
        for number, customer in enumerate(northwind.world.customers):
            mapping = map_customer(
                hudu, customer=customer, external_id=str(11 + number), external_name=customer.name, by=SETUP
            )
            if number < len(checks):
                store_own_credential(mapping, secret={"api_key": f"not-a-real-key-{number:04}"}, by=SETUP)
                own = OwnCredential.objects.select_related("instance").get(mapping=mapping)
                record_own_health(own, checks[number])
        return hudu


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_a_webhook(page: Page, northwind: Furnished, as_person, look: str) -> None:
    """Not there yet, its secret, and as it is afterwards."""
    with northwind.world.acting():
        Hook.objects.filter(instance=northwind.instance).delete()
    as_person(northwind.owner)
    _dress(page, look)
    address = reverse("portal:connector_hook", args=[northwind.instance.pk])
    page.goto(address)
    _picture(page, "webhook-none", look)
    page.get_by_role("main").get_by_role("button", name="Make").click()
    page.wait_for_selector("output")
    _picture(page, "webhook-secret", look)
    page.goto(address)
    _picture(page, "webhook-there", look)


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_a_servers_tools(page: Page, northwind: Furnished, as_person, look: str) -> None:
    """One exposed, one changed since, some not declared, one that cannot be."""
    found = {tool["name"]: tool for tool in stub_data.tools("honest", 0)}
    with northwind.world.acting():
        Entitlement.objects.get_or_create(connector="mcp", defaults={"included_calls": 10, "calls_per_minute": 10})
        server = ConnectorInstance.objects.filter(connector="mcp").first() or start_instance("mcp", by=SETUP)
    with as_administrator(), northwind.world.acting():
        ConnectorInstance.objects.filter(pk=server.pk).update(configured_at=timezone.now() - timedelta(days=1))
    with as_role("broker"), northwind.world.acting():
        note(server, Listed(found, {"definition": 2}), by=SETUP)
    tools = {}
    with northwind.world.acting():
        for name in ("list_tickets", "get_ticket"):
            tools[name] = ImportedTool.objects.select_related("instance").get(instance=server, name=name)
            seen = tools[name].seen_digest
            classify_tool(tools[name], seen_digest=seen, terms=terms(name), by=SETUP)
            expose_tool(tools[name], by=SETUP, untried=True)
        tools |= {name: ImportedTool.objects.get(instance=server, name=name) for name in ("search", "list_clients")}
    with as_role("broker"), northwind.world.acting():
        moved = found | {"list_tickets": stub_data.tools("changed", 0)[0]}
        note(server, Listed(moved, {"definition": 2}), by=SETUP)
    as_person(northwind.owner)
    _dress(page, look)
    page.goto(reverse("portal:connector_tools", args=[server.pk]))
    _picture(page, "server-tools", look)
    for name, tool in tools.items():
        page.goto(reverse("portal:connector_tool", args=[server.pk, tool.pk]))
        _picture(page, f"server-{name}", look)


@pytest.mark.parametrize("look", LOOKS)
def test_pictures_of_a_description(page: Page, northwind: Furnished, as_person, look: str) -> None:
    """Given as text; one tool tried, with all that a dry run says, one that changes something."""
    with northwind.world.acting():
        Entitlement.objects.get_or_create(connector="openapi", defaults={"included_calls": 10, "calls_per_minute": 10})
        it = ConnectorInstance.objects.filter(connector="openapi").first() or start_instance("openapi", by=SETUP)
        customer = Customer.objects.order_by("name")[0]
        CustomerMapping.objects.get_or_create(instance=it, customer=customer, defaults={"external_id": "11"})
    with as_administrator(), northwind.world.acting():
        done = {"configured_at": timezone.now() - timedelta(days=1), "settings": {"header": "", "description": ""}}
        ConnectorInstance.objects.filter(pk=it.pk).update(**done)
    as_person(northwind.owner)
    _dress(page, look)
    page.goto(reverse("portal:connector_tools", args=[it.pk]))
    _picture(page, "described-nothing", look)
    with northwind.world.acting():
        describe(ConnectorInstance.objects.get(pk=it.pk), json.dumps(description()), by=SETUP)
    page.goto(reverse("portal:connector_tools", args=[it.pk]))
    _picture(page, "described-tools", look)
    for name, run in RUNS.items():
        with northwind.world.acting():
            tool = ImportedTool.objects.select_related("instance").get(instance=it, name=name)
            classify_tool(tool, seen_digest=tool.seen_digest, terms=of_openapi.terms(name), by=SETUP)
            tool.refresh_from_db()
            asked = {"terms_digest": terms_digest(tool), "asked_by": "alice", "arguments": {"limit": 5}}
            DryRun.objects.create(tool=tool, customer=customer, finished_at=timezone.now(), **asked, **run)
        page.goto(reverse("portal:connector_tool", args=[it.pk, tool.pk]))
        _picture(page, f"described-{name}", look)


RUNS = {
    "list_tickets": {
        "state": "succeeded",
        "result": {
            "rows": 12, "kept": 12, "foreign": 0, "unreadable": 0, "problems": ["fields_empty"],
            "fields": [["id", "integer", 12], ["summary", "string", 12], ["site_name", "string", 0]],
            "requests": [{"method": "GET", "path": "/v2/tickets?client_id,limit", "status": 200, "ms": 84}],
            "would_send": None,
        },
    },
    "search": {
        "state": "failed",
        "result": {
            "rows": 40, "kept": 0, "foreign": 40, "unreadable": 0, "fields": [], "would_send": None,
            "problems": ["all_foreign", "ignores_customer"],
            "requests": [{"method": "POST", "path": "/v2/search", "status": 200, "ms": 240}],
        },
    },
    "create_ticket": {
        "state": "succeeded",
        "result": {
            "rows": 0, "kept": 0, "foreign": 0, "unreadable": 0, "problems": [], "fields": [], "requests": [],
            "would_send": {
                "method": "POST", "path": "/v2/tickets", "body": {"client_id": 11, "summary": "Printer on fire"},
            },
        },
    },
}  # fmt: skip
