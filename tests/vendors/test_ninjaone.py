"""What is NinjaOne's own: scopes, a web page that means "too fast", cursors, rows that name a device alone."""

import json
import time
from typing import Any

import pytest

from connectors.errors import VendorError
from connectors.network import Request, VendorHttp
from connectors.redaction import MASK
from connectors.secret import Secret
from connectors.stub.world import uuid_of
from connectors.vendors.ninjaone.client import NinjaClient
from connectors.vendors.ninjaone.forms import NinjaSettingsForm
from connectors.vendors.ninjaone.writes import allowed_scripts
from tests.connectors.factories import ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.vendors.case import Case
from tests.vendors.ninjaone import CASE
from tests.vendors.openapi import description, undescribed
from tests.vendors.test_every_tool import connected, refused, run

__all__ = ["connected"]
pytestmark = pytest.mark.usefixtures("broker")


@pytest.fixture
def case() -> Case:
    return CASE


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    requests: list[Request] = []
    send = VendorHttp.send
    monkeypatch.setattr(VendorHttp, "send", lambda self, request: (requests.append(request), send(self, request))[1])
    return requests


def test_more_than_reading_is_asked_for_only_to_change_something(
    connected: ConnectedWorld, asked: list[Request]
) -> None:
    run(connected, "get_device", {"device_id": 11003})
    run(connected, "reboot_device", {"device_id": 11003, "reason": "Updates."})

    forms = [request.form.reveal_text() for request in asked if request.form]
    assert [form.partition("&scope=")[2] for form in forms] == ["monitoring", "monitoring+management"]
    assert all(request.url.endswith("/ws/oauth/token") for request in asked if request.form)
    assert all(connected.secret not in request.url for request in asked)
    assert all(request.authorization for request in asked if not request.form)


def test_one_token_serves_until_it_ends(connected: ConnectedWorld, stub: StubVendor) -> None:
    for _ in range(2):
        run(connected, "get_device", {"device_id": 11003})
    stub.revoke_tokens()
    run(connected, "get_device", {"device_id": 11003})

    assert stub.seen()["token"] == 2


def test_a_web_page_means_too_fast_and_nobody_asks_for_a_while(connected: ConnectedWorld, stub: StubVendor) -> None:
    run(connected, "get_device", {"device_id": 11003})
    stub.behave("html")
    first = refused(connected, "get_device", {"device_id": 11003})
    stub.behave("honest")
    before = stub.seen()["total"]

    second = refused(connected, "list_devices", {})

    assert (first.code, second.code) == ("vendor_throttled", "vendor_throttled")
    assert 0 < (second.retry_after or 0) <= 30
    assert stub.seen()["total"] == before


def test_a_row_hangs_on_a_device_of_the_organisation(connected: ConnectedWorld, stub: StubVendor) -> None:
    found = run(connected, "list_os_patches", {"status": "FAILED", "limit": 100}, customer=1)

    assert {row["deviceId"] for row in found.rows} == {12000 + position for position in range(1, 13)}
    assert stub.seen()["queries"] == ["pageSize=1000", "df=org+%3D+12&status=FAILED&pageSize=1000"]


def test_without_devices_nothing_hangs_on_them(connected: ConnectedWorld, stub: StubVendor) -> None:
    stub.behave("empty")

    assert refused(connected, "list_alerts", {}, customer=1).code == "not_found"


def test_pages_are_counted_over_the_customers_rows(connected: ConnectedWorld, stub: StubVendor) -> None:
    for mode in ("honest", "ignore_filter"):
        stub.behave(mode)
        for name in ("list_device_health", "list_devices", "list_software"):
            pages = [run(connected, name, {"limit": 5, "page": page}, customer=1) for page in (1, 2, 3, 4)]
            assert [len(page.rows) for page in pages] == [5, 5, 2, 0]
            assert [page.structured["has_more"] for page in pages] == [True, True, False, False]


def test_cursors_and_last_ids_are_followed_and_never_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    client = NinjaClient.__new__(NinjaClient)
    monkeypatch.setattr("connectors.vendors.ninjaone.client.LONGEST_PAGE", 2)
    asked: list[dict[str, Any]] = []
    answers: list[Any] = [
        {"cursor": {"name": "a"}, "results": [{}, {}]},
        {"cursor": {"name": "b"}, "results": [{}, {}]},
        {"cursor": {"name": "b"}, "results": [{}, {}]},
    ]
    monkeypatch.setattr(client, "get", lambda _path, sent: (asked.append(sent), answers.pop(0))[1], raising=False)

    assert len(list(client.cursor("/x", {}))) == 3
    assert [sent.get("cursor") for sent in asked] == [None, "a", "b"]

    answers = [[{"id": 1}, {"id": 2}], [{"id": 2}, {"id": 2}]]
    assert len(list(client.after("/y", size=2))) == 2
    assert asked[-1] == {"pageSize": 2, "after": 2}


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("list_alerts", {"source_type": "AGENT_OFFLINE&df=org = 13"}),
        ("list_os_patches", {"status": "FAILED or org = 13"}),
        ("list_os_patches", {"severity": "x) OR (org = 13"}),
        ("list_antivirus", {"state": ""}),
        ("list_device_health", {"health": "HEALTHY,org=13"}),
        ("list_activities", {"type": "A B"}),
        ("get_device", {"device_id": "12003/../13003"}),
        ("reset_alert", {"alert_uid": "../device/13003"}),
        ("reset_alert", {"alert_uid": f"{uuid_of(12, 502)}/x"}),
        ("reboot_device", {"device_id": 12003, "reason": "x", "mode": "FORCED"}),
        ("set_maintenance", {"device_id": 12003, "features": ["ALL"], "minutes": 5, "reason": "x"}),
        ("run_script", {"device_id": 12003, "script_id": 12, "parameters": "-a; rm -rf /"}),
        ("run_script", {"device_id": 12003, "script_id": 12, "parameters": "$(id)"}),
        ("run_script", {"device_id": 12003, "script_id": 12, "parameters": "a\nb"}),
    ],
)
def test_an_argument_is_no_filter_and_no_path(
    name: str, given: dict[str, Any], connected: ConnectedWorld, stub: StubVendor
) -> None:
    assert refused(connected, name, given, customer=1).code == "arguments_invalid"
    assert stub.seen()["total"] == 0


def test_what_is_searched_for_stays_one_parameter(connected: ConnectedWorld, stub: StubVendor) -> None:
    run(connected, "search_devices", {"search": "WS&df=org = 13"}, customer=1)

    assert stub.seen()["queries"] == ["q=WS%26df%3Dorg+%3D+13&limit=200"]


def test_an_alert_is_reset_on_a_device_of_the_customer_only(connected: ConnectedWorld, stub: StubVendor) -> None:
    uid = uuid_of(12, 502)
    alert = run(connected, "reset_alert", {"alert_uid": uid.upper()}, customer=1).structured["alert"]

    assert (alert["uid"], alert["deviceId"]) == (uid, 12002)
    assert [(each["method"], each["path"]) for each in stub.seen()["changes"]] == [("DELETE", f"/v2/alert/{uid}")]
    assert refused(connected, "reset_alert", {"alert_uid": uid}, customer=1).code == "not_found"  # it is gone


def test_maintenance_ends(connected: ConnectedWorld, stub: StubVendor) -> None:
    given = {"device_id": 12003, "features": ["TASKS", "ALERTS", "TASKS"], "minutes": 90, "reason": "Disk."}
    device = run(connected, "set_maintenance", given, customer=1).structured["device"]

    body = stub.seen()["changes"][0]["body"]
    assert body["disabledFeatures"] == ["ALERTS", "TASKS"]
    assert body["end"] - body["start"] == 90 * 60
    assert abs(body["start"] - time.time()) < 60
    assert (device["maintenanceStatus"], device["maintenanceEnd"]) == ("PENDING", body["end"])


def test_only_listed_scripts_are_run(connected: ConnectedWorld, stub: StubVendor) -> None:
    given = {"device_id": 12003, "script_id": 13, "parameters": "-Path C:/Temp"}
    assert refused(connected, "run_script", given, customer=1).code == "arguments_invalid"
    assert stub.seen()["changes"] == []

    run(connected, "run_script", {**given, "script_id": 12}, customer=1)

    body = {"type": "SCRIPT", "id": 12, "parameters": "-Path C:/Temp", "runAs": "system"}
    assert stub.seen()["changes"] == [{"method": "POST", "path": "/v2/device/12003/script/run", "body": body}]


@pytest.mark.parametrize(("listed", "allowed"), [("7, 12", {7, 12}), ("", set()), (None, set())])
def test_no_script_is_allowed_until_one_is_listed(listed: str | None, allowed: set[int]) -> None:
    assert allowed_scripts({"script_ids": listed} if listed is not None else {}) == allowed


def test_a_restart_is_never_forced(connected: ConnectedWorld, stub: StubVendor) -> None:
    run(connected, "reboot_device", {"device_id": 12003, "reason": "Updates."}, customer=1)

    assert [each["path"] for each in stub.seen()["changes"]] == ["/v2/device/12003/reboot/NORMAL"]


def test_documents_mask_what_is_named_as_a_secret_and_leave_links_out(connected: ConnectedWorld) -> None:
    document = run(connected, "list_documents", {}, customer=1).rows[0]

    values = {field["name"]: field["value"] for field in document["fields"]}
    assert values["wifiPassword"] == MASK
    assert values["Contacts"] is None
    assert "CANARY" not in json.dumps(document)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"base_url": "https://ninjarmm.com.evil.example"}, "base_url"),
        ({"base_url": "https://eu.ninjarmm.com/v2"}, "base_url"),
        ({"base_url": "http://eu.ninjarmm.com"}, "base_url"),
        ({"client_id": "a b"}, "client_id"),
        ({"client_secret": "short"}, "client_secret"),
        ({"script_ids": "all"}, "script_ids"),
        ({"script_ids": "0"}, "script_ids"),
    ],
)
def test_the_form_names_the_field_that_is_wrong(given: dict[str, str], wrong: str) -> None:
    good = {
        "base_url": "https://eu.ninjarmm.com",
        "client_id": "abc-1",
        "client_secret": "s" * 24,
        "script_ids": "7,12",
    }

    assert NinjaSettingsForm(good).is_valid()
    assert set(NinjaSettingsForm(good | given).errors) == {wrong}


def test_a_page_at_the_sign_in_is_told_apart_from_a_refusal(connected: ConnectedWorld, stub: StubVendor) -> None:
    stub.account(11, 12, 13, name=connected.client_id, secret="another-secret-0123456789")
    assert refused(connected, "get_device", {"device_id": 11003}).code == "vendor_unauthorized"
    refusal = refused(connected, "reset_alert", {"alert_uid": uuid_of(11, 502)})
    assert isinstance(refusal, VendorError)
    assert not refusal.uncertain


def test_what_is_asked_is_what_ninjaone_describes(connected: ConnectedWorld, asked: list[Request]) -> None:
    spec = description("ninjaone-2.0.9-draft.openapi3.yaml")
    everything: dict[str, dict[str, Any]] = {
        "list_alerts": {"source_type": "AGENT_OFFLINE"},
        "list_device_health": {"health": "UNHEALTHY"},
        "list_os_patches": {"status": "FAILED", "type": "SECURITY_UPDATES", "severity": "CRITICAL"},
        "list_software_patches": {"status": "MANUAL", "type": "PATCH", "impact": "CRITICAL"},
        "list_antivirus": {"state": "ON"},
        "list_activities": {"type": "CONDITION", "status": "TRIGGERED"},
    }
    for name, call in CASE.calls.items():
        run(connected, name, {**call(12), **everything.get(name, {})}, customer=1)

    calls = [request for request in asked if not request.form]
    assert len(calls) >= len(CASE.calls)
    assert undescribed(calls, spec, root="") == set()
    assert undescribed([Request("PATCH", "https://x.example/v2/nothing?a=1", body=Secret("{}"))], spec, root="")
