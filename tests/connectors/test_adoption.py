"""What the portal has sealed becomes usable only through the broker, and nothing planted, swapped or moved ever does.

Each test is somebody: with the portal's role (injected SQL), or as the administrator of the database.
"""

import hashlib
import json
from typing import Any

import pytest
from django.db import connection

from audit.canonical import canonical
from audit.models import Event
from audit.services import BODY_LABEL
from connectors import sealing
from connectors.adoption import adopt
from connectors.errors import SecretRefused
from connectors.keyring import Purpose, ring
from connectors.models import AdoptedSecret, ConnectorInstance, Credential, SealedSecret
from connectors.registry import intake_key, make_key
from connectors.services import configure_instance
from connectors.suites import HYBRID
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld, connect, events_of, now, open_as_broker
from tests.connectors.vendor import StubVendor
from tests.tenants.furnishing import as_administrator

FORGED = "forged-forged-forged"
pytestmark = pytest.mark.usefixtures("broker")


def plant(world: ConnectedWorld, version: int = 2) -> Credential:
    """A newer version, sealed as the portal would, with the portal's role, but past its service."""
    with as_role("app"), world.tenant.acting():
        reference, key = uuid7(), intake_key(now())
        place = sealing.Place(world.tenant.id, reference, version)
        content = {"secret": {"client_secret": FORGED}, "bound": {}}
        raw = sealing.seal(json.dumps(content).encode(), key=key, place=place).to_bytes()
        credential = Credential.objects.create(
            id=reference, instance=world.instance, version=version, digest=sealing.digest(raw), created_by="x"
        )
        SealedSecret.objects.create(credential=credential, suite=key.suite, kek_id=key.id, sealed=raw)
    return credential


def renewed(world: ConnectedWorld, secret: str = "another-secret-of-acme") -> None:
    with as_role("app"), world.tenant.acting():
        world.instance = configure_instance(
            world.instance, settings=world.instance.settings, secret={"client_secret": secret}, by=ALICE
        )


def refused(world: ConnectedWorld) -> str:
    """Refused it is, and the alert says so."""
    before = len(events_of(world, "connectors:credential:refuse"))
    with pytest.raises(SecretRefused):
        open_as_broker(world)
    alerts = events_of(world, "connectors:credential:refuse")[before:]
    assert [body["alert"] for _, body in alerts] == [True]
    return alerts[0][1]["refused"]


def administrator(statement: str, *values: Any) -> list[Any]:
    """Past triggers and foreign keys too."""
    with as_administrator(), connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def rows(world: ConnectedWorld, model: type[Any]) -> list[Any]:
    with as_role("broker"), world.tenant.acting():
        return list(model.objects.order_by("id"))


def test_the_first_opening_adopts_it_on_the_record(connected: ConnectedWorld) -> None:
    [given] = rows(connected, SealedSecret)

    assert open_as_broker(connected) == connected.secret

    [kept] = rows(connected, AdoptedSecret)
    assert rows(connected, SealedSecret) == []
    assert bytes(kept.payload) in bytes(given.sealed)
    assert bytes(kept.wrapped_key) not in bytes(given.sealed)
    assert ring().key(kept.kek_id, Purpose.STORAGE)
    [(header, body)] = events_of(connected, "connectors:credential:adopt")
    assert header["subject"] == {"id": str(kept.credential_id), "kind": "credential"}
    assert (body["kek"], body["version"], body["digest"]) == (kept.kek_id, 1, sealing.digest(bytes(given.sealed)))


def test_the_second_opening_uses_what_was_adopted(connected: ConnectedWorld) -> None:
    assert [open_as_broker(connected), open_as_broker(connected)] == [connected.secret] * 2

    assert len(events_of(connected, "connectors:credential:adopt")) == 1
    assert len(events_of(connected, "connectors:credential:open")) == 2


def test_adopting_again_changes_nothing(connected: ConnectedWorld) -> None:
    open_as_broker(connected)
    [before] = rows(connected, AdoptedSecret)

    with acting_for(Context(connected.tenant.id)):
        assert adopt(connected.instance) == "unknown"

    [after] = rows(connected, AdoptedSecret)
    assert (before.id, before.rev) == (after.id, after.rev)


def test_of_what_was_replaced_nothing_is_kept(connected: ConnectedWorld) -> None:
    open_as_broker(connected)
    renewed(connected)

    assert open_as_broker(connected) == "another-secret-of-acme"

    [kept] = rows(connected, AdoptedSecret)
    with as_role("app"), connected.tenant.acting():
        assert Credential.objects.get(id=kept.credential_id).version == 2


def test_what_was_planted_without_a_record_is_not_adopted(connected: ConnectedWorld) -> None:
    open_as_broker(connected)
    plant(connected)

    assert refused(connected) == "not_recorded"
    assert [row.credential.version for row in _with_credentials(connected)] == [1]


def _with_credentials(world: ConnectedWorld) -> list[AdoptedSecret]:
    with as_role("broker"), world.tenant.acting():
        return list(AdoptedSecret.objects.select_related("credential"))


def test_a_record_that_no_process_of_ours_wrote_is_none(connected: ConnectedWorld) -> None:
    """The portal's role may insert events; without the record key they have no MAC."""
    planted = plant(connected)
    _copy_record(connected, planted)

    assert refused(connected) == "record_forged"


def _copy_record(world: ConnectedWorld, planted: Credential) -> None:
    """The true record of version 1 as a newer event, changed in every place that says what it is about."""
    with as_role("app"), world.tenant.acting():
        true = Event.objects.get(kind="connectors:credential:store")
        kek = intake_key(now()).id
        body = json.loads(bytes(true.body)) | {"digest": planted.digest, "version": planted.version, "kek": kek}
        event, raw = uuid7(), canonical(body)
        header = json.loads(bytes(true.header)) | {
            "id": str(event),
            "subject": {"id": str(planted.id), "kind": "credential"},
            "body_commit": hashlib.sha256(BODY_LABEL + raw).hexdigest(),
        }
        true.id, true.subject_id, true.header, true.body = event, planted.id, canonical(header), raw
        true.n += 1
        true.save(force_insert=True)


def test_the_true_record_does_not_cover_another_blob(connected: ConnectedWorld) -> None:
    """Sealed to the right key for the right place, put over what was given."""
    [given] = rows(connected, SealedSecret)
    content = json.dumps({"secret": {"client_secret": FORGED}, "bound": {}}).encode()
    place = sealing.Place(connected.tenant.id, given.credential_id, 1)
    raw = sealing.seal(content, key=intake_key(now()), place=place).to_bytes()
    administrator("UPDATE connectors_sealedsecret SET sealed = %s WHERE id = %s", raw, given.id)

    assert refused(connected) == "digest_mismatch"

    digest = sealing.digest(raw)
    administrator("UPDATE connectors_credential SET digest = %s WHERE id = %s", digest, given.credential_id)
    assert refused(connected) == "not_recorded"


def test_a_key_that_is_not_in_the_ring_opens_nothing(connected: ConnectedWorld) -> None:
    [given] = rows(connected, SealedSecret)
    ring().destroy(given.kek_id)
    try:
        assert refused(connected) == "unknown_key"
    finally:
        make_key(Purpose.INTAKE, now())


@pytest.mark.parametrize(
    "change",
    [
        "payload = set_byte(payload, 14, get_byte(payload, 14) # 1)",
        "wrapped_key = set_byte(wrapped_key, 40, get_byte(wrapped_key, 40) # 1)",
        "signature = set_byte(signature, 3, get_byte(signature, 3) # 1)",
        "signature = ''",
        "rev = rev + 1",
        "kek_id = 'x25519-another'",
        "suite = 'another'",
        "data_key_at = now()",
    ],
)
def test_a_changed_row_is_refused(connected: ConnectedWorld, change: str) -> None:
    open_as_broker(connected)
    administrator(f"UPDATE connectors_adoptedsecret SET {change} WHERE tenant_id = %s", connected.tenant.id)

    assert refused(connected) == "not_signed"


def test_a_row_of_another_version_or_credential_is_refused(connected: ConnectedWorld) -> None:
    open_as_broker(connected)
    [kept] = rows(connected, AdoptedSecret)
    administrator("UPDATE connectors_credential SET version = 7 WHERE id = %s", kept.credential_id)
    assert refused(connected) == "not_signed"

    administrator("UPDATE connectors_credential SET version = 1 WHERE id = %s", kept.credential_id)
    planted = plant(connected)
    administrator("UPDATE connectors_adoptedsecret SET credential_id = %s WHERE id = %s", planted.id, kept.id)
    assert refused(connected) == "not_signed"


def test_a_row_of_another_instance_is_refused(connected: ConnectedWorld) -> None:
    """One's own other connection, at another vendor's address: its secret does not go there."""
    open_as_broker(connected)
    with as_role("app"), connected.tenant.acting():
        other = ConnectorInstance.objects.create(connector="halopsa", slug="other", name="Other")
    administrator(
        "UPDATE connectors_credential SET instance_id = %s WHERE tenant_id = %s", other.id, connected.tenant.id
    )
    connected.instance = other

    assert refused(connected) == "not_signed"


def test_a_row_of_another_tenant_is_refused(connected: ConnectedWorld, vendor: StubVendor) -> None:
    with as_role("app"):
        mallory = connect(vendor, name="globex")
    open_as_broker(mallory)
    open_as_broker(connected)
    [theirs], [ours] = rows(mallory, AdoptedSecret), rows(connected, AdoptedSecret)
    for column in "payload", "wrapped_key", "signature":
        administrator(
            f"UPDATE connectors_adoptedsecret SET {column} = %s WHERE id = %s", bytes(getattr(ours, column)), theirs.id
        )

    assert refused(mallory) == "not_signed"


def test_the_version_before_is_not_brought_back_by_removing_the_newer(connected: ConnectedWorld) -> None:
    open_as_broker(connected)
    [old] = administrator("SELECT * FROM connectors_adoptedsecret WHERE tenant_id = %s", connected.tenant.id)
    renewed(connected)
    assert open_as_broker(connected) == "another-secret-of-acme"

    for table in "connectors_adoptedsecret", "connectors_credential":
        column = "credential_id" if table == "connectors_adoptedsecret" else "id"
        newest = "(SELECT id FROM connectors_credential WHERE tenant_id = %s ORDER BY version DESC LIMIT 1)"
        administrator(f"DELETE FROM {table} WHERE {column} = {newest}", connected.tenant.id)
    administrator(f"INSERT INTO connectors_adoptedsecret VALUES ({', '.join(['%s'] * len(old))})", *old)

    assert refused(connected) == "rolled_back"


def test_without_a_credential_there_is_nothing_to_refuse_but_that(connected: ConnectedWorld) -> None:
    with as_role("app"), connected.tenant.acting():
        connected.instance = ConnectorInstance.objects.create(connector="halopsa", slug="bare", name="Bare")

    assert refused(connected) == "unknown"


def test_either_suite_is_read_whatever_is_written(connected: ConnectedWorld, settings: Any) -> None:
    open_as_broker(connected)
    settings.SEALING_SUITE = "hybrid"
    try:
        for purpose in Purpose:
            make_key(purpose, now())
        assert open_as_broker(connected) == connected.secret
        renewed(connected, "sealed-with-the-hybrid")

        assert open_as_broker(connected) == "sealed-with-the-hybrid"

        [kept] = rows(connected, AdoptedSecret)
        assert kept.suite == HYBRID.id
    finally:
        settings.SEALING_SUITE = "x25519"
        for purpose in Purpose:
            make_key(purpose, now())
    assert open_as_broker(connected) == "sealed-with-the-hybrid"
