"""What is special about ConnectWise PSA: its headers, its grammar of conditions, its releases, its notes."""

import base64
from typing import Any

import pytest

from connectors.access_tokens import TOKENS
from connectors.catalogue import connector
from connectors.errors import ArgumentsInvalid, ExecutionError, VendorError
from connectors.vendors.connectwise.client import ANY_RELEASE, UNQUOTABLE, ConnectWiseClient, conditions, contains
from connectors.vendors.connectwise.stub import _holds
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.vendors.case import Case, connected_to
from tests.vendors.connectwise import CASE, GUID
from tests.vendors.recorder import Recorder, connection, replies
from tests.vendors.test_every_tool import refused, run

pytestmark = pytest.mark.usefixtures("broker")
SETTINGS = {
    "base_url": "https://api-na.myconnectwise.net", "company_id": "acme", "public_key": "Pub1", "client_id": GUID
}  # fmt: skip
SECRET = {"private_key": "Priv1-2345678901"}
INJECTIONS = [
    'x" or company/id>0 or summary contains "',
    "x' or company/id>0",
    "1=1) or (company/id>0",
    "x\\",
    "[2026-01-01]",
    "100%",
    "*",
    "x\nor company/id>0",
    "x\x01",
    "x\n",
]


@pytest.fixture
def case() -> Case:
    return CASE


@pytest.fixture
def connected(stub: StubVendor) -> ConnectedWorld:
    with as_role("app"):
        return connected_to(CASE, stub)


def client_with(*answers: Any) -> tuple[ConnectWiseClient, Recorder]:
    TOKENS.clear()
    made, recorder = connection(SETTINGS, SECRET, *answers)
    return ConnectWiseClient(made), recorder


def sent(recorder: Recorder) -> dict[str, str]:
    request = recorder.requests[-1]
    assert request.authorization is not None
    shown = {name: value.reveal_text() for name, value in request.headers.items()}
    return shown | {"Authorization": request.authorization.reveal_text()}


def test_every_request_carries_the_three_headers() -> None:
    client, recorder = client_with(replies({"Codebase": "v2026_4/"}), replies([]))

    client.rows("/service/tickets", conditions("12"))

    assert sent(recorder) == {
        "Accept": "application/vnd.connectwise.com+json; version=2025.16",
        "Authorization": "Basic " + base64.b64encode(b"acme+Pub1:Priv1-2345678901").decode(),
        "clientId": GUID,
    }
    asked = "https://api-na.myconnectwise.net/v2026_4/apis/3.0/service/tickets?conditions=company%2Fid%3D12"
    assert recorder.requests[-1].url == asked


def test_the_release_is_asked_for_once_and_without_the_key() -> None:
    client, recorder = client_with(replies({"Codebase": "v2026_4/"}), replies([]), replies([]))

    for _ in range(2):
        client.rows("/service/tickets", {})

    first = recorder.requests[0]
    assert first.url == "https://api-na.myconnectwise.net/login/companyinfo/acme"
    assert (first.authorization, dict(first.headers)) == (None, {})
    assert len(recorder.requests) == 3


@pytest.mark.parametrize(
    "told",
    [replies({"Codebase": told}) for told in ("../../evil/", "//evil.example/", "v1/../x", "", None, 7, "v2026_4/x?y=")]
    + [replies([]), replies({}, 404), replies({}, 302)],
)
def test_a_release_that_is_none_is_not_put_into_an_address(told: Any) -> None:
    client, recorder = client_with(told, replies([]))

    client.rows("/service/tickets", {})

    assert recorder.requests[-1].url == f"https://api-na.myconnectwise.net/{ANY_RELEASE}/apis/3.0/service/tickets"


def test_a_site_that_is_down_is_not_taken_for_one_without_a_release() -> None:
    client, _ = client_with(replies({}, 503))

    with pytest.raises(VendorError) as caught:
        client.rows("/service/tickets", {})

    assert caught.value.code == "vendor_fault"


def test_an_unknown_key_on_the_vendors_hosting_is_a_refused_credential() -> None:
    TOKENS.clear()
    made, _ = connection(SETTINGS, SECRET, replies({"Codebase": "v2026_4/"}), replies({"code": "NotFound"}, 404))

    with pytest.raises(VendorError) as caught:
        connector("connectwise").health(made)

    assert caught.value.code == "vendor_unauthorized"


@pytest.mark.parametrize("words", INJECTIONS)
def test_words_that_are_more_than_words_are_refused_before_anything_is_sent(
    words: str, connected: ConnectedWorld, stub: StubVendor
) -> None:
    for tool in ("list_tickets", "list_configurations", "list_contacts", "list_agreements"):
        assert refused(connected, tool, {"search": words}).code == "arguments_invalid"
    with pytest.raises(ArgumentsInvalid):
        contains("summary", words)
    assert stub.seen()["total"] == 0


def test_such_words_would_have_reached_other_companies() -> None:
    """The danger is real: as a piece of the condition, the first of them finds everybody's tickets."""
    foreign = {"company": {"id": 13}, "summary": "something else"}
    escaped = f'company/id=12 and summary contains "{INJECTIONS[0]}"'

    assert _holds(foreign, escaped)
    assert not _holds(foreign, conditions("12", contains("summary", "else"))["conditions"])


@pytest.mark.parametrize("char", UNQUOTABLE)
def test_no_unquotable_character_passes_the_schema(char: str, connected: ConnectedWorld) -> None:
    assert refused(connected, "list_tickets", {"search": f"a{char}b"}).code == "arguments_invalid"


@pytest.mark.parametrize("number", ["12003/../13003", "12003?fields=id", 12003.5, -1, 0, "12003"])
def test_an_id_is_a_number_and_nothing_else(number: Any, connected: ConnectedWorld, stub: StubVendor) -> None:
    assert refused(connected, "get_ticket", {"ticket_id": number}, customer=1).code == "arguments_invalid"
    assert stub.seen()["total"] == 0


def test_terms_of_a_list_all_hold_beside_the_company(connected: ConnectedWorld, stub: StubVendor) -> None:
    asked = {"state": "open", "search": "mail", "board_id": 62, "priority_id": 2, "limit": 5}

    result = run(connected, "list_tickets", asked, customer=1)

    assert {row["company_id"] for row in result.rows} == {12}
    assert stub.seen()["queries"][-1].startswith(
        "conditions=company%2Fid%3D12+and+closedFlag%3Dfalse+and+board%2Fid%3D62+and+priority%2Fid%3D2"
        "+and+summary+contains+%22mail%22&orderBy=id+desc&page=1&pageSize=5"
    )


def test_the_next_page_an_answer_names_is_not_followed(connected: ConnectedWorld, stub: StubVendor) -> None:
    result = run(connected, "list_tickets", {"state": "all", "limit": 10}, customer=1)

    assert (result.rows_returned, result.structured["has_more"]) == (10, True)
    assert set(stub.seen()["by_path"]) == {"/login/companyinfo/northwind", "/v2026_4/apis/3.0/service/tickets"}


def test_internal_notes_come_only_when_asked_for(connected: ConnectedWorld) -> None:
    plain = run(connected, "list_notes", {"ticket_id": 12003}, customer=1)
    all_of_them = run(connected, "list_notes", {"ticket_id": 12003, "internal": True}, customer=1)

    assert [row["internal"] for row in plain.rows] == [False, False]
    assert [row["internal"] for row in all_of_them.rows] == [False, False, True]


def test_a_change_is_a_patch_of_what_may_be_changed(connected: ConnectedWorld, stub: StubVendor) -> None:
    run(connected, "update_ticket", {"ticket_id": 12003, "status_id": 9, "priority_id": 1, "owner_id": 5}, customer=1)

    assert stub.seen()["changes"] == [
        {
            "method": "PATCH",
            "path": "/v2026_4/apis/3.0/service/tickets/12003",
            "body": [
                {"op": "replace", "path": "status", "value": {"id": 9}},
                {"op": "replace", "path": "priority", "value": {"id": 1}},
                {"op": "replace", "path": "owner", "value": {"id": 5}},
            ],
        }
    ]


def test_a_note_is_silent_and_a_reply_is_not(connected: ConnectedWorld, stub: StubVendor) -> None:
    for tool in ("add_note", "reply_to_customer"):
        run(connected, tool, {"ticket_id": 12003, "note": "Looked at."}, customer=1)

    note, reply = (change["body"] for change in stub.seen()["changes"])
    assert (note["internalAnalysisFlag"], note["detailDescriptionFlag"], note["processNotifications"]) == (
        True,
        False,
        False,
    )
    assert (reply["internalAnalysisFlag"], reply["detailDescriptionFlag"], reply["processNotifications"]) == (
        False,
        True,
        True,
    )


def test_a_new_ticket_is_the_customers_and_silent(connected: ConnectedWorld, stub: StubVendor) -> None:
    run(connected, "create_ticket", {"summary": "New", "description": "Look."}, customer=1)

    assert stub.seen()["changes"][0]["body"] == {
        "summary": "New",
        "initialDescription": "Look.",
        "company": {"id": 12},
        "processNotifications": False,
    }


def test_what_the_provider_pays_is_not_given_out(connected: ConnectedWorld) -> None:
    result = run(connected, "list_agreement_additions", {"agreement_id": 121}, customer=1)

    assert not {"unit_cost", "unitCost", "ext_cost", "extCost", "margin"} & set(result.rows[0])
    assert "17.35" not in str(result.structured)


def test_statuses_of_another_customers_ticket_are_not_found(connected: ConnectedWorld) -> None:
    error: ExecutionError = refused(connected, "list_statuses", {"ticket_id": 13003}, customer=1)

    assert error.code == "not_found"


def test_own_fields_come_with_their_secrets_masked(connected: ConnectedWorld) -> None:
    result = run(connected, "get_configuration", {"configuration_id": 12003}, customer=1)

    fields = {field["name"]: field["value"] for field in result.rows[0]["fields"]}
    assert fields == {
        "BitLocker key": "[redacted]", "Rack": "R3 MARK-12-BIRCH", "Administrator Password": "[redacted]"
    }  # fmt: skip
