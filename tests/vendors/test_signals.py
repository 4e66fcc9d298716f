"""What a vendor says of everybody is kept of our customers alone, each under its own, and goes when it is over."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors import signals
from connectors.models import ConnectorInstance, CustomerMapping, Signal, SignalPull
from connectors.selectors import open_signals_by_kind
from connectors.selectors import signals as every_signal
from connectors.services import deactivate_instance, map_customer, unmap_customer
from connectors.sightings import Sighting, moment, read
from connectors.signals import EVERY, KEPT, Pulled, enqueue_due_pulls, forget_old_signals, keep, pull_signals
from connectors.stub.world import CLIENTS, marker
from connectors.tasks import sweep_signals
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld
from tests.connectors.vendor import StubVendor
from tests.factories import make_tenant
from tests.vendors import connectwise, halopsa, ninjaone
from tests.vendors.case import Case, connected_to

pytestmark = pytest.mark.usefixtures("broker")
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
Kind, Severity, State = Signal.Kind, Signal.Severity, Signal.State
SOURCES = {
    "halopsa": (halopsa.CASE, {Kind.SLA}),
    "connectwise": (connectwise.CASE, {Kind.SLA}),
    "ninjaone": (ninjaone.CASE, {Kind.ALERT, Kind.DEVICES, Kind.CVES}),
}


def pull(world: ConnectedWorld, now: datetime = NOW) -> None:
    with as_role("broker"), acting_for(Context(world.tenant.id)):
        pull_signals(world.instance.id, now)


def kept(world: ConnectedWorld, **narrowed: Any) -> list[Signal]:
    with as_role("app"), world.tenant.acting():
        return list(Signal.objects.filter(**narrowed).order_by("id"))


def last(world: ConnectedWorld) -> SignalPull:
    with as_role("app"), world.tenant.acting():
        return SignalPull.objects.get()


def sighting(owner: Any = 11, number: Any = 1, **more: Any) -> Sighting:
    return Sighting(Kind.ALERT, owner, number, more.pop("title", "Disk is full"), **more)


def given(world: ConnectedWorld, *rows: Sighting, now: datetime = NOW, whole: bool = True) -> None:
    found = [row for each in rows if (row := read(each))]
    pulled = Pulled(found, frozenset(Kind) if whole else frozenset(), unreadable=len(rows) - len(found))
    with as_role("broker"), acting_for(Context(world.tenant.id)):
        keep(world.instance, pulled, now)


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def case(source: str) -> Case:
    return SOURCES[source][0]


@pytest.mark.parametrize("mode", ["honest", "mix", "ignore_filter"])
def test_every_customer_gets_its_own_and_no_other(source: str, case: Case, stub: StubVendor, mode: str) -> None:
    """Also of a vendor that tells of clients which are nobody's here."""
    with as_role("app"):
        world = connected_to(case, stub)
    stub.behave(mode)

    pull(world)

    rows, clients = kept(world), dict(zip([each.id for each in world.tenant.customers], (11, 12, 13), strict=True))
    assert {row.kind for row in rows} == SOURCES[source][1]
    assert {row.customer_id for row in rows} == set(clients)
    for row in rows:
        others = [marker(client) for client in CLIENTS if client != clients[row.customer_id]]
        assert not any(mark in row.title for mark in others)
        assert row.owner == str(clients[row.customer_id])
    assert (last(world).unmapped > 0) == (mode != "honest")
    assert last(world).kept == len(rows)


@pytest.mark.parametrize("mode", ["ownerless", "drift_list", "html", "500", "echo_key", "truncated"])
def test_what_cannot_be_read_is_not_kept_and_ends_nothing(source: str, case: Case, stub: StubVendor, mode: str) -> None:
    with as_role("app"):
        world = connected_to(case, stub)
    pull(world)
    before = [(row.id, row.state) for row in kept(world, state=State.OPEN) if row.kind in {Kind.SLA, Kind.ALERT}]
    stub.behave(mode)

    pull(world, NOW + EVERY)

    after = [(row.id, row.state) for row in kept(world) if row.kind in {Kind.SLA, Kind.ALERT}]
    assert before
    if last(world).code:
        assert after == before
    else:
        assert mode == "ownerless"
        assert {key for key, _ in after} == {key for key, _ in before}
        assert last(world).unreadable > 0


def test_the_same_answer_changes_nothing_and_is_not_asked_for_twice(case: Case, stub: StubVendor) -> None:
    with as_role("app"):
        world = connected_to(case, stub)
    pull(world)
    first, asked = kept(world), stub.seen()["total"]

    pull(world, NOW + EVERY / 2)
    assert stub.seen()["total"] == asked
    pull(world, NOW + EVERY * 2)

    again = kept(world)
    assert stub.seen()["total"] > asked
    assert [(row.id, row.title, row.created_at, row.state) for row in again] == [
        (row.id, row.title, row.created_at, row.state) for row in first
    ]
    assert {row.seen_at for row in again} == {NOW + EVERY * 2}


def test_what_is_not_there_any_more_is_over_and_what_comes_back_is_open_again(connected: ConnectedWorld) -> None:
    given(connected, sighting(number=1), sighting(number=2))
    given(connected, sighting(number=2), now=NOW + EVERY)
    assert [(row.external_id, row.state) for row in kept(connected)] == [("1", "resolved"), ("2", "open")]
    assert kept(connected, external_id="1")[0].resolved_at == NOW + EVERY

    given(connected, sighting(number=1), sighting(number=2), now=NOW + EVERY * 2)
    assert [(row.state, row.resolved_at) for row in kept(connected)] == [("open", None)] * 2


def test_what_was_cut_off_is_not_over(connected: ConnectedWorld) -> None:
    given(connected, sighting(number=1), sighting(number=2))
    given(connected, sighting(number=2), now=NOW + EVERY, whole=False)

    assert {row.state for row in kept(connected)} == {"open"}


def test_what_is_of_nobody_here_is_counted_and_not_kept(connected: ConnectedWorld) -> None:
    given(connected, sighting(11), sighting("99"), sighting(None), sighting(0), sighting("*"), sighting(11, None))

    assert [row.external_id for row in kept(connected)] == ["1"]
    assert (last(connected).kept, last(connected).unmapped, last(connected).unreadable) == (1, 1, 4)


def test_a_mapping_that_goes_or_changes_takes_with_it_what_was_kept_by_it(connected: ConnectedWorld) -> None:
    """Or one customer would keep what is another's, because somebody had once mapped it wrongly."""
    given(connected, sighting(11, title="Of eleven"), sighting(12, title="Of twelve"))
    first, second, _ = connected.tenant.customers
    with as_role("app"), connected.tenant.acting():
        for mapping in CustomerMapping.objects.filter(customer__in=[first, second]):
            unmap_customer(mapping, by=ALICE)
        map_customer(connected.instance, customer=first, external_id="12", by=ALICE)

    with as_role("app"), connected.tenant.acting(first):  # before anybody has asked the vendor again
        assert (list(every_signal()), open_signals_by_kind()["alert"]) == ([], 0)
    given(connected, sighting(12, title="Of twelve"), now=NOW + EVERY)

    assert [(row.customer_id, row.title) for row in kept(connected)] == [(first.id, "Of twelve")]


def test_a_pull_of_settings_that_were_replaced_meanwhile_says_nothing(connected: ConnectedWorld) -> None:
    connected.instance.configured_at -= timedelta(seconds=1)
    given(connected, sighting())

    assert kept(connected) == []


def test_text_is_data_and_every_value_is_of_its_type() -> None:
    found = read(
        sighting(" 011", "x" * 65, title="a\u202eb\x07" + "y" * 400, opened="no date", due=True, severity=Severity.LOW)
    )
    assert found is None  # an id that long is none
    found = read(sighting(" 011", " 7", title="a\u202eb\x07" + "y" * 400, opened="no date", due=True))
    assert found is not None
    assert (found.owner, found.external_id, found.opened_at, found.due_at) == ("11", "7", None, None)
    assert found.title.startswith("ab")
    assert len(found.title) <= Signal._meta.get_field("title").max_length
    assert read(sighting(count=-1)) is None
    assert read(sighting(count="many")) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1_764_590_400, "2025-12-01T12:00:00+00:00"),
        (1_764_590_400.5, "2025-12-01T12:00:00.500000+00:00"),
        ("2026-11-05T17:00:00", "2026-11-05T17:00:00+00:00"),
        ("2026-11-05T17:00:00Z", "2026-11-05T17:00:00+00:00"),
        ("2026-11-05T17:00:00+02:00", "2026-11-05T15:00:00+00:00"),
        ("0001-01-01T00:00:00", None),
        (10**20, None),
        (None, None),
        ([], None),
        (True, None),
    ],
)
def test_times_are_read_as_vendors_write_them(value: Any, found: str | None) -> None:
    read_as = moment(value)
    assert (read_as.isoformat() if read_as else None) == found


def test_numbers_are_summed_over_customers_and_events_counted(connected: ConnectedWorld) -> None:
    given(
        connected,
        sighting(11, 1), sighting(12, 2),
        Sighting(Kind.DEVICES, 11, "devices", "Devices", count=40),
        Sighting(Kind.DEVICES, 12, "devices", "", count="2"),
    )  # fmt: skip
    with as_role("app"), connected.tenant.acting():
        everybody = open_signals_by_kind()
    with as_role("app"), connected.tenant.acting(connected.tenant.customers[0]):
        first = open_signals_by_kind()

    assert everybody == {"alert": 2, "sla": 0, "devices": 42, "cves": 0}
    assert first == {"alert": 1, "sla": 0, "devices": 40, "cves": 0}


def test_only_active_connections_that_say_something_are_asked_and_not_all_the_time(
    connected: ConnectedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(signals.pull_task, "delay", asked.append)
    with as_role("app"), connected.tenant.acting():
        ConnectorInstance.objects.create(connector="hudu", slug="hudu", name="Hudu", state="active")

    def due(now: datetime) -> list[str]:
        asked.clear()
        with as_role("worker"), acting_for(Context(connected.tenant.id)):
            enqueue_due_pulls(now)
        return list(asked)

    assert due(NOW) == [str(connected.instance.id)]
    given(connected, sighting())
    assert due(NOW + EVERY / 2) == []
    assert due(NOW + EVERY * 2) == [str(connected.instance.id)]
    with as_role("app"), connected.tenant.acting():
        deactivate_instance(connected.instance, by=ALICE)
    assert due(NOW + EVERY * 2) == []


def test_what_has_been_over_or_unseen_for_long_is_forgotten_and_nothing_else(connected: ConnectedWorld) -> None:
    given(connected, sighting(number=1), sighting(number=2))
    given(connected, sighting(number=2), now=NOW + EVERY)

    def forget(now: datetime) -> list[str]:
        with as_role("worker"), acting_for(Context(connected.tenant.id)):
            forget_old_signals(now)
        return [row.external_id for row in kept(connected)]

    assert forget(NOW + KEPT) == ["1", "2"]
    given(connected, sighting(number=2), now=NOW + KEPT)
    assert forget(NOW + KEPT + EVERY * 2) == ["2"]
    assert forget(NOW + KEPT * 2 + EVERY) == []


def test_the_sweep_goes_over_every_tenant_and_keeps_them_apart(
    connected: ConnectedWorld, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    with as_role("app"):
        other = make_tenant("globex")
    asked: list[str] = []
    monkeypatch.setattr(signals.pull_task, "delay", asked.append)

    settings.MSPLEX_PROCESS = "worker"
    with as_role("worker"):
        sweep_signals()
    settings.MSPLEX_PROCESS = "broker"
    given(connected, sighting())

    assert str(connected.instance.id) in asked
    with as_role("app"), other.acting():
        assert not Signal.objects.exists()
        assert not SignalPull.objects.exists()


@pytest.mark.parametrize("source", ["ninjaone"], indirect=True)
def test_numbers_of_some_of_the_devices_are_not_kept_as_those_of_all(
    case: Case, stub: StubVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.vendors.ninjaone.signals._PAGES", 0)
    with as_role("app"):
        world = connected_to(case, stub)

    pull(world)

    assert {row.kind for row in kept(world)} == {Kind.ALERT}


@pytest.mark.parametrize("source", ["halopsa"], indirect=True)
def test_a_list_of_tickets_that_was_cut_ends_nothing(
    case: Case, stub: StubVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_role("app"):
        world = connected_to(case, stub)
    pull(world)
    before = len(kept(world, state=State.OPEN))
    monkeypatch.setattr("connectors.vendors.halopsa.signals.MOST", 100)

    pull(world, NOW + EVERY * 2)

    assert len(kept(world, state=State.OPEN)) == before > 0
