"""The API twins of the connectors' rooms."""

import base64
import logging
import os
from typing import Any

import pytest
from celery.signals import before_task_publish
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connectors.breaker import FAILURES, OPEN_SECONDS, Breaker
from connectors.catalogue import all_connectors
from connectors.models import ToolCall
from connectors.selectors import current_credential
from connectors.services import start_instance
from connectors.vendors.halopsa.connector import HALOPSA
from identity.roles import Role
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld, configured, connect
from tests.connectors.vendor import StubVendor
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import make_machine, make_person

SECRET = "a-secret-of-acme-9f2c41"


def session(world: TenantWorld) -> Client:
    """Of an admin: what needs a second factor is not for machines."""
    return make_person(world).browser()


def api(world: TenantWorld, role: Role = Role.ADMIN, **kwargs: Any) -> Client:
    return make_machine(world, role, **kwargs).api()


def test_the_catalogue_says_what_the_tenant_may_use() -> None:
    client = api(make_tenant())

    listed, one = client.get("/api/v1/connectors/"), client.get("/api/v1/connectors/halopsa/")

    assert (listed.status_code, one.status_code) == (200, 200)
    assert [offer["key"] for offer in listed.json()] == [entry.key for entry in all_connectors()]
    assert one.json() in listed.json()
    assert one.json()["entitled"] is True
    assert (one.json()["settings"], one.json()["secret"]) == (
        ["base_url", "client_id", "request_limit"],
        ["client_secret"],
    )
    assert {tool["name"] for tool in one.json()["tools"]} == {tool.name for tool in HALOPSA.tools}
    assert client.get("/api/v1/connectors/unknown/").status_code == 404


def test_a_connection_is_set_up_over_the_api(vendor: StubVendor) -> None:
    world = make_tenant()
    client = session(world)
    made = client.post("/api/v1/connector-instances/", {"connector": "halopsa"}, "application/json")
    path = f"/api/v1/connector-instances/{made.json()['id']}/"

    body = {"settings": {"base_url": vendor.url, "client_id": "acme-app"}, "secret": {"client_secret": SECRET}}
    configured = client.post(f"{path}configure/", body, "application/json")
    early = client.post(f"{path}activate/")
    mapped = client.post(
        f"{path}mappings/", {"customer": str(world.customers[0].id), "external_id": "11"}, "application/json"
    )

    assert (made.status_code, configured.status_code, mapped.status_code) == (201, 200, 201)
    assert configured.json()["credential"]["present"] is True
    assert configured.json()["readiness"]["missing"] == ["healthy", "active"]
    assert (early.status_code, early.json()["code"]) == (409, "instance_not_ready")
    assert [row["external_id"] for row in client.get(f"{path}mappings/").json()] == ["11"]
    assert client.delete(f"{path}mappings/{mapped.json()['id']}/").status_code == 204
    assert not any(SECRET in reply.content.decode() for reply in (configured, early, mapped, client.get(path)))


def test_an_invalid_setting_is_named_and_the_secret_not_repeated() -> None:
    world = make_tenant()
    client = session(world)
    with world.acting():
        instance = start_instance("halopsa", by=ALICE)

    body = {"settings": {"base_url": "ftp://x", "client_id": "acme-app"}, "secret": {"client_secret": SECRET}}
    reply = client.post(f"/api/v1/connector-instances/{instance.id}/configure/", body, "application/json")

    assert (reply.status_code, list(reply.json()["fields"])) == (400, ["base_url"])
    assert SECRET not in reply.content.decode()


def test_a_tenant_without_the_connector_is_refused_over_the_api() -> None:
    client = api(make_tenant(entitled=False))

    reply = client.post("/api/v1/connector-instances/", {"connector": "halopsa"}, "application/json")

    assert (reply.status_code, reply.json()["code"]) == (403, "connector_not_entitled")


@pytest.mark.parametrize("action", ["configure", "check", "activate", "deactivate", "mappings"])
def test_a_viewer_changes_nothing(connected: ConnectedWorld, action: str) -> None:
    client = api(connected.tenant, Role.VIEWER)

    reply = client.post(f"/api/v1/connector-instances/{connected.instance.id}/{action}/", {}, "application/json")

    assert reply.status_code == 403


def test_another_tenants_connections_and_calls_are_in_no_list(connected: ConnectedWorld, vendor: StubVendor) -> None:
    """By id they are as unknown as any other: tests/portal/test_strangers.py."""
    mallory = api(connect(vendor, name="globex").tenant)
    call = connected.call()

    listed = [mallory.get(f"/api/v1/{path}/").content.decode() for path in ("connector-instances", "tool-calls")]

    assert [each for each in (str(call.id), str(connected.instance.id)) if each in "".join(listed)] == []


def test_a_customers_machine_sees_its_own_calls_and_no_settings(connected: ConnectedWorld) -> None:
    own, foreign = connected.call(customer=0), connected.call(customer=1)
    client = api(connected.tenant, Role.CUSTOMER_VIEWER, customers=(connected.tenant.customers[0],))

    calls = client.get("/api/v1/tool-calls/")
    instance = client.get(f"/api/v1/connector-instances/{connected.instance.id}/")
    mappings = client.get(f"/api/v1/connector-instances/{connected.instance.id}/mappings/")

    assert [row["id"] for row in calls.json()["results"]] == [str(own.id)]
    assert client.get(f"/api/v1/tool-calls/{foreign.id}/").status_code == 404
    assert (instance.status_code, instance.json()["settings"]) == (200, None)
    assert [row["external_id"] for row in mappings.json()] == ["11"]


def test_withheld_rows_are_for_those_who_see_every_customer(connected: ConnectedWorld) -> None:
    call = connected.call()
    with as_role("broker"), connected.tenant.acting():
        ToolCall.objects.filter(id=call.id).update(rows_dropped=7)
    path = f"/api/v1/tool-calls/{call.id}/"

    operator = api(connected.tenant, Role.OPERATOR).get(path).json()
    customer = api(connected.tenant, Role.CUSTOMER_VIEWER, customers=(connected.tenant.customers[0],)).get(path).json()

    assert (operator["rows_dropped"], customer["rows_dropped"]) == (7, None)
    assert not {"reply_to", "reply_key"} & set(operator)


@pytest.mark.parametrize("path", ["/api/v1/connector-instances/", "/api/v1/tool-calls/", "/api/v1/connectors/"])
def test_lists_cost_the_same_for_any_length(connected: ConnectedWorld, path: str) -> None:
    client = api(connected.tenant)
    connected.call()
    counts = []
    for _ in range(2):
        client.get(path)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        counts.append(len(queries))
        for customer in (0, 1, 2):
            connected.call(customer=customer)
        with connected.tenant.acting():
            start_instance("halopsa", by=ALICE)
            start_instance("halopsa", by=ALICE)

    assert counts[0] == counts[1]


def test_the_secret_goes_nowhere_but_under_the_seal(vendor: StubVendor, caplog: pytest.LogCaptureFixture) -> None:
    """Not into a queue message, a log line of any level, an SQL statement, an error or the environment."""
    world = make_tenant()
    client = session(world)
    with world.acting():
        path = f"/api/v1/connector-instances/{start_instance('halopsa', by=ALICE).id}/configure/"
    caplog.set_level(logging.DEBUG)
    messages: list[str] = []

    def published(sender: str, body: Any, headers: Any, **_: Any) -> None:
        messages.append(f"{sender} {body!r} {headers!r}")

    before_task_publish.connect(published)
    try:
        with CaptureQueriesContext(connection) as queries:
            for url in ("ftp://acme.example", vendor.url):
                body = {"settings": {"base_url": url, "client_id": "acme-app"}, "secret": {"client_secret": SECRET}}
                client.post(path, body, "application/json")
    finally:
        before_task_publish.disconnect(published)

    statements = [query["sql"] for query in queries]
    assert any("connectors_sealedsecret" in statement for statement in statements)
    assert [message.split()[0] for message in messages] == ["connectors.check_instance"]
    everything = "\n".join([*messages, *statements, caplog.text, repr(os.environ)])
    spellings = (SECRET, base64.b64encode(SECRET.encode()).decode()[:-4], SECRET.encode().hex())
    assert [spelling for spelling in spellings if spelling in everything] == []


def test_a_vendor_that_is_left_alone_is_said_by_the_page_and_the_api_and_lists_do_not_ask() -> None:
    world = make_tenant()
    client = session(world)
    with world.acting():
        instance = configured(world)
        credential = current_credential(instance)
    assert credential is not None
    for _ in range(FAILURES):
        Breaker(str(credential.id)).note(failed=True)

    page = client.get(reverse("portal:connector_instance", args=[instance.id]))
    one = client.get(f"/api/v1/connector-instances/{instance.id}/").json()
    listed = client.get("/api/v1/connector-instances/").json()["results"]

    assert b"vendor_unavailable" in page.content
    assert 0 < one["held_back_seconds"] <= OPEN_SECONDS
    assert [row["held_back_seconds"] for row in listed] == [None]
