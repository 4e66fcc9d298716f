"""Opening a credential: by the broker, for one purpose, on the record, or not at all."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from audit.actors import Actor, ActorKind, CallRef
from audit.models import Event
from connectors import sealing
from connectors.broker import Purpose, open_secret
from connectors.errors import SecretRefused
from connectors.models import ConnectorInstance, Credential, SealedSecret
from connectors.selectors import sealed_secret
from connectors.services import configure_instance
from tenants.errors import Unavailable
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import signed_transaction
from tests.conftest import as_owner, as_role
from tests.connectors.factories import ALICE, ConnectedWorld, connect
from tests.connectors.vendor import StubVendor

AGENT = Actor(ActorKind.AGENT, uuid4(), "agent of alice", request_id="r-1")


def purpose(world: ConnectedWorld, call: UUID | None = None) -> Purpose:
    return Purpose(
        AGENT, "halopsa.list_tickets", CallRef(call, world.instance.id, "list_tickets"), world.tenant.customers[0].id
    )


def opened(world: ConnectedWorld, **scope: Any) -> str:
    with acting_for(Context(world.tenant.id, **scope)), open_secret(world.instance, purpose(world)) as found:
        return found.secrets["client_secret"].reveal_text()


def events(world: ConnectedWorld, kind: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    with as_role("app"), world.tenant.acting():
        for event in Event.objects.filter(kind=kind).order_by("id"):
            yield json.loads(bytes(event.header)), json.loads(bytes(event.body or b"{}"))


@pytest.mark.usefixtures("broker")
def test_the_broker_opens_it_and_says_who_did_what_when_and_to_which(connected: ConnectedWorld) -> None:
    call = uuid4()
    with acting_for(Context(connected.tenant.id)), open_secret(connected.instance, purpose(connected, call)) as found:
        assert found.secrets["client_secret"].reveal_text() == connected.secret

    [(header, body)] = events(connected, "connectors:credential:open")
    assert header["actor"] == {"id": str(AGENT.id), "kind": "agent"}
    assert header["subject"] == {"id": str(found.credential_ref), "kind": "credential"}
    assert header["customer"] == str(connected.tenant.customers[0].id)
    assert (header["result"], header["request_id"]) == ("ok", "r-1")
    assert header["occurred_at"]
    assert header["call"] == {"id": str(call), "instance": str(connected.instance.id), "tool": "list_tickets"}
    assert (body["action"], body["version"]) == ("halopsa.list_tickets", 1)
    assert connected.secret not in json.dumps([header, body])


@pytest.mark.usefixtures("broker")
def test_a_context_of_one_customer_is_enough(connected: ConnectedWorld) -> None:
    assert opened(connected, customers=(connected.tenant.customers[0].id,)) == connected.secret


def test_no_other_process_opens_it(connected: ConnectedWorld, settings: Any) -> None:
    for process in ("portal", "gateway", "worker", "command"):
        settings.MSPLEX_PROCESS = process
        with pytest.raises(Unavailable):
            opened(connected)


@pytest.mark.usefixtures("broker")
def test_the_broker_needs_its_key(connected: ConnectedWorld, settings: Any) -> None:
    settings.INTAKE_PRIVATE_KEY = b""

    with pytest.raises(Unavailable):
        opened(connected)


@pytest.mark.usefixtures("broker")
def test_it_is_not_opened_when_that_cannot_be_recorded(
    connected: ConnectedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.errors import AuditUnavailable  # noqa: PLC0415

    monkeypatch.setattr("connectors.broker.unseal", lambda *_a, **_k: pytest.fail("it was opened"))

    revoke, grant = "REVOKE INSERT ON audit_event FROM msplex_broker", "GRANT INSERT ON audit_event TO msplex_broker"
    with as_owner(revoke, grant), as_role("broker"), pytest.raises(AuditUnavailable):
        opened(connected)


@pytest.mark.usefixtures("broker")
def test_another_tenants_instance_is_refused_with_an_alert(connected: ConnectedWorld, vendor: StubVendor) -> None:
    with as_role("app"):
        mallory = connect(vendor, name="globex")
    mallory.instance = connected.instance

    with pytest.raises(SecretRefused):
        opened(mallory)

    assert [body["refused"] for _, body in events(mallory, "connectors:credential:refuse")] == ["unknown"]


def forge(world: ConnectedWorld, **changes: Any) -> None:
    """What somebody with the portal's database role could do: add a newer version of their own making."""
    with as_role("app"), world.tenant.acting():
        reference = uuid7()
        place = sealing.Place(world.tenant.id, reference, 2, changes.get("kek_id", _kek()))
        content = {"secret": {"client_secret": "forged-forged"}, "bound": changes.get("bound", {})}
        place = changes.get("place", place)
        sealed = sealing.seal(json.dumps(content).encode(), public_key=changes.get("key", _public()), place=place)
        raw = sealed.to_bytes()
        credential = Credential.objects.create(
            id=reference,
            instance=world.instance,
            version=2,
            digest=changes.get("digest", sealing.digest(raw)),
            created_by="x",
        )
        SealedSecret.objects.create(
            credential=credential, suite=sealing.SUITE_ID, kek_id=changes.get("kek_id", _kek()), sealed=raw
        )


def _public() -> bytes:
    from django.conf import settings  # noqa: PLC0415

    return settings.INTAKE_PUBLIC_KEY


def _kek() -> str:
    return sealing.key_id(_public())


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"digest": "0" * 64}, "digest_mismatch"),
        ({"kek_id": "x25519-unknown"}, "unknown_key"),
        ({"place": sealing.Place(UUID(int=1), UUID(int=2), 2, "x")}, "seal_broken"),
        ({"bound": {"base_url": "https://elsewhere.example"}}, "settings_changed"),
    ],
)
def test_what_was_tampered_with_is_refused_with_an_alert(
    connected: ConnectedWorld, changes: dict[str, Any], trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    forge(connected, **changes)

    with pytest.raises(SecretRefused) as caught:
        opened(connected)

    assert str(caught.value) == "The stored credential could not be opened for this call."
    [(header, body)] = events(connected, "connectors:credential:refuse")
    assert (header["result"], body["refused"], body["alert"]) == ("refused", trouble, True)
    assert "alert" in caplog.text


@pytest.mark.usefixtures("broker")
def test_a_changed_address_does_not_get_the_secret(connected: ConnectedWorld) -> None:
    """Written past the service, as by SQL injected into the portal."""
    with as_role("app"), connected.tenant.acting():
        moved = connected.instance.settings | {"base_url": "https://evil.example"}
        ConnectorInstance.objects.filter(id=connected.instance.id).update(settings=moved)
        connected.instance.refresh_from_db()

    with pytest.raises(SecretRefused):
        opened(connected)


@pytest.mark.usefixtures("broker")
def test_the_newest_version_is_the_one_in_use(connected: ConnectedWorld) -> None:
    with as_role("app"), connected.tenant.acting():
        fresh = {"client_secret": "another-secret-of-acme"}
        connected.instance = configure_instance(
            connected.instance, settings=connected.instance.settings, secret=fresh, by=ALICE
        )

    assert opened(connected) == "another-secret-of-acme"


@pytest.mark.usefixtures("broker")
def test_it_is_not_opened_inside_a_transaction(connected: ConnectedWorld) -> None:
    with acting_for(Context(connected.tenant.id)), transaction.atomic(), pytest.raises(RuntimeError):
        open_secret(connected.instance, purpose(connected)).__enter__()


def test_nothing_at_rest_holds_the_secret(connected: ConnectedWorld) -> None:
    """Every table of the tenant, read by the owner of the server, has it in no spelling that needs no key."""
    secret = connected.secret.encode()
    spellings = [secret, base64.b64encode(secret)[:-4], secret.hex().encode()]
    with as_role("broker"), acting_for(Context(connected.tenant.id)), signed_transaction() as db:
        stored = sealed_secret(db, connected.instance)
        assert stored is not None
        assert not any(spelling in bytes(stored.sealed) for spelling in spellings)
    with connected.tenant.acting(), connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'content'")
        for (table,) in cursor.fetchall():
            if table != "connectors_sealedsecret":
                cursor.execute(
                    f'SELECT count(*) FROM "{table}" t WHERE position(%s IN t::text) > 0', [connected.secret]
                )
                assert cursor.fetchone() == (0,), table
