"""Two people at once: the second waits for the first in the database, and is told, or gets its own."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection

from connectors.models import ConnectorInstance, CustomerMapping
from connectors.services import configure_instance, map_customer, start_instance, unmap_customer
from tenants.errors import Conflict, NotFound
from tests.connectors.factories import ALICE, SECRET, SETTINGS, configured, draft, kinds
from tests.factories import TenantWorld, make_tenant

pytestmark = pytest.mark.usefixtures("sent")
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"


def race(world: TenantWorld, first: Callable[[], Any], second: Callable[[], Any]) -> Any:
    """`second` begins before `first` has committed. What it gave back, or raised."""
    outcome: list[Any] = []
    thread = threading.Thread(target=_other_person, args=(world, second, outcome))
    with world.acting():
        first()
        thread.start()
        _until_the_other_waits()
    thread.join(10)
    return outcome[0]


def _other_person(world: TenantWorld, act: Callable[[], Any], outcome: list[Any]) -> None:
    try:
        with world.acting():
            outcome.append(act())
    except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
        outcome.append(error)
    finally:
        connection.close()


def _until_the_other_waits() -> None:
    deadline = time.monotonic() + 5
    with psycopg.connect(os.environ["MSPLEX_ADMIN_DATABASE_URL"], autocommit=True) as server:
        while not server.execute(WAITING, [os.environ["MSPLEX_TEST_DATABASE"]]).fetchone()[0]:  # type: ignore[index]
            assert time.monotonic() < deadline, "the second one did not have to wait"
            time.sleep(0.02)


def test_two_who_start_a_connection_at_once_each_get_one() -> None:
    world = make_tenant()

    made = race(world, lambda: draft(world), lambda: draft(world))

    assert made.slug == "halopsa-2"


def test_of_two_who_choose_the_same_short_name_one_is_told() -> None:
    world = make_tenant()

    def start() -> ConnectorInstance:
        return start_instance("halopsa", slug="desk", by=ALICE)

    refused = race(world, start, start)

    assert isinstance(refused, Conflict)
    assert (refused.code, refused.message) == ("slug_taken", "The short name desk is taken.")


def test_of_two_who_map_the_same_client_one_is_told() -> None:
    world = make_tenant()
    with world.acting():
        instance = draft(world)
    first, second = world.customers[:2]

    refused = race(
        world,
        lambda: map_customer(instance, customer=first, external_id="11", by=ALICE),
        lambda: map_customer(instance, customer=second, external_id="11", by=ALICE),
    )

    assert isinstance(refused, Conflict)
    assert refused.code == "external_id_taken"


def test_two_who_store_a_secret_at_once_make_two_versions() -> None:
    world = make_tenant()
    with world.acting():
        instance = configured(world)

    def store() -> list[int]:
        configure_instance(instance, settings=SETTINGS, secret=SECRET, by=ALICE)
        return [credential.version for credential in instance.credentials.order_by("version")]

    assert race(world, store, store) == [1, 2, 3]


def test_a_customer_is_unmapped_once() -> None:
    world = make_tenant()
    with world.acting():
        mapping = map_customer(draft(world), customer=world.customers[0], external_id="11", by=ALICE)

    def unmap() -> None:
        unmap_customer(CustomerMapping.objects.select_related("customer").get(id=mapping.id), by=ALICE)

    assert isinstance(race(world, unmap, unmap), NotFound)
    assert kinds(world).count("connectors:customer:unmap") == 1
