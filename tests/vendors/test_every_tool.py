"""Every tool of every connector, against its vendor in every mood: what holds for one has to hold for all."""

import inspect
import json
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from jsonschema import Draft202012Validator

from connectors.catalogue import all_connectors, connector, tool
from connectors.contract import Connection, Narrowing, Risk
from connectors.errors import ExecutionError
from connectors.execution import ExecutionResult, Job, execute
from connectors.network import VendorHttp
from connectors.secret import SecretBundle
from connectors.stub.world import CLIENTS as EVERY_CLIENT
from connectors.stub.world import marker
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import CLIENTS, ConnectedWorld
from tests.connectors.vendor import ANYWHERE, StubVendor
from tests.vendors import connectwise, halopsa, hudu, itglue, ninjaone, pax8
from tests.vendors.case import Case, connected_to

pytestmark = pytest.mark.usefixtures("broker")
KNOWN = (
    halopsa.CASE,
    connectwise.CASE,
    hudu.CASE,
    itglue.CASE,
    ninjaone.CASE,
    pax8.CASE,
)
CASES = {case.connector: case for case in KNOWN}
TOOLS = [(CASES[connector.key], tool.name) for connector in all_connectors() for tool in connector.tools]
WRITES = [(case, name) for case, name in TOOLS if not tool(case.connector, name).is_read]
# What is asked for by an id of the customer's, or hangs on one, or changes one.
BY_ID = [(case, name) for case, name in TOOLS if case.calls[name](11) != case.calls[name](12)]
BY_ID = [(case, name) for case, name in BY_ID if not tool(case.connector, name).creates]


def named(pairs: list[tuple[Case, str]]) -> Any:
    ids = [f"{case.connector}.{name}" for case, name in pairs]
    return pytest.mark.parametrize(("case", "name"), pairs, ids=ids)


@pytest.fixture
def connected(case: Case, stub: StubVendor) -> ConnectedWorld:
    with as_role("app"):
        return connected_to(case, stub)


def run(world: ConnectedWorld, name: str, arguments: dict[str, Any], customer: int = 0) -> ExecutionResult:
    """As the broker does it: in the context of the one customer, without a transaction."""
    with as_role("app"):
        call = world.call(name, arguments, customer=customer)
    with acting_for(Context(world.tenant.id, (world.tenant.customers[customer].id,))):
        return execute(Job(call, world.instance, world.mappings[customer]))


def refused(world: ConnectedWorld, name: str, arguments: dict[str, Any], customer: int = 0) -> ExecutionError:
    with pytest.raises(ExecutionError) as caught:
        run(world, name, arguments, customer)
    return caught.value


def foreign_marks(value: Any, client: int) -> list[str]:
    text = json.dumps(value)
    return [mark for other in EVERY_CLIENT if other != client and (mark := marker(other)) in text]


def assert_typed(case: Case, name: str, result: ExecutionResult) -> None:
    Draft202012Validator(tool(case.connector, name).output_schema).validate(result.structured)


def test_every_tool_has_a_call() -> None:
    for case in CASES.values():
        assert set(case.calls) == {tool.name for connector in all_connectors() if connector.key == case.connector
                                   for tool in connector.tools}  # fmt: skip
    assert set(CASES) == {connector.key for connector in all_connectors() if not connector.fetch}


@named(TOOLS)
def test_an_honest_vendor_gives_what_is_the_customers(case: Case, name: str, connected: ConnectedWorld) -> None:
    result = run(connected, name, case.calls[name](12), customer=1)

    assert result.rows_returned >= 1
    assert (result.rows_dropped, result.rows_foreign) == (0, 0)  # also of lists that are everybody's by design
    assert foreign_marks(result.structured, 12) == []
    assert_typed(case, name, result)


@named(TOOLS)
def test_a_secret_kept_in_a_field_does_not_come_out(case: Case, name: str, connected: ConnectedWorld) -> None:
    """Stand-ins write CANARY into every such field of theirs."""
    result = run(connected, name, case.calls[name](12), customer=1)

    assert "CANARY" not in json.dumps(result.structured)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_list_of_clients_names_each_once(case: Case, connected: ConnectedWorld) -> None:
    """What mappings are suggested from. It is no tool: nobody but the broker asks for it."""
    secrets = SecretBundle(case.secret(connected.secret))
    http = VendorHttp(settings.VENDOR_NETWORKS, reach=ANYWHERE)

    found = connector(case.connector).clients(Connection(connected.instance.settings, secrets, http, str(uuid4())))

    domain = "client{}.example" if case.tells_domains else ""
    assert found == [(case.external_id(client), EVERY_CLIENT[client], domain.format(client)) for client in CLIENTS]


def test_every_stand_in_has_secrets_to_lose() -> None:
    for case in CASES.values():
        folder = Path(inspect.getfile(import_module(case.module))).parent
        assert "CANARY" in "".join(file.read_text() for file in folder.glob("stub*.py")), case.connector


@named(TOOLS)
@pytest.mark.parametrize("mode", ["ignore_filter", "mix"])
def test_a_vendor_that_mixes_customers_leaks_none(
    case: Case, name: str, mode: str, connected: ConnectedWorld, stub: StubVendor
) -> None:
    honest = run(connected, name, case.calls[name](12), customer=1)
    stub.reset()
    stub.behave(mode)

    result = run(connected, name, case.calls[name](12), customer=1)

    assert result.rows_returned == honest.rows_returned
    assert foreign_marks(result.structured, 12) == []
    assert_typed(case, name, result)


@named(BY_ID)
@pytest.mark.parametrize("mode", ["honest", "ignore_filter", "mix"])
def test_what_is_of_another_customer_is_not_found_and_not_touched(
    case: Case, name: str, mode: str, connected: ConnectedWorld, stub: StubVendor
) -> None:
    stub.behave(mode)

    error = refused(connected, name, case.calls[name](13), customer=1)

    assert error.code == "not_found"
    assert stub.seen()["changes"] == []


@named(TOOLS)
def test_rows_without_a_readable_owner_are_not_given_out(
    case: Case, name: str, connected: ConnectedWorld, stub: StubVendor
) -> None:
    stub.behave("ownerless")

    assert refused(connected, name, case.calls[name](12), customer=1).code in {"vendor_shape", "not_found"}


# What they give out is ours alone: of each object of the customer's, what became of it.
WORDLESS = [(case, name) for case, name in TOOLS if (case.connector, name) == ("halopsa", "update_tickets")]


@named(WORDLESS)
def test_a_tool_that_gives_out_nothing_of_the_vendors_cannot_repeat_a_key(
    case: Case, name: str, connected: ConnectedWorld, stub: StubVendor
) -> None:
    stub.behave("echo_key", encoding="plain")

    result = run(connected, name, case.calls[name](12), customer=1)

    assert result.rows == [{"ticket_id": 12003, "outcome": "changed", "code": None}]


@named([pair for pair in TOOLS if pair not in WORDLESS])
@pytest.mark.parametrize("encoding", ["plain", "base64_inside", "hex"])
def test_a_repeated_key_is_withheld(
    case: Case, name: str, encoding: str, connected: ConnectedWorld, stub: StubVendor
) -> None:
    stub.behave("echo_key", encoding=encoding)

    error = refused(connected, name, case.calls[name](12), customer=1)

    assert error.code == "output_blocked"


@named(TOOLS)
@pytest.mark.parametrize("mode", ["drift", "injection"])
def test_a_changed_answer_still_fits_the_schema(
    case: Case, name: str, mode: str, connected: ConnectedWorld, stub: StubVendor
) -> None:
    stub.behave(mode)

    result = run(connected, name, case.calls[name](12), customer=1)

    assert "\u202e" not in json.dumps(result.structured, ensure_ascii=False)
    assert_typed(case, name, result)


FAULTS = {
    "500": "vendor_fault",
    "500_key": "vendor_fault",
    "html": "vendor_not_json",
    "oversize": "vendor_oversize",
    "redirect": "vendor_redirect",
    "truncated": "vendor_not_json",
    "429": "vendor_throttled",
}


@named(TOOLS)
@pytest.mark.parametrize("mode", FAULTS)
def test_a_fault_has_a_name_and_says_nothing_else(
    case: Case, name: str, mode: str, connected: ConnectedWorld, stub: StubVendor
) -> None:
    stub.behave(mode)

    error = refused(connected, name, case.calls[name](12), customer=1)

    assert error.code == case.faults.get(mode, FAULTS[mode])
    assert connected.secret not in str(error)


@named(TOOLS)
def test_a_refused_credential_needs_a_person(case: Case, name: str, stub: StubVendor) -> None:
    with as_role("app"):
        connected = connected_to(case, stub)
    stub.account(*CLIENTS, name=connected.client_id)  # the vendor has another secret now

    error = refused(connected, name, case.calls[name](12), customer=1)

    assert (error.permanent, error.uncertain) == (True, False)
    assert stub.seen()["changes"] == []


@named(WRITES)
@pytest.mark.parametrize("mode", ["500", "html", "truncated", "oversize"])
def test_a_change_whose_fate_is_unknown_is_not_said_to_have_failed(
    case: Case, name: str, mode: str, connected: ConnectedWorld, stub: StubVendor
) -> None:
    """The guard reads first and must see an honest vendor, so that the change itself meets the fault."""
    stub.behave("honest", on_changes=mode)

    error = refused(connected, name, case.calls[name](12), customer=1)

    assert error.uncertain


@named(WRITES)
@pytest.mark.parametrize("mode", ["429", "forbidden"])
def test_a_change_that_the_vendor_refused_may_be_tried_again(
    case: Case, name: str, mode: str, connected: ConnectedWorld, stub: StubVendor
) -> None:
    stub.behave("honest", on_changes=mode)

    error = refused(connected, name, case.calls[name](12), customer=1)

    assert not error.uncertain


@named(WRITES)
def test_a_change_is_sent_once_and_names_no_owner_of_the_callers(
    case: Case, name: str, connected: ConnectedWorld, stub: StubVendor
) -> None:
    run(connected, name, case.calls[name](12), customer=1)

    changes = stub.seen()["changes"]
    assert len(changes) == 1
    others = {case.external_id(client) for client in EVERY_CLIENT if client != 12}
    assert not others & set(_leaves(changes[0]["body"]))


@named(TOOLS)
def test_an_undeclared_argument_is_refused_before_anything_is_sent(
    case: Case, name: str, connected: ConnectedWorld, stub: StubVendor
) -> None:
    owners = next(connector for connector in all_connectors() if connector.key == case.connector).owner_fields
    for field in ("nonsense", *sorted(owners)):
        assert refused(connected, name, case.calls[name](12) | {field: 13}, customer=1).code == "arguments_invalid"
    assert stub.seen()["total"] == 0


def test_what_a_tool_may_do_is_declared() -> None:
    for vendor in all_connectors():
        for entry in vendor.tools:
            assert entry.narrowing in {Narrowing.PARAMETER_AND_OWNER, Narrowing.PARENT, Narrowing.OWNER_ONLY}
            assert entry.risk is Risk.READ or entry.guard or entry.creates, f"{vendor.key}.{entry.name}"


def _leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [str(value)]
