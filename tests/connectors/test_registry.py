"""Keys of the installation: published signed or not at all, kept wrapped, destroyed for good."""

import dataclasses
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection

from connectors.keyring import KeyMissing, KeyRing, Purpose, ring
from connectors.models import Credential
from connectors.registry import COLUMNS, KeyRow, Order, State, intake_key, keys, make_key
from connectors.sealing import context
from connectors.services import configure_instance
from connectors.suites import HYBRID, X25519, SuiteSpec, UnwrappingKey
from connectors.upkeep import ensure_keys, keep_keys, start_rekey
from tenants.errors import Conflict, Unavailable
from tests.connectors.factories import ALICE, SECRET, SETTINGS, draft, now
from tests.factories import make_tenant
from tests.tenants.furnishing import as_administrator

HOUR = timedelta(hours=1)


@pytest.fixture
def installation(scratch_database: Any, settings: Any, tmp_path: Path) -> Iterator[Any]:
    """A database and a key ring of one's own, for what concerns the whole installation. In the broker."""
    settings.MSPLEX_PROCESS, settings.BROKER_KEYRING = "broker", str(tmp_path)
    with scratch_database("broker"):
        yield scratch_database


def active(purpose: Purpose) -> KeyRow:
    [row] = keys(purpose, State.ACTIVE)
    return row


@contextmanager
def administrator(installation: Any, statement: str, *values: Any) -> Iterator[None]:
    with as_administrator(installation.name), connection.cursor() as cursor:
        cursor.execute(statement, values)
    yield


def put(installation: Any, row: KeyRow) -> None:
    places = ", ".join(["%s"] * len(COLUMNS))
    values = [getattr(row, column) for column in COLUMNS]
    with administrator(installation, f"INSERT INTO border.kek ({', '.join(COLUMNS)}) VALUES ({places})", *values):
        pass


def test_the_first_start_makes_both_and_a_second_none(installation: Any) -> None:
    ensure_keys(now())
    first = {row.id for purpose in Purpose for row in keys(purpose)}

    ensure_keys(now())

    assert {row.id for purpose in Purpose for row in keys(purpose)} == first == ring().names()
    assert active(Purpose.STORAGE).public == b""  # only what the portal seals to is published


def test_an_intake_key_lives_a_day_and_is_destroyed_two_days_later(installation: Any) -> None:
    began = now()
    ensure_keys(began)
    first = active(Purpose.INTAKE)

    keep_keys(began + 23 * HOUR)
    assert active(Purpose.INTAKE).id == first.id
    keep_keys(began + 25 * HOUR)
    assert active(Purpose.INTAKE).id != first.id
    keep_keys(began + 71 * HOUR)
    assert ring().key(first.id, Purpose.INTAKE)

    keep_keys(began + 73 * HOUR)

    [row] = [row for row in keys(Purpose.INTAKE, State.DESTROYED) if row.id == first.id]
    assert row.destroyed_at == began + 73 * HOUR
    with pytest.raises(KeyMissing):
        ring().key(first.id, Purpose.INTAKE)


def test_a_storage_key_is_replaced_by_schedule(installation: Any, settings: Any) -> None:
    settings.STORAGE_KEY_DAYS = 30
    began = now()
    ensure_keys(began)
    first = active(Purpose.STORAGE)

    keep_keys(began + 29 * 24 * HOUR)
    assert active(Purpose.STORAGE).id == first.id

    keep_keys(began + 31 * 24 * HOUR)
    assert active(Purpose.STORAGE).id != first.id
    assert [row.id for row in keys(Purpose.STORAGE, State.DESTROYED)] == [first.id]  # no row names it


def test_a_rekeying_needs_a_reason(installation: Any) -> None:
    with pytest.raises(Conflict):
        start_rekey(Order(reason=" "), now())


def foreign(row: KeyRow) -> KeyRow:
    """The same, signed by somebody else."""
    signature = Ed25519PrivateKey.generate().sign(context("kek", *row._parts()))
    return dataclasses.replace(row, signature=signature)


def of_an_attacker(row: KeyRow) -> KeyRow:
    raw = X25519.generate()
    key = UnwrappingKey(X25519.id, raw)
    return dataclasses.replace(row, id=key.id, public=key.wrapping.raw, created_at=row.created_at + HOUR)


FORGERIES = {
    "of an attacker, unsigned": lambda row: dataclasses.replace(of_an_attacker(row), signature=b""),
    "of an attacker, with our signature": of_an_attacker,
    "of an attacker, signed by the attacker": lambda row: foreign(of_an_attacker(row)),
    "an attacker's key under our id": lambda row: dataclasses.replace(of_an_attacker(row), id=row.id),
    "ours, prolonged": lambda row: dataclasses.replace(row, not_after=row.not_after + 1000 * HOUR),
    "ours, of the other purpose": lambda row: dataclasses.replace(row, purpose="storage"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_the_portal_seals_to_no_key_that_the_broker_has_not_signed(
    installation: Any, caplog: pytest.LogCaptureFixture, forgery: str
) -> None:
    ensure_keys(now())
    row = active(Purpose.INTAKE)
    with administrator(installation, "DELETE FROM border.kek"):
        put(installation, FORGERIES[forgery](row))

    with installation("app"), pytest.raises(Unavailable):
        intake_key(now())
    if forgery != "ours, of the other purpose":
        assert "alert" in caplog.text


def test_the_portal_pins_the_brokers_identity(installation: Any, settings: Any) -> None:
    """With the public half alone; another one's signature is worth nothing."""
    ensure_keys(now())
    settings.BROKER_SIGNING_KEY, settings.BROKER_ROOT_KEY, settings.BROKER_KEYRING = "", (), ""
    with installation("app"):
        assert intake_key(now()).id == active(Purpose.INTAKE).id

    other = Ed25519PrivateKey.generate().public_key()
    settings.BROKER_VERIFY_KEY = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with installation("app"), pytest.raises(Unavailable):
        intake_key(now())


@pytest.mark.parametrize("what", ["an older one put back", "one that is over"])
def test_the_portal_seals_to_no_key_of_the_past(installation: Any, what: str) -> None:
    began = now() - 100 * HOUR
    ensure_keys(began)
    old = active(Purpose.INTAKE)
    if what == "an older one put back":
        keep_keys(now())
        with administrator(installation, "DELETE FROM border.kek"):
            put(installation, old)

    with installation("app"), pytest.raises(Unavailable):
        intake_key(now())


def test_without_a_key_a_connection_is_not_configured_and_nothing_is_stored(installation: Any, sent: Any) -> None:
    with installation("app"):
        world = make_tenant()
        with world.acting():
            instance = draft(world)
        with pytest.raises(Unavailable), world.acting():
            configure_instance(instance, settings=SETTINGS, secret=SECRET, by=ALICE)
        with world.acting():
            assert not Credential.objects.exists()


def test_the_web_seals_with_no_private_key_of_any_kind(installation: Any, settings: Any, sent: Any) -> None:
    ensure_keys(now())
    settings.MSPLEX_PROCESS = "portal"
    settings.BROKER_SIGNING_KEY, settings.BROKER_ROOT_KEY, settings.BROKER_KEYRING = "", (), ""
    with installation("app"):
        world = make_tenant()
        with world.acting():
            instance = configure_instance(draft(world), settings=SETTINGS, secret=SECRET, by=ALICE)

    assert instance.configured_at


def test_one_key_of_a_kind_is_active(installation: Any) -> None:
    ensure_keys(now())
    for _ in range(3):
        make_key(Purpose.INTAKE, now())

    assert len(keys(Purpose.INTAKE, State.ACTIVE)) == 1
    assert len(keys(Purpose.INTAKE, State.DECRYPT_ONLY)) == 3


# The ring


@pytest.fixture
def own_ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path, (b"r" * 32,))


def added(to: KeyRing, spec: SuiteSpec = X25519, purpose: Purpose = Purpose.STORAGE) -> tuple[str, bytes]:
    raw = spec.generate()
    key = UnwrappingKey(spec.id, raw)
    to.add(key, raw, purpose)
    return key.id, raw


@pytest.mark.parametrize("spec", [X25519, HYBRID], ids=["x25519", "hybrid"])
def test_a_private_half_is_kept_wrapped_and_private(own_ring: KeyRing, tmp_path: Path, spec: SuiteSpec) -> None:
    name, raw = added(own_ring, spec)
    [path] = tmp_path.glob("*.key")

    assert own_ring.key(name, Purpose.STORAGE).id == name
    assert raw not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyRing(tmp_path, (b"r" * 32,)).key(name, Purpose.STORAGE).id == name


def test_another_root_another_name_or_another_purpose_does_not_open_it(own_ring: KeyRing, tmp_path: Path) -> None:
    name, _ = added(own_ring)
    other = "x25519-another"
    (tmp_path / f"{other}.key").write_bytes((tmp_path / f"{name}.key").read_bytes())

    for attempt in (
        lambda: KeyRing(tmp_path, (b"s" * 32,)).key(name, Purpose.STORAGE),
        lambda: own_ring.key(other, Purpose.STORAGE),
        lambda: own_ring.key(name, Purpose.INTAKE),
    ):
        with pytest.raises(KeyMissing):
            attempt()


def test_the_root_key_can_be_replaced(own_ring: KeyRing, tmp_path: Path) -> None:
    """Both are given until everything is under the new one."""
    old, _ = added(own_ring)
    both = KeyRing(tmp_path, (b"r" * 32, b"n" * 32))
    new, _ = added(both)

    assert both.key(old, Purpose.STORAGE).id == old
    assert KeyRing(tmp_path, (b"n" * 32,)).key(new, Purpose.STORAGE).id == new


def test_a_destroyed_key_is_gone_for_every_process_at_once(own_ring: KeyRing, tmp_path: Path) -> None:
    other = KeyRing(tmp_path, (b"r" * 32,))
    name, _ = added(own_ring)
    assert other.key(name, Purpose.STORAGE)

    own_ring.destroy(name)
    own_ring.destroy(name)

    for each in own_ring, other:
        with pytest.raises(KeyMissing):
            each.key(name, Purpose.STORAGE)
    assert list(tmp_path.glob("*.key")) == []


def test_it_is_overwritten_before_it_is_unlinked(own_ring: KeyRing, tmp_path: Path) -> None:
    name, _ = added(own_ring)
    path = tmp_path / f"{name}.key"
    before = path.read_bytes()
    os.link(path, tmp_path / "what is on the disk")

    own_ring.destroy(name)

    after = (tmp_path / "what is on the disk").read_bytes()
    assert len(after) == len(before)
    assert after != before


@pytest.mark.parametrize("name", ["../x25519-a", "x25519-a/../b", "", ".", "x25519-a\n", "x25519-ä/"])
def test_no_row_leads_out_of_the_directory(own_ring: KeyRing, name: str) -> None:
    with pytest.raises(KeyMissing):
        own_ring.key(name, Purpose.STORAGE)


def test_one_process_at_a_time_does_the_upkeep(installation: Any) -> None:
    with ring().locked("upkeep") as ours, ring().locked("upkeep", wait=False) as theirs:
        assert ours
        assert not theirs
        assert keep_keys(now()) is False
    assert keys(Purpose.INTAKE) == []
    assert keep_keys(now()) is True


def test_a_moment_is_signed_whatever_its_zone(installation: Any) -> None:
    ensure_keys(datetime.fromisoformat("2026-11-27T23:00:00.123456+02:00"))

    assert active(Purpose.INTAKE).is_ours
