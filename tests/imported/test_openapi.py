"""Operations of somebody's API, in a process of its own and in every mood: as of a vendor's tools."""

import pytest
from jsonschema import Draft202012Validator

from connectors.imported.openapi.operations import operations
from connectors.imported.openapi.sending import request
from connectors.imported.openapi.stub_description import description
from connectors.secret import SecretBundle
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.imported.factories import look, offered
from tests.imported.openapi import CALLS, DECLARED, connect, exposed
from tests.imported.running import Runs, foreign_marks

pytestmark = pytest.mark.usefixtures("broker")
READS = ["list_tickets", "get_ticket", "list_notes", "search"]
BY_ID = ["get_ticket", "list_notes", "add_note", "change_ticket", "delete_ticket"]


@pytest.fixture
def world(described: ConnectedWorld) -> ConnectedWorld:
    look(described)
    exposed(described)
    return described


run = Runs(CALLS)
refused = run.refused


@pytest.mark.parametrize("name", CALLS)
def test_an_honest_api_gives_what_is_the_customers(world: ConnectedWorld, name: str) -> None:
    result = run(world, name)

    assert result.rows_returned >= 1
    assert result.rows_dropped == 0
    assert foreign_marks(result.structured) == []
    Draft202012Validator(offered(world)[name].output_schema).validate(result.structured)


def test_the_customer_is_put_into_query_and_body_and_nobody_can_name_it(world: ConnectedWorld, api: StubVendor) -> None:
    api.reset()
    for name in ("list_tickets", "search", "create_ticket"):
        run(world, name)
        assert refused(world, name, CALLS[name] | {"client_id": 12}).code == "arguments_invalid"
        assert "client_id" not in offered(world)[name].input_schema["properties"]

    seen = api.seen()
    assert "client_id=11&limit=50" in {"&".join(sorted(each.split("&"))) for each in seen["queries"]}
    assert [change["body"] for change in seen["changes"]] == [
        {"client_id": 11, "words": "printer"},
        {"client_id": 11, "summary": "Printer", "details": {"note": "It smokes"}},
    ]


def test_only_what_was_picked_is_given_out_and_secrets_are_masked(world: ConnectedWorld) -> None:
    (first, *_) = run(world, "list_tickets").rows

    assert set(first) == {"id", "client_id", "summary", "priority", "password", "site_name"}
    assert first["password"] == "[redacted]"


@pytest.mark.parametrize("mode", ["mix", "ignore_filter", "injection"])
@pytest.mark.parametrize("name", READS)
def test_an_api_that_mixes_customers_leaks_none(world: ConnectedWorld, api: StubVendor, name: str, mode: str) -> None:
    honest = run(world, name)
    api.behave(mode)

    result = run(world, name)

    assert result.rows_returned == honest.rows_returned
    assert foreign_marks(result.structured) == []
    assert mode != "ignore_filter" or name == "get_ticket" or result.rows_dropped > 0


def test_what_is_created_for_somebody_else_is_not_shown(world: ConnectedWorld, api: StubVendor) -> None:
    api.behave("ignore_filter")
    error = refused(world, "create_ticket")

    assert (error.code, error.uncertain) == ("not_found", True)


@pytest.mark.parametrize("mode", ["honest", "ignore_filter"])
@pytest.mark.parametrize("name", BY_ID)
def test_what_is_of_another_customer_is_not_found_and_not_touched(
    world: ConnectedWorld, api: StubVendor, name: str, mode: str
) -> None:
    api.behave(mode)
    api.reset()
    error = refused(world, name, CALLS[name] | {"id": 12003})
    nobody = refused(world, name, CALLS[name] | {"id": 99003})

    assert (error.code, str(error), error.uncertain) == (nobody.code, str(nobody), False)
    assert api.seen()["changes"] == []


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("ownerless", "vendor_shape"), ("drift_owner", "vendor_shape"), ("drift_list", "vendor_shape"),
        ("echo_key", "output_blocked"), ("oversize", "vendor_oversize"), ("html", "vendor_not_json"),
        ("truncated", "vendor_not_json"), ("500", "vendor_fault"), ("500_key", "vendor_fault"),
        ("429", "vendor_throttled"), ("forbidden", "vendor_forbidden"),
    ],
)  # fmt: skip
def test_each_mood_has_its_own_word(world: ConnectedWorld, api: StubVendor, mode: str, code: str) -> None:
    api.behave(mode)
    error = refused(world, "list_tickets")

    assert error.code == code
    assert world.secret not in repr(error)
    assert "MARK-12" not in repr(error)


def test_a_redirect_is_not_followed(world: ConnectedWorld, api: StubVendor) -> None:
    api.behave("redirect")
    api.reset()

    assert refused(world, "list_tickets").code == "vendor_redirect"
    assert api.seen()["total"] == 1


TRICKS = (
    "../tickets", "..", ".", "a/b", "a\\b", "a?client_id=12", "a#b", "%2e%2e", "..%2ftickets", "a;b", "", " ", "a\nb",
    "x" * 201,
)  # fmt: skip


def test_no_value_makes_another_path_of_it(world: ConnectedWorld, api: StubVendor) -> None:
    api.reset()

    assert {refused(world, "get_file", {"name": value}).code for value in TRICKS} == {"arguments_invalid"}
    assert api.seen()["total"] == 0


def test_what_is_no_danger_in_a_path_arrives_as_it_is(world: ConnectedWorld) -> None:
    for value in ("report", "a.b", "..a", "ä&=+,@:", "v1..2"):
        assert run(world, "get_file", {"name": value}).rows[0]["name"] == value


def test_no_value_of_the_query_is_another_parameter(world: ConnectedWorld, api: StubVendor) -> None:
    api.reset()
    run(world, "list_tickets", {"state": ["a&client_id=12", "b=c#d"]})

    (query,) = api.seen()["queries"]
    assert query.split("&") == ["state=a%26client_id%3D12", "state=b%3Dc%23d", "client_id=11"]


def test_a_constant_header_is_sent_and_takes_no_place_of_the_key(world: ConnectedWorld, api: StubVendor) -> None:
    definition = dict(operations(description()).tools["search"]) | {"headers": {"X-Version": "2", "authorization": "x"}}
    sent = request(_Connection(api.url), definition, {"client_id": 11}, changes=False)  # type: ignore[arg-type]

    assert {name: value.reveal_text() for name, value in sent.headers.items()} == {
        "X-Version": "2", "Authorization": "Bearer the-key-of-a-test",
    }  # fmt: skip


class _Connection:
    def __init__(self, url: str) -> None:
        self.settings = {"address": url, "sign_in": "bearer", "header": "", "user": ""}
        self.secrets = SecretBundle({"key": "the-key-of-a-test"})


@pytest.mark.parametrize("sign_in", [{"sign_in": "basic", "user": "us"}, {"sign_in": "header", "header": "X-Api-Key"}])
def test_the_key_is_sent_as_the_settings_say(api: StubVendor, sign_in: dict[str, str]) -> None:
    with as_role("app"):
        world = connect(api, **sign_in)
    look(world)
    exposed(world, "list_tickets")

    assert run(world, "list_tickets").rows_returned == 12
    api.behave("echo_key", encoding="base64_inside")
    assert refused(world, "list_tickets").code == "output_blocked"


@pytest.mark.parametrize("name", ["create_ticket", "add_note"])
@pytest.mark.parametrize("mode", ["500", "html", "truncated"])
def test_a_change_that_was_not_refused_may_have_been_done_and_is_sent_once(
    world: ConnectedWorld, api: StubVendor, name: str, mode: str
) -> None:
    api.behave("honest", on_changes=mode)
    api.reset()

    assert refused(world, name).uncertain
    assert len(api.seen()["changes"]) == 1


def test_every_call_of_these_tests_is_of_a_tool(world: ConnectedWorld) -> None:
    assert set(offered(world)) == set(DECLARED) == set(CALLS)
