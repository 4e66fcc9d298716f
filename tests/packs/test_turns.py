"""Packs of a tenant are built one after the other, so that nobody waits for all of somebody else's."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from audit.errors import NotSealed
from audit.models import Pack
from audit.packs import cutting, document, services, work
from audit.tasks import build_pack
from tests.packs.rooms import Desk, person

ALICE = person("alice@msp.example", uuid4())


@pytest.fixture
def desk(room, monkeypatch) -> Desk:
    made = Desk(room, room.tenant())
    made.happen(made.customer, by=ALICE)
    made.seal()
    written = document.write('<html lang="en"><title>x</title><body><h1>x</h1></body></html>')
    monkeypatch.setattr(work, "render", lambda *_: written)
    return made


@pytest.fixture
def queue(monkeypatch) -> list[UUID]:
    waiting: list[UUID] = []
    monkeypatch.setattr(build_pack, "delay", lambda pack_id: waiting.append(UUID(pack_id)))
    return waiting


def order(desk: Desk, customer: int = 0) -> Pack:
    with desk.room.enter("app"), desk.world.acting():
        month = cutting.month_of(datetime.now(UTC))
        return services.order_pack(desk.world.customers[customer].pk, month, by=ALICE)


def worked_off(desk: Desk, queue: list[UUID], monkeypatch) -> list[UUID]:
    """What the worker is given, message by message; never more than one waits."""
    monkeypatch.setattr(work.time, "sleep", lambda _: desk.seal())
    given = []
    while queue:
        assert len(queue) == 1
        given.append(queue.pop())
        with desk.worker():
            build_pack.run(pack_id=str(given[-1]))
    return given


def test_of_many_orders_one_waits_in_the_queue_and_the_others_follow_it(desk, queue, monkeypatch):
    ordered = [order(desk, each).pk for each in range(3)]

    assert queue == ordered[:1]
    assert worked_off(desk, queue, monkeypatch) == ordered
    assert {desk.pack(each).state for each in ordered} == {Pack.State.READY}


def test_a_months_packs_are_begun_by_one_message(desk, queue, monkeypatch):
    made = sorted(desk.cut())
    with desk.worker():
        first = work.next_pack(datetime.now(UTC), again=True)
    queue.append(first)

    assert worked_off(desk, queue, monkeypatch) == made


def test_what_is_in_trouble_holds_up_nothing_and_is_tried_again_after_what_went_well(desk, queue, monkeypatch):
    sick, well = order(desk, 0).pk, order(desk, 1).pk
    real = work._collect
    monkeypatch.setattr(work, "_collect", lambda pack: real(pack) if pack.pk == well else trouble())

    assert worked_off(desk, queue, monkeypatch) == [sick, well, sick]
    assert desk.pack(sick).problem
    assert desk.pack(well).state == Pack.State.READY

    monkeypatch.setattr(work, "_collect", real)
    queue.append(sick)
    worked_off(desk, queue, monkeypatch)
    assert desk.pack(sick).state == Pack.State.READY


def trouble() -> None:
    raise NotSealed


def test_a_message_too_many_ends_there(desk, queue, monkeypatch):
    first, second = order(desk, 0).pk, order(desk, 1).pk
    with desk.worker():
        assert work._taken(first, again=False)
        build_pack.run(pack_id=str(first))
        assert work.next_pack(datetime.now(UTC), again=True) is None

    assert queue == [first]
    assert order(desk, 2).is_open
    assert queue == [first]
    assert not desk.pack(second).tries
