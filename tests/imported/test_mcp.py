"""Tools of somebody's MCP server, in a process of its own and in every mood: as of a vendor's tools."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connectors.errors import ExecutionError
from connectors.execution import Job, execute
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.imported.factories import DECLARATIONS, exposed, look, offered
from tests.imported.running import Runs, foreign_marks

pytestmark = pytest.mark.usefixtures("broker")
CALLS: dict[str, dict[str, Any]] = {
    "list_tickets": {"limit": 50},
    "get_ticket": {"ticket_id": 11003},
    "list_notes": {"ticket_id": 11003},
    "add_note": {"ticket_id": 11003, "text": "Done."},
    "create_ticket": {"summary": "Printer"},
}
BY_ID = ["get_ticket", "list_notes", "add_note"]


@pytest.fixture
def world(imported: ConnectedWorld) -> ConnectedWorld:
    look(imported)
    exposed(imported, *DECLARATIONS)
    return imported


run = Runs(CALLS)
refused = run.refused


def called(server: StubVendor) -> list[str]:
    return [call["tool"] for call in server.seen()["calls"]]


@pytest.mark.parametrize("name", CALLS)
def test_an_honest_server_gives_what_is_the_customers(world: ConnectedWorld, name: str) -> None:
    result = run(world, name)

    assert result.rows_returned >= 1
    assert result.rows_dropped == 0
    assert foreign_marks(result.structured) == []
    Draft202012Validator(offered(world)[name].output_schema).validate(result.structured)


@pytest.mark.parametrize("name", ["list_tickets", "create_ticket"])
def test_the_customer_is_put_in_and_nobody_can_name_it(world: ConnectedWorld, server: StubVendor, name: str) -> None:
    run(world, name)
    error = refused(world, name, CALLS[name] | {"client_id": 12})

    assert [call["arguments"]["client_id"] for call in server.seen()["calls"]] == [11]
    assert error.code == "arguments_invalid"
    assert "client_id" not in offered(world)[name].input_schema["properties"]


def test_only_what_was_picked_is_given_out_and_secrets_are_masked(world: ConnectedWorld) -> None:
    (first, *_) = run(world, "list_tickets").rows

    assert set(first) == {"id", "client_id", "summary", "priority", "password", "site_name"}
    assert first["password"] == "[redacted]"


@pytest.mark.parametrize("mode", ["mix", "ignore_filter"])
@pytest.mark.parametrize("name", ["list_tickets", "get_ticket", "list_notes"])
def test_a_server_that_mixes_customers_leaks_none(
    world: ConnectedWorld, server: StubVendor, name: str, mode: str
) -> None:
    honest = run(world, name)
    server.behave(mode)

    result = run(world, name)

    assert result.rows_returned == honest.rows_returned
    assert foreign_marks(result.structured) == []
    assert mode != "ignore_filter" or name == "get_ticket" or result.rows_dropped > 0


def test_what_a_server_creates_for_somebody_else_is_not_shown(world: ConnectedWorld, server: StubVendor) -> None:
    server.behave("ignore_filter")

    error = refused(world, "create_ticket")

    assert (error.code, error.uncertain) == ("not_found", True)  # it was done, and for whom is for a person to see


@pytest.mark.parametrize("name", BY_ID)
def test_what_is_of_another_customer_is_not_found_and_not_touched(
    world: ConnectedWorld, server: StubVendor, name: str
) -> None:
    error = refused(world, name, CALLS[name] | {"ticket_id": 12003})
    nobody = refused(world, name, CALLS[name] | {"ticket_id": 99003})  # which the server answers with a failure

    assert (error.code, str(error)) == (nobody.code, str(nobody))
    assert set(called(server)) == {"get_ticket"}


def test_a_parent_that_is_not_the_one_asked_for_opens_nothing(world: ConnectedWorld, server: StubVendor) -> None:
    """The server answers with another ticket of the customer's, so that something may be hung on somebody else's."""
    server.behave("swaps_parent")
    with as_role("app"):
        call = world.call("add_note", {"ticket_id": 13003, "text": "x"}, customer=1)  # 12, whose ticket comes back

    with pytest.raises(ExecutionError) as caught, acting_for(Context(world.tenant.id, (world.tenant.customers[1].id,))):
        execute(Job(call, world.instance, world.mappings[1], offered(world)["add_note"]))

    assert caught.value.code == "not_found"
    assert "add_note" not in called(server)


@pytest.mark.parametrize("mode", ["changed", "restless", "gone"])
@pytest.mark.parametrize("name", ["list_tickets"])
def test_a_tool_that_is_described_differently_is_not_called(
    world: ConnectedWorld, server: StubVendor, name: str, mode: str
) -> None:
    server.behave(mode)

    error = refused(world, name)

    assert (error.code, error.uncertain) == ("tool_changed", False)
    assert called(server) == []


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("ownerless", "vendor_shape"), ("echo", "output_blocked"), ("huge", "vendor_oversize"),
        ("html", "vendor_not_json"), ("fails", "vendor_rejected"), ("untyped", "vendor_shape"),
        ("throttled", "vendor_throttled"),
    ],
)  # fmt: skip
def test_each_mood_has_its_own_word(world: ConnectedWorld, server: StubVendor, mode: str, code: str) -> None:
    server.behave(mode)

    error = refused(world, "list_tickets")

    assert error.code == code
    assert world.secret not in repr(error)


def test_a_redirect_is_not_followed(world: ConnectedWorld, server: StubVendor) -> None:
    server.reset()
    server.behave("redirect", where="http://169.254.169.254/latest/meta-data/")

    assert refused(world, "list_tickets").code == "vendor_redirect"
    assert server.seen()["total"] == 1


def test_a_server_of_before_is_spoken_to_with_a_handshake(world: ConnectedWorld, server: StubVendor) -> None:
    server.behave("old")

    assert run(world, "list_tickets").rows_returned == 12
    assert run(world, "list_notes").rows_returned == 1


def test_a_write_that_failed_at_the_server_may_have_been_done(world: ConnectedWorld, server: StubVendor) -> None:
    with_guard = dict(CALLS["create_ticket"])
    server.behave("fails")

    assert refused(world, "create_ticket", with_guard).uncertain
