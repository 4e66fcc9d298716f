"""The vendor's list of clients: fetched by the broker, replaced as a whole or not at all; what is told of changes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from audit.models import Alert
from audit.selectors import alerts
from connectors import clients as module
from connectors import reaching
from connectors.broker import SecretRefused
from connectors.clients import (
    CLIENTS_MISSING,
    Fetch,
    enqueue_due_fetches,
    fetch_clients,
    is_due,
    message_of,
    record_clients,
    request_clients,
)
from connectors.contract import Client
from connectors.errors import VendorError
from connectors.mapping import Drift, clients, confirm_sure, drifted, drifted_of, proposals, unmapped_clients
from connectors.models import ClientList, ConnectorInstance, CustomerMapping, VendorClient
from connectors.paging import CLIENT_PAGES, WALK_SIZE, clients_of
from connectors.services import map_customer
from connectors.tasks import sweep_clients
from connectors.websites import domain_in
from identity.services import create_customer
from tenants.errors import Conflict
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld, bodies, configured, draft, kinds
from tests.connectors.vendor import StubVendor
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def said(*names: str) -> Fetch:
    """Clients 11, 12, ... of these names; an empty one is not in the list."""
    return Fetch(tuple(Client(str(11 + n), name, "") for n, name in enumerate(names) if name))


@pytest.fixture
def acme(sent: list[Any]) -> TenantWorld:
    return make_tenant()


@pytest.fixture
def mapped(acme: TenantWorld) -> ConnectorInstance:
    """Its three customers are Alder (11), Birch (12) and Cedar (13), by the vendor's own names."""
    instance = set_up(acme, "Alder", "Birch", "Cedar")
    with acme.acting():
        for number, customer in enumerate(acme.customers):
            map_customer(instance, customer=customer, external_id=str(11 + number), by=ALICE)
    return instance


def take(world: TenantWorld, instance: ConnectorInstance, *names: str) -> ClientList | None:
    """What the broker writes down when the vendor has said so."""
    with as_role("broker"), acting_for(Context(world.id)):
        return record_clients(instance, said(*names))


def set_up(world: TenantWorld, *names: str) -> ConnectorInstance:
    with world.acting():
        instance = configured(world)
    take(world, instance, *names)
    return instance


def names(world: TenantWorld) -> dict[str, tuple[str, bool]]:
    with world.acting():
        return {each.external_id: (each.name, each.gone_at is not None) for each in VendorClient.objects.all()}


def events(world: TenantWorld, kind: str) -> list[dict[str, Any]]:
    """What the events say, without what every event says."""
    own = ("external_id", "name", "before", "after", "alert", "action")
    with as_role("app"):
        return [{key: body[key] for key in own if key in body} for body in bodies(world, kind)]


def told(world: TenantWorld) -> list[tuple[str, int]]:
    with world.acting():
        return sorted((alert.kind, alert.count) for alert in alerts())


@pytest.mark.usefixtures("broker")
def test_the_broker_fetches_the_vendors_clients_on_the_record(connected: ConnectedWorld) -> None:
    with acting_for(Context(connected.tenant.id)):
        fetch_clients(connected.instance.id, timezone.now())

    with connected.tenant.acting():
        listed = ClientList.objects.get()
        assert (listed.code, listed.count, listed.ok_at is not None) == ("", 3, True)
        found = {(each.external_id, each.name, each.domain) for each in VendorClient.objects.all()}
    assert ("12", "Birch Logistics", "client12.example") in found
    opened = events(connected.tenant, "connectors:credential:open")
    assert [body["action"] for body in opened] == ["halopsa.clients"]


@pytest.mark.usefixtures("broker")
def test_a_vendor_is_not_asked_inside_a_transaction(connected: ConnectedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    open_at_the_time = []

    def clients_now(*_args: Any) -> list[Client]:
        open_at_the_time.append(connection.in_atomic_block)
        return []

    monkeypatch.setattr(module, "_clients", clients_now)
    with acting_for(Context(connected.tenant.id)):
        fetch_clients(connected.instance.id, timezone.now())

    assert open_at_the_time == [False]


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize(("mode", "code"), [("500", "vendor_fault"), ("html", "vendor_not_json")])
def test_a_vendor_that_fails_leaves_the_list_as_it_was(
    connected: ConnectedWorld, vendor: StubVendor, mode: str, code: str
) -> None:
    now = timezone.now()
    with acting_for(Context(connected.tenant.id)):
        fetch_clients(connected.instance.id, now)
        vendor.behave(mode)
        fetch_clients(connected.instance.id, now + timedelta(days=2))

    with connected.tenant.acting():
        assert (ClientList.objects.get().code, VendorClient.objects.count()) == (code, 3)
    assert message_of(code)


@pytest.mark.usefixtures("broker")
def test_a_credential_that_does_not_open_is_a_code_and_an_alert(
    connected: ConnectedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: Any) -> None:
        raise SecretRefused

    monkeypatch.setattr(reaching, "open_secret", refuse)
    with acting_for(Context(connected.tenant.id)):
        fetch_clients(connected.instance.id, timezone.now())

    with connected.tenant.acting():
        assert ClientList.objects.get().code == "secret_refused"


def test_asking_is_written_down_and_sent(acme: TenantWorld, sent: list[Any]) -> None:
    with acme.acting():
        instance = configured(acme)
    sent.clear()
    with acme.acting():
        listed = request_clients(instance, by=ALICE)

    assert listed.is_awaited
    assert [args[0] for args, *_ in sent] == [str(instance.id)]
    assert "connectors:client:request" in kinds(acme)


def test_a_draft_has_nothing_to_ask_with(acme: TenantWorld) -> None:
    with pytest.raises(Conflict, match="Configure"), acme.acting():
        request_clients(draft(acme), by=ALICE)


def test_each_connection_has_its_turn_once_a_day() -> None:
    instance = ConnectorInstance(tenant_id=None, id=uuid4())
    turns = [
        minute
        for minute in range(1440)
        if is_due(
            instance,
            ClientList(tenant_id=None, fetched_at=NOW + timedelta(minutes=minute - 1)),
            NOW + timedelta(minutes=minute),
        )
    ]

    assert len(turns) == 1
    assert (turns[0] + 12 * 60) % 1440 == instance.id.int % 1440


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (None, True),
        ({}, True),
        ({"fetched_at": NOW, "asked_at": NOW + timedelta(seconds=1)}, True),
        ({"fetched_at": NOW, "asked_at": NOW}, False),
        ({"fetched_at": NOW - timedelta(days=1, seconds=1)}, True),
        ({"fetched_at": NOW - timedelta(minutes=59), "code": "vendor_timeout"}, False),
        ({"fetched_at": NOW - timedelta(minutes=60), "code": "vendor_timeout"}, True),
    ],
)
def test_due_is_what_was_asked_for_or_is_a_day_old_or_failed_an_hour_ago(
    state: dict[str, Any] | None, due: bool
) -> None:
    instance = ConnectorInstance(tenant_id=None, id=uuid4())
    instance.id = type(instance.id)(int=instance.id.int - instance.id.int % 1440 + 12 * 60 + 30)  # its turn is later
    listed = None if state is None else ClientList(tenant_id=None, **state)

    assert is_due(instance, listed, NOW + timedelta(minutes=1) if state == {} else NOW) is due


def test_the_sweep_takes_active_connections_and_what_was_asked_for(sent: list[Any], settings: Any) -> None:
    world = make_tenant()
    with world.acting():
        active, idle, asked = (configured(world) for _ in range(3))
        ConnectorInstance.objects.filter(id=active.id).update(state="active")
        request_clients(asked, by=ALICE)
    sent.clear()

    settings.MSPLEX_PROCESS = "worker"
    with as_role("worker"):
        sweep_clients()

    ours = {args[0] for args, *_ in sent} & {str(each.id) for each in (active, idle, asked)}
    assert ours == {str(active.id), str(asked.id)}
    with acting_for(Context(world.id)):
        assert enqueue_due_fetches(timezone.now()) == 2


def test_a_list_of_replaced_settings_says_nothing(acme: TenantWorld) -> None:
    with acme.acting():
        instance = configured(acme)
        ConnectorInstance.objects.update(configured_at=timezone.now())

        assert record_clients(instance, said("Alder")) is None
        assert VendorClient.objects.count() == 0


def test_the_list_is_replaced_as_a_whole(acme: TenantWorld) -> None:
    instance = set_up(acme, "Alder", "Birch")
    with acme.acting():
        first = {each.external_id: each.first_seen_at for each in VendorClient.objects.all()}
    take(acme, instance, "Alder Ltd", "", "Cedar")
    with acme.acting():
        again = {each.external_id: each.first_seen_at for each in VendorClient.objects.all()}

    assert names(acme) == {"11": ("Alder Ltd", False), "13": ("Cedar", False)}
    assert again["11"] == first["11"]
    assert told(acme) == []  # nobody is mapped to any of them


def test_a_mapped_client_that_goes_is_kept_and_told_of_once(acme: TenantWorld, mapped: ConnectorInstance) -> None:
    for _ in range(3):
        take(acme, mapped, "Alder", "", "Cedar")
    with acme.acting():
        gone = drifted(mapped)

    assert names(acme)["12"] == ("Birch", True)
    assert events(acme, "connectors:client:lose") == [{"alert": True, "external_id": "12", "name": "Birch"}]
    assert told(acme) == [("client_gone", 1)]
    assert [(each.mapping.external_id, each.drift) for each in gone] == [("12", Drift.GONE)]
    with acme.acting():
        assert Alert.objects.get().customer_id == acme.customers[1].id
        assert CustomerMapping.objects.count() == 3  # a person decides


def test_one_that_comes_back_is_there_again_and_its_next_loss_is_told(
    acme: TenantWorld, mapped: ConnectorInstance
) -> None:
    take(acme, mapped, "Alder", "", "Cedar")
    take(acme, mapped, "Alder", "Birch", "Cedar")
    with acme.acting():
        assert drifted(mapped) == []
    take(acme, mapped, "Alder", "", "Cedar")

    assert len(events(acme, "connectors:client:lose")) == 2


def test_one_that_was_mapped_by_hand_to_nobody_is_told_of(acme: TenantWorld, mapped: ConnectorInstance) -> None:
    with acme.acting():
        map_customer(mapped, customer=acme.customers[0], external_id="99", external_name="Nobody", by=ALICE)
    take(acme, mapped, "Alder", "Birch", "Cedar")
    take(acme, mapped, "Alder", "Birch", "Cedar")

    assert events(acme, "connectors:client:lose") == [{"alert": True, "external_id": "99", "name": "Nobody"}]


def test_a_renamed_one_is_told_of_once_and_shown_until_its_new_name_is_taken(
    acme: TenantWorld, mapped: ConnectorInstance
) -> None:
    for _ in range(2):
        take(acme, mapped, "ALDER Ltd.", "Birch Nord", "Cedar")
    with acme.acting():
        assert [(each.mapping.external_id, each.drift) for each in drifted(mapped)] == [("12", Drift.RENAMED)]
        assert [each.drift for each in drifted_of(acme.customers[1])] == [Drift.RENAMED]
        map_customer(mapped, customer=acme.customers[1], external_id="12", by=ALICE)
        assert drifted(mapped) == []

    renamed = [{"after": "Birch Nord", "alert": True, "before": "Birch", "external_id": "12"}]
    assert events(acme, "connectors:client:rename") == renamed
    assert told(acme) == [("client_renamed", 1)]


def test_one_that_was_merged_names_who_took_its_place(acme: TenantWorld, mapped: ConnectorInstance) -> None:
    take(acme, mapped, "Alder", "", "Cedar", "Birch Ltd")
    with acme.acting():
        (merged,) = drifted(mapped)
        assert merged.successor is not None
        assert (merged.drift, merged.successor.external_id, merged.successor_customer) == (Drift.MERGED, "14", "")
        dora = create_customer(name="Dora", key="dora", by=SETUP)
        map_customer(mapped, customer=dora, external_id="14", by=ALICE)
        assert drifted(mapped)[0].successor_customer == "Dora"


def test_a_list_without_most_of_the_mapped_is_believed_when_a_person_says_so(
    acme: TenantWorld, mapped: ConnectorInstance
) -> None:
    """A credential whose rights were cut would otherwise raise an alert for everybody."""
    listed = take(acme, mapped)
    assert listed is not None
    assert (listed.code, len(names(acme))) == (CLIENTS_MISSING, 3)
    with acme.acting():
        request_clients(mapped, by=ALICE, believe=True)
    take(acme, mapped)

    with acme.acting():
        assert {each.drift for each in drifted(mapped)} == {Drift.GONE}
        assert ClientList.objects.get().believe is False  # for that one time
    assert len(events(acme, "connectors:client:lose")) == 3


def test_one_that_nobody_is_mapped_to_any_more_is_forgotten(acme: TenantWorld, mapped: ConnectorInstance) -> None:
    take(acme, mapped, "Alder", "", "Cedar")
    with acme.acting():
        CustomerMapping.objects.filter(external_id="12").delete()
    take(acme, mapped, "Alder", "", "Cedar")

    assert set(names(acme)) == {"11", "13"}


def test_a_connectors_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    long = module._bounded([Client("1", "x" * 500, "y" * 500), Client("1", "again"), Client("2", "b")])

    assert [(each.id, len(each.domain)) for each in long] == [("1", 0), ("2", 0)]
    monkeypatch.setattr(module, "MOST", 2)
    with pytest.raises(VendorError, match="larger"):
        module._bounded([Client(str(n), "x") for n in range(3)])
    with pytest.raises(VendorError, match="shape"):
        module._bounded([Client("9" * 65, "x")])


def test_a_list_that_does_not_end_is_no_list() -> None:
    def endless(number: int, size: int) -> list[Any]:
        return [{"id": number * size + n, "name": "x"} for n in range(size)]

    with pytest.raises(VendorError, match="larger"):
        clients_of(endless)


def test_a_vendor_that_knows_no_pages_is_asked_twice() -> None:
    asked = []

    def same(number: int, size: int) -> list[Any]:
        asked.append(number)
        return [{"id": n + 1, "name": "x" * 300, "site": "https://WWW.Alder.example/a"} for n in range(size + 5)]

    found = clients_of(same, website="site")

    assert (len(found), asked, len(found[0].name), found[0].domain) == (WALK_SIZE + 5, [1, 2], 200, "alder.example")
    assert CLIENT_PAGES > 2


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("https://www.Alder.example/about?x=1", "alder.example"),
        ("alder.example", "alder.example"),
        ("http://alder.example:8080", "alder.example"),
        ("alder.example.", "alder.example"),
        ("info@alder.example", "alder.example"),
        ("https://müller.example", "xn--mller-kva.example"),
        ("192.0.2.7", ""), ("http://[::1]/", ""), ("http://[::1", ""), ("localhost", ""), ("n/a", ""), ("", ""),
        (None, ""), (7, ""), ("x" * 600 + ".example", ""),
    ],
)  # fmt: skip
def test_the_domain_of_a_web_address(written: object, domain: str) -> None:
    assert domain_in(written) == domain


def test_suggestions_are_of_whoever_is_not_mapped(acme: TenantWorld) -> None:
    first, second, third = acme.customers
    instance = set_up(acme, first.name, f"{second.name} GmbH", "Elm", "Elm Ltd")
    with acme.acting():
        map_customer(instance, customer=first, external_id="11", by=ALICE)
        found = proposals(instance)
        free = {each.external_id for each in unmapped_clients(instance)}
        listed = {each.external_id: each.customer_name for each in clients(instance)}

    assert [row.customer for row in found.rows] == [second, third]
    assert [[each.external_id for each in row.clients] for row in found.rows] == [["12"], []]
    assert free == {"12", "13", "14"}
    assert listed == {"11": first.name, "12": None, "13": None, "14": None}


def test_all_sure_ones_are_mapped_at_once_each_on_the_record(acme: TenantWorld) -> None:
    instance = set_up(acme, *(customer.name for customer in acme.customers))
    with acme.acting():
        found = proposals(instance)
        made = confirm_sure(instance, digest=found.digest, by=ALICE)

    assert len(made) == 3
    assert kinds(acme).count("connectors:customer:map") == 3


def test_what_has_changed_since_it_was_shown_is_not_confirmed(acme: TenantWorld) -> None:
    first, second, third = acme.customers
    instance = set_up(acme, first.name, second.name, "Elm")
    with acme.acting():
        seen = proposals(instance)
    take(acme, instance, first.name, second.name, third.name)
    with pytest.raises(Conflict, match="changed") as refused, acme.acting():
        confirm_sure(instance, digest=seen.digest, by=ALICE)

    assert refused.value.code == "suggestions_changed"
    with acme.acting():
        assert CustomerMapping.objects.count() == 0


def test_a_context_of_one_customer_sees_no_client_of_the_vendor(acme: TenantWorld, mapped: ConnectorInstance) -> None:
    take(acme, mapped, "Alder", "", "Cedar")
    with acme.acting(acme.customers[1]):
        assert (VendorClient.objects.count(), ClientList.objects.count()) == (0, 0)
        assert drifted(mapped) == []
        assert proposals(mapped).rows == ()


def test_another_tenants_list_is_not_there(acme: TenantWorld, mapped: ConnectorInstance) -> None:
    with acting_for(Context(make_tenant("globex").id)), transaction.atomic():
        assert VendorClient.objects.count() == 0
        assert not clients(mapped).exists()
