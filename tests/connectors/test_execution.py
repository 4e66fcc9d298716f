"""One call, from the recorded row to the narrowed answer, against a real vendor process in every mood."""

import json
import logging
import traceback
from typing import Any

import pytest
from django.db import transaction
from jsonschema import Draft202012Validator

from connectors.catalogue import tool
from connectors.errors import ExecutionError
from connectors.execution import ExecutionResult, Job, execute
from connectors.models import CustomerMapping
from connectors.stub.world import CLIENTS as EVERY_CLIENT
from connectors.stub.world import INJECTION, marker
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import CLIENTS, ConnectedWorld, connect
from tests.connectors.vendor import StubVendor
from tests.factories import make_tenant

pytestmark = pytest.mark.usefixtures("broker")


def run(
    world: ConnectedWorld, name: str = "list_tickets", arguments: dict[str, Any] | None = None, customer: int = 0
) -> ExecutionResult:
    """As the broker does it: in the context of the one customer, without a transaction."""
    with as_role("app"):
        call = world.call(name, arguments, customer=customer)
    with acting_for(Context(world.tenant.id, (world.tenant.customers[customer].id,))):
        return execute(Job(call, world.instance, world.mappings[customer]))


def foreign_marks(value: Any, client: int) -> list[str]:
    text = json.dumps(value)
    return [mark for other in EVERY_CLIENT if other != client and (mark := marker(other)) in text]


def assert_typed(result: ExecutionResult, name: str) -> None:
    Draft202012Validator(tool("halopsa", name).output_schema).validate(result.structured)


def test_list_returns_the_customers_tickets(connected: ConnectedWorld, vendor: StubVendor) -> None:
    result = run(connected, arguments={"state": "all", "limit": 100})

    assert {row["client_id"] for row in result.rows} == {11}
    assert (result.rows_returned, result.rows_dropped) == (40, 0)
    assert result.structured["has_more"] is False
    assert "client_id=11" in vendor.seen()["queries"][-1]
    assert_typed(result, "list_tickets")


def test_list_is_paged(connected: ConnectedWorld) -> None:
    first, last = (run(connected, arguments={"state": "all", "limit": 30, "page": page}) for page in (1, 2))

    assert (first.rows_returned, first.structured["has_more"]) == (30, True)
    assert (last.rows_returned, last.structured["has_more"]) == (10, False)
    assert not {row["id"] for row in first.rows} & {row["id"] for row in last.rows}


@pytest.mark.parametrize("mode", ["ignore_filter", "mix"])
@pytest.mark.parametrize("customer", [0, 1, 2])
def test_a_vendor_that_mixes_customers_leaks_none(
    connected: ConnectedWorld, vendor: StubVendor, mode: str, customer: int
) -> None:
    vendor.behave(mode)

    result = run(connected, arguments={"state": "all", "limit": 100}, customer=customer)

    client = CLIENTS[customer]
    assert {row["client_id"] for row in result.rows} == {client}
    assert foreign_marks(result.structured, client) == []
    assert result.rows_returned == 40
    assert result.structured["count"] == 40
    assert result.rows_dropped >= 200
    assert_typed(result, "list_tickets")


def test_pages_of_a_mixing_vendor_count_kept_rows_only(connected: ConnectedWorld, vendor: StubVendor) -> None:
    vendor.behave("mix")

    pages = [run(connected, arguments={"state": "all", "limit": 25, "page": page}) for page in (1, 2, 3)]

    assert [page.rows_returned for page in pages] == [25, 15, 0]
    assert [page.structured["has_more"] for page in pages] == [True, False, False]


def test_objects_inside_a_ticket_are_narrowed_too(connected: ConnectedWorld, vendor: StubVendor) -> None:
    vendor.behave("mix")

    ticket = run(connected, "get_ticket", {"ticket_id": 11003}).structured["ticket"]

    assert (ticket["user"], ticket["site"], ticket["last_action"]) == (None, None, None)
    assert (ticket["user_name"], ticket["site_name"]) == (None, None)
    assert [child["id"] for child in ticket["child_tickets"]] == [11007]
    assert foreign_marks(ticket, 11) == []


def test_rows_without_a_readable_owner_are_an_error_not_an_empty_list(
    connected: ConnectedWorld, vendor: StubVendor
) -> None:
    vendor.behave("ownerless")

    with pytest.raises(ExecutionError) as caught:
        run(connected)

    assert (caught.value.code, caught.value.permanent) == ("vendor_shape", True)
    assert caught.value.rows_dropped > 0


def test_get_returns_the_customers_ticket(connected: ConnectedWorld) -> None:
    result = run(connected, "get_ticket", {"ticket_id": 11003})

    assert result.structured["ticket"]["id"] == 11003
    assert_typed(result, "get_ticket")


@pytest.mark.parametrize("mode", ["honest", "ignore_filter", "mix"])
def test_another_customers_ticket_is_like_one_that_does_not_exist(
    connected: ConnectedWorld, vendor: StubVendor, mode: str
) -> None:
    vendor.behave(mode)

    outcomes = []
    for number in (12003, 11999):
        with pytest.raises(ExecutionError) as caught:
            run(connected, "get_ticket", {"ticket_id": number})
        error = caught.value
        outcomes.append((error.code, str(error), error.rows_dropped, error.retryable, error.permanent))

    assert outcomes[0] == outcomes[1] == ("not_found", "There is no such object for this customer.", 0, False, False)


def test_a_ticket_the_vendor_forbids_is_not_found_either(connected: ConnectedWorld, vendor: StubVendor) -> None:
    vendor.behave("forbidden")

    with pytest.raises(ExecutionError) as caught:
        run(connected, "get_ticket", {"ticket_id": 12003})

    assert caught.value.code == "not_found"


def test_text_in_a_ticket_changes_nothing(connected: ConnectedWorld, vendor: StubVendor) -> None:
    vendor.behave("injection")

    result = run(connected, arguments={"state": "all", "limit": 100})
    ticket = run(connected, "get_ticket", {"ticket_id": 11003}).structured["ticket"]

    assert {row["client_id"] for row in result.rows} == {11}
    assert result.rows[0]["summary"] == INJECTION
    assert result.structured["notice"].startswith("Text fields were written by outside parties")
    assert ticket["details"] == INJECTION  # without the characters a person would not see
    assert "client_id=11" in vendor.seen()["queries"][0]


def test_a_changed_type_gives_null_and_never_another_type(connected: ConnectedWorld, vendor: StubVendor) -> None:
    vendor.behave("drift")

    result = run(connected)

    row = result.rows[0]
    assert (row["summary"], row["onhold"], row["team"]) == (None, None, None)
    assert isinstance(row["status_id"], int)
    assert row["client_id"] == 11  # "11" and 11 are one owner
    assert_typed(result, "list_tickets")


FAILURES = [
    ("429", "vendor_throttled", True, False),
    ("500", "vendor_fault", True, False),
    ("500_key", "vendor_fault", True, False),
    ("html", "vendor_not_json", False, True),
    ("truncated", "vendor_not_json", False, True),
    ("oversize", "vendor_oversize", False, True),
    ("redirect", "vendor_redirect", False, True),
    ("forbidden", "vendor_forbidden", False, True),
    ("drift_owner", "vendor_shape", False, True),
    ("drift_list", "vendor_shape", False, True),
    ("echo_key", "output_blocked", False, True),
]


@pytest.mark.parametrize(("mode", "code", "retryable", "permanent"), FAILURES)
def test_a_failing_vendor_is_named_and_shows_nothing(
    connected: ConnectedWorld,
    vendor: StubVendor,
    caplog: pytest.LogCaptureFixture,
    mode: str,
    code: str,
    retryable: bool,
    permanent: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.behave(mode)

    with pytest.raises(ExecutionError) as caught:
        run(connected)

    error = caught.value
    assert (error.code, error.retryable, error.permanent) == (code, retryable, permanent)
    assert error.vendor_requests >= 3  # discovery, token, list
    token = next(iter(vendor.seen()["authorizations"])).removeprefix("Bearer ")
    shown = _everything_shown(error)
    assert "execute: {'job': Job(call=<ToolCall: list_tickets running>" in shown  # variables are being looked at
    shown += caplog.text
    assert [word for word in (connected.secret, token, "MARK-") if word in shown] == []


def _everything_shown(error: BaseException) -> str:
    """What a crash reporter could print: messages, and the variables of every frame of ours, of causes too."""
    lines = []
    for each in _chain(error):
        lines += [*traceback.format_exception_only(each), repr(each), repr(each.__dict__)]
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if not frame.f_globals["__name__"].startswith("tests."):  # the tests know the secret
                lines.append(f"{frame.f_code.co_qualname}: {frame.f_locals!r}")
    return "\n".join(lines)


def _chain(error: BaseException | None) -> list[BaseException]:
    chain = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


SPELLINGS = [
    "plain", "upper", "base64", "base64url", "base64_inside", "hex", "hex_colons", "url", "percent", "json", "token",
]  # fmt: skip


@pytest.mark.parametrize("encoding", SPELLINGS)
def test_an_answer_with_the_credential_is_blocked(vendor: StubVendor, encoding: str) -> None:
    with as_role("app"):
        connected = connect(vendor, secret='p@ss/wörd+"quoted\\ &key=9f2c')
    vendor.behave("echo_key", encoding=encoding)

    for name, arguments in (("list_tickets", {}), ("get_ticket", {"ticket_id": 11003})):
        with pytest.raises(ExecutionError) as caught:
            run(connected, name, arguments)
        assert caught.value.code == "output_blocked"


def test_a_slow_vendor_times_out(
    connected: ConnectedWorld, vendor: StubVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors import network  # noqa: PLC0415

    monkeypatch.setattr(network.Limits, "__init__", _hurried)
    vendor.behave("slow", delay=2)

    with pytest.raises(ExecutionError) as caught:
        run(connected)

    assert (caught.value.code, caught.value.retryable) == ("vendor_timeout", True)


def _hurried(self: Any) -> None:
    for name, value in (
        ("connect_seconds", 1.0),
        ("read_seconds", 0.2),
        ("total_seconds", 1.0),
        ("response_bytes", 10**6),
    ):
        object.__setattr__(self, name, value)


def test_the_token_is_kept_and_renewed_when_withdrawn(connected: ConnectedWorld, vendor: StubVendor) -> None:
    first, second = run(connected), run(connected)
    vendor.revoke_tokens()
    third = run(connected)

    assert [first.vendor_requests, second.vendor_requests, third.vendor_requests] == [3, 1, 4]
    assert vendor.seen()["token"] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"client_id": 12},
        {"client_ids": "12"},
        {"site_id": 0},
        {"toplevel_id": 1},
        {"clientid": "*"},
        {"customer": "all"},
        {"limit": 1000},
        {"search": ""},
        {"priority": "1 or 1=1"},
        {"page": True},
        {"view_id": 3},
    ],
)
def test_arguments_that_would_broaden_are_refused_before_the_vendor(
    connected: ConnectedWorld, vendor: StubVendor, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ExecutionError) as caught:
        run(connected, arguments=arguments)

    assert caught.value.code == "arguments_invalid"
    assert vendor.seen()["total"] == 0


def test_a_whole_number_with_a_point_is_a_whole_number(connected: ConnectedWorld) -> None:
    """JSON Schema takes 2.0 for an integer, and some clients write every number so."""
    listed = run(connected, arguments={"state": "all", "limit": 3.0, "page": 2.0, "priority": 3.0})
    ticket = run(connected, "get_ticket", {"ticket_id": 11003.0})

    assert listed.rows_returned == 3
    assert ticket.structured["ticket"]["id"] == 11003


def test_a_search_cannot_name_another_customer(connected: ConnectedWorld, vendor: StubVendor) -> None:
    result = run(connected, arguments={"state": "all", "search": "x&client_id=12&client_id="})

    assert result.rows == []
    assert vendor.seen()["queries"][-1].endswith("&client_id=11&pageinate=true&page_size=25&page_no=1")


def test_a_mapping_of_another_customer_is_refused(connected: ConnectedWorld, vendor: StubVendor) -> None:
    with as_role("app"):
        call = connected.call(customer=0)

    with acting_for(Context(connected.tenant.id)), pytest.raises(ExecutionError) as caught:
        execute(Job(call, connected.instance, connected.mappings[1]))

    assert caught.value.code == "scope_violation"
    assert vendor.seen()["total"] == 0


def test_no_vendor_is_asked_while_a_transaction_is_open(connected: ConnectedWorld, vendor: StubVendor) -> None:
    with as_role("app"):
        call = connected.call()
    vendor.reset()

    with connected.tenant.acting(), pytest.raises(RuntimeError, match="while a transaction is open"):
        execute(Job(call, connected.instance, connected.mappings[0]))

    assert vendor.seen()["total"] == 0


def test_a_call_of_another_tenant_is_refused(connected: ConnectedWorld, vendor: StubVendor) -> None:
    with as_role("app"):
        call, stranger = connected.call(), make_tenant("globex")
    vendor.reset()

    with acting_for(Context(stranger.id)), pytest.raises(ExecutionError) as caught:
        execute(Job(call, connected.instance, connected.mappings[0]))

    assert caught.value.code == "scope_violation"
    assert vendor.seen()["total"] == 0


@pytest.mark.parametrize("external_id", ["", "*", "0", "-1", "11,12", "11 or 12", "1e3"])
def test_a_mapping_to_more_or_less_than_one_client_is_refused(
    connected: ConnectedWorld, vendor: StubVendor, external_id: str
) -> None:
    connected.mappings[0] = CustomerMapping(
        id=connected.mappings[0].id,
        tenant_id=connected.tenant.id,
        instance=connected.instance,
        customer=connected.tenant.customers[0],
        external_id=external_id,
    )

    with pytest.raises(ExecutionError) as caught:
        run(connected, "get_ticket", {"ticket_id": 11003})

    assert caught.value.code in {"scope_violation", "not_found"}
    assert "client_id=" not in "".join(vendor.seen()["queries"])


def test_no_vendor_is_called_inside_a_transaction(connected: ConnectedWorld, vendor: StubVendor) -> None:
    with as_role("app"):
        call = connected.call()

    with acting_for(Context(connected.tenant.id)), transaction.atomic(), pytest.raises(RuntimeError):
        execute(Job(call, connected.instance, connected.mappings[0]))

    assert vendor.seen()["total"] == 0
