"""Where a record comes from: numbers without gaps, under a MAC that only our processes can make."""

import contextlib
import os
import threading
from dataclasses import replace

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction

from audit import streams
from audit.actors import system
from audit.kinds import EventKind
from audit.models import Event
from audit.services import queue_record, record
from audit.streams import Mark, fits
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import signed_transaction
from tests.factories import TenantWorld, make_tenant

ACTOR = system("tests")


@pytest.fixture(autouse=True)
def fresh_stream():
    """A new one for each test, and for what comes after: a stream keeps the key that it began with."""
    forget_streams()
    yield
    forget_streams()


def forget_streams() -> None:
    with contextlib.suppress(AttributeError):
        del streams._mine.held
    streams._process.free.clear()


def write(world: TenantWorld) -> None:
    with world.acting():
        record(EventKind.CUSTOMER_CREATED, actor=ACTOR)


def queue(world: TenantWorld, times: int = 1, *, ending: Exception | None = None) -> None:
    about = {"subject": ("", None, ""), "customer_id": None, "result": "ok", "body": {}}
    with acting_for(Context(world.id)), signed_transaction() as db:
        for _ in range(times):
            queue_record(db, EventKind.CUSTOMER_CREATED, actor=ACTOR, **about).confirm()
        if ending:
            raise ending


def marks(world: TenantWorld) -> list[Mark]:
    with world.acting():
        rows = Event.objects.order_by("id").values_list("writer", "boot", "n", "mac")
        return [Mark(writer, boot, n, bytes(mac)) for writer, boot, n, mac in rows]


def numbers(world: TenantWorld) -> list[int]:
    found = marks(world)
    assert len({mark.boot for mark in found}) == 1
    return [mark.n for mark in found]


def test_numbers_run_on_over_transactions_of_both_kinds():
    acme = make_tenant()
    write(acme)
    queue(acme, 2)
    with acme.acting():
        record(EventKind.CUSTOMER_CREATED, actor=ACTOR)
        record(EventKind.CUSTOMER_CREATED, actor=ACTOR)
    queue(acme)
    assert numbers(acme) == [0, 1, 2, 3, 4, 5]


def test_what_was_rolled_back_leaves_no_gap():
    acme = make_tenant()
    write(acme)
    with contextlib.suppress(RuntimeError), acme.acting():
        record(EventKind.CUSTOMER_CREATED, actor=ACTOR)
        raise RuntimeError
    with contextlib.suppress(RuntimeError):
        queue(acme, ending=RuntimeError())
    with acme.acting():
        with contextlib.suppress(RuntimeError), transaction.atomic():
            record(EventKind.CUSTOMER_CREATED, actor=ACTOR)
            raise RuntimeError
        record(EventKind.CUSTOMER_CREATED, actor=ACTOR)
    write(acme)
    assert numbers(acme) == [0, 1, 2]


def test_threads_at_work_at_once_have_streams_of_their_own_and_later_ones_go_on_with_them():
    acme, together = make_tenant(), threading.Barrier(2)

    def work(*, wait: bool) -> None:
        with acme.acting():
            record(EventKind.CUSTOMER_CREATED, actor=ACTOR)
            if wait:
                together.wait(10)
        connection.close()

    for wait in (True, False):
        threads = [threading.Thread(target=work, kwargs={"wait": wait}) for _ in range(2)]
        for thread in threads:
            thread.start()
            if not wait:
                thread.join()
        for thread in threads:
            thread.join()

    found = marks(acme)
    assert len({mark.boot for mark in found}) == 2
    assert sorted(mark.n for mark in found) in ([0, 0, 1, 1], [0, 0, 1, 2])


def test_a_forked_process_does_not_write_into_its_parents_stream():
    acme = make_tenant()
    write(acme)
    connection.close()
    child = os.fork()
    if child == 0:
        write(acme)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    found = marks(acme)
    assert found[0].boot != found[1].boot
    assert [mark.n for mark in found] == [0, 0]


def test_the_mac_is_over_the_header_and_the_place_in_the_stream(settings):
    acme = make_tenant()
    write(acme)
    [ours] = marks(acme)
    with acme.acting():
        header = bytes(Event.objects.get().header)
    assert fits(ours, header)
    assert not fits(ours, header.replace(b'"ok"', b'"no"'))
    for changed in ({"n": 1}, {"boot": acme.id}, {"writer": "portal"}, {"mac": bytes(32)}):
        assert not fits(replace(ours, **changed), header)
    settings.RECORD_KEY = (bytes(32),)
    assert not fits(ours, header)


def test_an_earlier_key_is_believed_and_the_last_one_used(settings):
    acme = make_tenant()
    write(acme)
    old, new = settings.RECORD_KEY[-1], bytes(32)
    settings.RECORD_KEY = (old, new)
    forget_streams()
    write(acme)
    with acme.acting():
        headers = [bytes(event.header) for event in Event.objects.order_by("id")[:2]]
    ours = marks(acme)[:2]  # the sealer, which has not got the new key, may say so in a third event
    assert all(map(fits, ours, headers))
    settings.RECORD_KEY = (new,)
    assert [fits(*each) for each in zip(ours, headers, strict=True)] == [False, True]


def test_without_its_key_a_process_records_nothing(settings):
    acme = make_tenant()
    settings.RECORD_KEY = ()
    with pytest.raises(ImproperlyConfigured, match="MSPLEX_RECORD_KEY"):
        write(acme)
