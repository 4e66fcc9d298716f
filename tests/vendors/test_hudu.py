"""What is Hudu's own: its key in a header, lists bare or wrapped, filters that are ignored, fields with secrets."""

import json
from typing import Any

import pytest

from connectors.network import Request, VendorHttp
from connectors.redaction import MASK
from connectors.vendors.hudu.client import unwrapped
from connectors.vendors.hudu.forms import HuduSettingsForm
from connectors.vendors.hudu.reads import with_fields
from tests.connectors.factories import ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.vendors.case import Case
from tests.vendors.hudu import CASE
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


def test_the_key_goes_into_its_header_and_nowhere_else(connected: ConnectedWorld, stub: StubVendor) -> None:
    run(connected, "list_assets", {"search": "SRV"})

    seen = stub.seen()
    assert seen["authorizations"] == {connected.secret: 1}
    assert connected.secret not in json.dumps(seen["queries"])


def test_pages_are_the_vendors_while_it_keeps_to_the_company(connected: ConnectedWorld, stub: StubVendor) -> None:
    first = run(connected, "list_assets", {"limit": 5})
    last = run(connected, "list_assets", {"limit": 5, "page": 3})

    assert [row["id"] for row in first.rows] == [11001, 11002, 11003, 11004, 11005]
    assert [row["id"] for row in last.rows] == [11011, 11012]
    assert (first.structured["has_more"], last.structured["has_more"]) == (True, False)
    assert stub.seen()["queries"] == ["company_id=11&page=1&page_size=5", "company_id=11&page=3&page_size=5"]


def test_pages_are_counted_over_the_customers_rows_when_the_filter_is_ignored(
    connected: ConnectedWorld, stub: StubVendor
) -> None:
    stub.behave("ignore_filter")

    page = run(connected, "list_assets", {"limit": 5, "page": 3}, customer=1)

    assert [row["id"] for row in page.rows] == [12011, 12012]
    assert page.rows_dropped > 0


def test_lists_without_a_company_parameter_are_picked_from_and_nothing_is_called_withheld(
    connected: ConnectedWorld, stub: StubVendor
) -> None:
    found = run(connected, "list_websites", {"search": "client12"}, customer=1)
    others = run(connected, "list_websites", {"search": "client13"}, customer=1)

    assert [row["company_id"] for row in found.rows] == [12]
    assert (found.rows_dropped, found.structured["has_more"]) == (0, False)
    assert (others.rows, others.rows_dropped) == ([], 0)
    assert all("company_id" not in query for query in stub.seen()["queries"])


def test_words_to_look_for_stay_one_parameter(connected: ConnectedWorld, stub: StubVendor) -> None:
    words = "x&company_id=13#../../companies/13"
    run(connected, "search_articles", {"search": words}, customer=1)

    assert stub.seen()["queries"] == [
        "search=x%26company_id%3D13%23..%2F..%2Fcompanies%2F13&company_id=12&page=1&page_size=25"
    ]


@pytest.mark.parametrize("number", ["12003/../13003", "12003?company_id=13", -1, 0, 1.5, "12003", None, [12003]])
def test_an_id_is_a_number_and_nothing_else(number: Any, connected: ConnectedWorld, stub: StubVendor) -> None:
    for name, argument in (("get_article", "article_id"), ("get_asset", "asset_id"), ("update_asset", "asset_id")):
        given = {argument: number} | ({"name": "x"} if name == "update_asset" else {})
        assert refused(connected, name, given, customer=1).code == "arguments_invalid"
    assert stub.seen()["total"] == 0


def test_fields_are_text_and_those_named_as_secrets_are_masked(connected: ConnectedWorld) -> None:
    asset = run(connected, "get_asset", {"asset_id": 12003}, customer=1).structured["asset"]

    values = {field["name"]: field["value"] for field in asset["fields"]}
    assert values["Local admin password"] == values["iDRAC_pwd"] == MASK
    assert values["Virtual"] == "yes"
    assert values["Host"] is None  # links to another asset
    assert asset["cards"] == [{"integrator_name": "ninja", "sync_type": "device", "sync_id": None}]


@pytest.mark.parametrize("answer", [{"asset": {"id": 1}}, {"id": 1}])
def test_wrapped_and_bare_answers_are_the_same(answer: dict[str, Any]) -> None:
    assert unwrapped(answer, "asset") == {"id": 1}


@pytest.mark.parametrize("row", [None, [], "x", {"fields": None}, {"fields": {"0": 1}}, {"fields": [1, None]}])
def test_fields_of_an_unknown_shape_are_none(row: Any) -> None:
    shown = with_fields(row)
    assert shown == row if not isinstance(row, dict) else shown["custom_fields"] == []


def test_an_article_is_never_sent_without_its_company(connected: ConnectedWorld, stub: StubVendor) -> None:
    run(connected, "create_article", {"name": "Onboarding", "content": "<p>1.</p>"}, customer=1)

    assert stub.seen()["changes"] == [
        {"method": "POST", "path": "/api/v1/articles",
         "body": {"article": {"name": "Onboarding", "content": "<p>1.</p>", "company_id": 12}}}
    ]  # fmt: skip


def test_an_asset_is_changed_by_the_labels_of_its_fields(connected: ConnectedWorld, stub: StubVendor) -> None:
    fields = [{"label": "Rack unit", "value": "4"}, {"label": "Company ID", "value": "13"}]
    run(connected, "update_asset", {"asset_id": 12003, "name": "SRV-3", "fields": fields}, customer=1)

    assert stub.seen()["changes"] == [
        {"method": "PUT", "path": "/api/v1/companies/12/assets/12003",
         "body": {"asset": {"name": "SRV-3", "custom_fields": [{"rack_unit": "4"}, {"company_id": "13"}]}}}
    ]  # fmt: skip


def test_a_secret_is_not_written_through_a_call_that_is_kept(connected: ConnectedWorld, stub: StubVendor) -> None:
    fields = [{"label": "Root password", "value": "hunter2"}]

    for name, more in (("create_asset", {"name": "x", "asset_layout_id": 3}), ("update_asset", {"asset_id": 12003})):
        assert refused(connected, name, {**more, "fields": fields}, customer=1).code == "arguments_invalid"
    assert stub.seen()["changes"] == []


def test_the_company_names_no_other(connected: ConnectedWorld) -> None:
    company = run(connected, "get_company", {}, customer=1).structured["company"]

    assert company["company_id"] == 12
    assert not {"parent_company_id", "parent_company_name", "integrations"} & set(company)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"base_url": "https://docs.msp.example/api/v1"}, "base_url"),
        ({"base_url": "docs.msp.example"}, "base_url"),
        ({"api_key": "short"}, "api_key"),
        ({"request_limit": "1"}, "request_limit"),
    ],
)
def test_the_form_names_the_field_that_is_wrong(given: dict[str, str], wrong: str) -> None:
    good = {"base_url": "https://docs.msp.example", "api_key": "k" * 24}

    assert HuduSettingsForm(good).is_valid()
    assert set(HuduSettingsForm(good | given).errors) == {wrong}


def test_what_is_asked_is_what_hudu_describes(connected: ConnectedWorld, asked: list[Request]) -> None:
    spec = description("hudu-2.44.0.swagger2.json")
    everything: dict[str, dict[str, Any]] = {
        "search_articles": {"search": "x", "name": "y", "draft": False},
        "list_assets": {"search": "x", "primary_serial": "y", "asset_layout_id": 3, "archived": True},
        "list_procedures": {"type": "run", "name": "x"},
        "list_networks": {"name": "x", "address": "10.0.0.0/24", "archived": False},
        "list_ip_addresses": {"address": "10.0.0.1", "status": "dhcp", "fqdn": "a", "network_id": 1, "asset_id": 1},
        "list_vlans": {"name": "x", "vlan_id": 4, "archived": False},
        "list_expirations": {"expiration_type": "domain", "archived": False},
        "list_websites": {"search": "x", "name": "y"},
    }
    for name, call in CASE.calls.items():
        run(connected, name, {**call(12), **everything.get(name, {})}, customer=1)

    assert len(asked) >= len(CASE.calls)
    assert undescribed(asked, spec, root="/api/v1") == set()
