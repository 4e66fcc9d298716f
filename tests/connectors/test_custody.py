"""What people see of credentials and keys: their own tenant's, derived from rows, and nothing of the ciphertext."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from connectors.custody import Kept, credentials, key_state, number_to_change, standing
from connectors.keyring import Purpose
from connectors.models import Credential
from connectors.registry import KeyRow, Mode, Order, State, keys, make_key
from connectors.rekeying import move_rows
from connectors.services import configure_instance
from identity.roles import Role
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld, now, open_as_broker
from tests.connectors.test_api import api, session


@pytest.fixture(autouse=True)
def _it_is_over() -> Iterator[None]:
    """Keys are the whole installation's, and what an unfinished emergency asks for goes on with the next key."""
    yield
    with as_role("broker"):
        make_key(Purpose.STORAGE, now())


def emergency(days: float = 3) -> KeyRow:
    """A key may have leaked; made as `manage.py rekey` makes it."""
    with as_role("broker"):
        make_key(Purpose.STORAGE, now(), Order(Mode.REENCRYPT, "laptop lost", "bob", now() + timedelta(days=days)))
        [active] = keys(Purpose.STORAGE, State.ACTIVE)
    return active


def seen(world: ConnectedWorld) -> tuple[Credential, Any]:
    with world.tenant.acting():
        [credential] = credentials()
        return credential, standing(credential, key_state(), now())


def used(world: ConnectedWorld, settings: Any) -> None:
    settings.MSPLEX_PROCESS = "broker"
    with as_role("broker"):
        assert open_as_broker(world)
    settings.MSPLEX_PROCESS = "command"


def test_it_goes_from_unused_to_current_to_waiting_to_current(connected: ConnectedWorld, settings: Any) -> None:
    assert seen(connected)[1].kept is Kept.UNUSED
    used(connected, settings)
    assert seen(connected)[1].kept is Kept.MOVED

    emergency()
    assert seen(connected)[1].kept is Kept.WAITING
    with connected.tenant.acting():
        state = key_state()
    assert (state.done, state.left, state.unreadable) == (0, 1, 0)

    with as_role("broker"), acting_for(Context(connected.tenant.id)):
        assert move_rows(until=float("inf"), rest=0)
    assert seen(connected)[1].kept is Kept.MOVED


def test_what_was_stored_before_an_emergency_is_to_be_changed_until_a_newer_one_is_stored(
    connected: ConnectedWorld,
) -> None:
    key = emergency()
    credential, before = seen(connected)
    assert (before.change_by, before.overdue, before.changed) == (key.deadline, False, False)
    assert credential.created_by == ALICE.label
    with connected.tenant.acting():
        assert number_to_change(key_state()) == 1
        configure_instance(
            connected.instance, settings=connected.instance.settings, secret={"client_secret": "a-new-one-of-acme"},
            by=ALICE,
        )  # fmt: skip

    credential, after = seen(connected)
    assert (credential.version, after.change_by, after.changed) == (2, None, True)
    with connected.tenant.acting():
        assert number_to_change(key_state()) == 0


def test_a_deadline_that_is_over_is_said_to_be(connected: ConnectedWorld) -> None:
    emergency(days=-1)

    assert seen(connected)[1].overdue


def test_the_page_and_its_twin_show_it_to_who_sets_up_connections(connected: ConnectedWorld) -> None:
    key = emergency()
    owner = session(connected.tenant)

    [row] = owner.get("/api/v1/credentials/").json()["results"]
    told = owner.get("/api/v1/credentials/keys/").json()
    page = owner.get(reverse("portal:connector_credentials")).content.decode()

    assert (row["owner"], row["version"], row["kept"], row["changed"]) == (ALICE.label, 1, "unused", False)
    assert row["change_by"] == told["change_by"]
    assert (told["reason"], told["to_change"], told["left"]) == ("laptop lost", 1, 0)
    assert "1 to change" in page
    assert "laptop lost" in page
    assert key.id not in page
    for text in (page, str(row), str(told)):
        assert connected.secret not in text
    viewer = api(connected.tenant, Role.VIEWER)
    assert viewer.get("/api/v1/credentials/").status_code == 403
    assert viewer.get("/api/v1/credentials/keys/").status_code == 403


def test_of_several_versions_the_current_one_counts(connected: ConnectedWorld) -> None:
    with connected.tenant.acting():
        configure_instance(
            connected.instance, settings=connected.instance.settings, secret={"client_secret": "a-new-one-of-acme"},
            by=ALICE,
        )  # fmt: skip
        assert [credential.version for credential in credentials()] == [2]
