"""What is IT Glue's own: JSON:API, nested routes, hyphens in one list and underscores in the others, traits."""

import json
from typing import Any

import pytest

from connectors.network import Answer, Request, VendorHttp
from connectors.redaction import MASK
from connectors.vendors.itglue.forms import GlueSettingsForm
from connectors.vendors.itglue.reads import _with_content, _with_traits
from tests.connectors.factories import ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.vendors.case import Case
from tests.vendors.itglue import CASE
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
    run(connected, "list_contacts", {"primary_email": "robin@client11.example"})

    seen = stub.seen()
    assert seen["authorizations"] == {connected.secret: 1}
    assert connected.secret not in json.dumps([seen["queries"], seen["by_path"]])


def test_json_api_is_json() -> None:
    assert Answer(200, {"content-type": "application/vnd.api+json; charset=utf-8"}, b'{"data": []}').json() == {
        "data": []
    }


def test_every_list_but_one_is_below_its_organisation(connected: ConnectedWorld, asked: list[Request]) -> None:
    for name, call in CASE.calls.items():
        run(connected, name, call(12), customer=1)

    outside = {request.url.partition("?")[0] for request in asked if "/organizations/12" not in request.url}
    assert {url.rpartition("/")[2] for url in outside} == {"flexible_assets"}
    assert not [request.url for request in asked if "include" in request.url]


def test_flexible_assets_are_asked_for_with_hyphens(connected: ConnectedWorld, stub: StubVendor) -> None:
    run(connected, "list_flexible_assets", {"type_id": 5, "limit": 10}, customer=1)

    assert stub.seen()["queries"] == [
        "filter%5Bflexible-asset-type-id%5D=5&filter%5Borganization-id%5D=12&page%5Bnumber%5D=1&page%5Bsize%5D=10"
    ]


def test_a_type_is_found_by_its_name(connected: ConnectedWorld) -> None:
    found = run(connected, "list_flexible_assets", {"type_name": "network"}, customer=1)

    assert [row["flexible_asset_type_id"] for row in found.rows] == [5]
    assert refused(connected, "list_flexible_assets", {"type_name": "No such"}, customer=1).code == "not_found"
    assert refused(connected, "list_flexible_assets", {}, customer=1).code == "arguments_invalid"


def test_traits_are_text_secrets_a_mask_and_links_nothing(connected: ConnectedWorld) -> None:
    asset = run(connected, "list_flexible_assets", {"type_id": 5}, customer=1).rows[0]

    values = {field["name"]: field["value"] for field in asset["fields"]}
    assert values["admin-password"] == values["wifi-key"] == MASK
    assert values["vlan"] == "40"
    assert values["contact"] is None
    assert "CANARY" not in json.dumps(asset)


def test_pages_are_the_vendors_while_it_keeps_to_the_organisation(connected: ConnectedWorld, stub: StubVendor) -> None:
    for mode in ("honest", "ignore_filter"):
        stub.behave(mode)
        pages = [run(connected, "list_configurations", {"limit": 5, "page": page}, customer=1) for page in (1, 2, 3)]
        assert [len(page.rows) for page in pages] == [5, 5, 2]
        assert [page.structured["has_more"] for page in pages] == [True, True, False]


def test_a_range_of_days_is_built_here(connected: ConnectedWorld, stub: StubVendor) -> None:
    found = run(connected, "list_expirations", {"date_from": "2026-12-02"}, customer=1)
    run(connected, "list_expirations", {"date_from": "2026-12-01", "date_until": "2026-12-02"}, customer=1)

    assert [row["expiration_date"] for row in found.rows] == ["2026-12-02", "2026-12-03"]
    assert [query.partition("&")[0].partition("=")[2] for query in stub.seen()["queries"]] == [
        "2026-12-02%2C+%2A",
        "2026-12-01%2C+2026-12-02",
    ]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("list_expirations", {"date_from": "*"}),
        ("list_expirations", {"date_until": "2026-12-01, *"}),
        ("get_configuration", {"configuration_id": "12003/../../13/relationships/configurations/13003"}),
        ("get_document", {"document_id": "1202?include=passwords"}),
        ("get_document", {"document_id": 1202, "include": "passwords"}),
        ("list_configurations", {"filter[organization_id]": "13"}),
        ("create_configuration", {"name": "x", "configuration_type_id": 3, "organization_id": 13}),
    ],
)
def test_an_argument_is_no_path_and_no_filter_of_its_own(
    name: str, given: dict[str, Any], connected: ConnectedWorld, stub: StubVendor
) -> None:
    assert refused(connected, name, given, customer=1).code == "arguments_invalid"
    assert stub.seen()["total"] == 0


def test_what_is_looked_for_stays_one_parameter(connected: ConnectedWorld, stub: StubVendor) -> None:
    words = "x&filter[organization_id]=13&include=passwords"
    run(connected, "list_configurations", {"name": words, "archived": False}, customer=1)

    query = stub.seen()["queries"][0]
    assert query.count("&") == 3
    assert "filter%5Bname%5D=x%26filter%5Borganization_id%5D%3D13%26include%3Dpasswords&" in query
    assert "filter%5Barchived%5D=false" in query


def test_a_configuration_is_made_below_its_organisation_and_names_none(
    connected: ConnectedWorld, stub: StubVendor, asked: list[Request]
) -> None:
    given = {"name": "SRV-9", "configuration_type_id": 3, "primary_ip": "10.0.0.9"}
    made = run(connected, "create_configuration", given, customer=1).structured["configuration"]

    assert made["organization_id"] == 12
    assert stub.seen()["changes"] == [
        {"method": "POST", "path": "/organizations/12/relationships/configurations",
         "body": {"data": {"type": "configurations", "attributes": given}}}
    ]  # fmt: skip
    assert asked[-1].media_type == "application/vnd.api+json"


def test_the_organisation_names_no_other(connected: ConnectedWorld) -> None:
    organization = run(connected, "get_organization", {}, customer=1).structured["organization"]

    assert organization["organization_id"] == 12
    assert not {"parent_id", "ancestor_ids"} & set(organization)


def test_a_document_is_what_its_sections_say(connected: ConnectedWorld) -> None:
    document = run(connected, "get_document", {"document_id": 1202}, customer=1).structured["document"]

    assert document["content"] == "<h2>First MARK-12-BIRCH</h2>\n<p>Then. MARK-12-BIRCH</p>"


@pytest.mark.parametrize("held", [{}, {"sections": None}, {"sections": [None, 1, {}, {"rendered-content": 7}]}])
def test_a_document_without_sections_has_no_text(held: dict[str, Any]) -> None:
    assert _with_content({"attributes": held})["written"] is None


@pytest.mark.parametrize("row", [None, [], "x", 7])
def test_what_is_no_row_is_left_to_the_narrowing(row: Any) -> None:
    assert _with_content(row) == row
    assert _with_traits(row) == row


def test_a_key_that_is_not_taken_is_told_as_that(connected: ConnectedWorld, stub: StubVendor) -> None:
    stub.account(11, 12, 13, name=connected.client_id, secret="another-secret-0123456789")

    assert refused(connected, "list_domains", {}).code == "vendor_unauthorized"


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"base_url": "https://api.itglue.com.evil.example"}, "base_url"),
        ({"base_url": "https://evilitglue.com"}, "base_url"),
        ({"base_url": "https://api.itglue.com/organizations"}, "base_url"),
        ({"base_url": "http://api.eu.itglue.com"}, "base_url"),
        ({"api_key": "short"}, "api_key"),
        ({"request_limit": "0"}, "request_limit"),
    ],
)
def test_the_form_names_the_field_that_is_wrong(given: dict[str, str], wrong: str) -> None:
    good = {"base_url": "https://api.eu.itglue.com", "api_key": "k" * 24}

    assert GlueSettingsForm(good).is_valid()
    assert set(GlueSettingsForm(good | given).errors) == {wrong}
