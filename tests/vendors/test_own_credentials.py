"""A customer's own credential: used for its calls and for nobody else's, and nothing else is used in its place.

At Hudu, whose keys can be made for one company. Who plants, swaps or takes away is the administrator of the database.
"""

import pytest
from django.utils import timezone

from connectors import sealing
from connectors.errors import ExecutionError, SecretRefused
from connectors.models import AdoptedSecret, Credential, SealedSecret
from connectors.own_credentials import (
    require_own_credentials,
    store_own_credential,
)
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld, events_of
from tests.connectors.test_adoption import administrator, rows
from tests.connectors.vendor import StubVendor
from tests.vendors.owning import BIRCH, case, give, of, opened, own, trouble
from tests.vendors.test_every_tool import connected, foreign_marks, run

__all__ = ["case", "connected", "own"]
pytestmark = pytest.mark.usefixtures("broker")


def test_calls_for_a_customer_are_made_with_its_own_and_nobody_elses_with_it(
    connected: ConnectedWorld, stub: StubVendor, own: str
) -> None:
    assert run(connected, "list_assets", {"limit": 5}, customer=BIRCH).rows_returned == 5
    assert run(connected, "list_assets", {"limit": 5}, customer=0).rows_returned == 5

    assert stub.seen()["authorizations"] == {own: 1, connected.secret: 1}
    ours = [body for _, body in events_of(connected, "connectors:credential:open")]
    assert [body.get("own", False) for body in ours] == [True, False]


def test_a_key_of_one_company_sees_no_other_there(connected: ConnectedWorld, stub: StubVendor) -> None:
    """Given for the wrong customer: the vendor's own fence answers, and nothing of the key's company comes out."""
    give(connected, stub, BIRCH, 13)

    assert run(connected, "list_assets", {}, customer=BIRCH).rows == []
    for tool, arguments in (("get_company", {}), ("get_asset", {"asset_id": 13003})):
        with pytest.raises(ExecutionError) as caught:
            run(connected, tool, arguments, customer=BIRCH)
        assert caught.value.code == "not_found"
    with pytest.raises(ExecutionError) as caught:
        run(connected, "create_asset", {"name": "SRV", "asset_layout_id": 3}, customer=BIRCH)
    assert caught.value.code == "vendor_forbidden"


def test_where_the_vendors_fence_is_broken_our_own_check_holds_and_counts(
    connected: ConnectedWorld, stub: StubVendor, own: str
) -> None:
    """A key of one company that sees everything."""
    stub.behave("ignore_filter")

    result = run(connected, "list_assets", {"limit": 5}, customer=BIRCH)

    assert stub.seen()["authorizations"].keys() == {own}
    assert {row["company_id"] for row in result.rows} == {12}
    assert result.rows_foreign > 0
    assert foreign_marks(result.structured, 12) == []


def test_a_refused_key_is_not_replaced_by_that_of_the_connection(connected: ConnectedWorld, stub: StubVendor) -> None:
    with as_role("app"), connected.tenant.acting():
        store_own_credential(connected.mappings[BIRCH], secret={"api_key": "a-key-not-known-there"}, by=ALICE)

    with pytest.raises(ExecutionError) as caught:
        run(connected, "list_assets", {}, customer=BIRCH)

    assert caught.value.code == "vendor_unauthorized"
    assert stub.seen()["authorizations"] == {"a-key-not-known-there": 1}


def test_where_only_their_own_count_nobody_without_one_is_asked_for(
    connected: ConnectedWorld, stub: StubVendor, own: str
) -> None:
    with as_role("app"), connected.tenant.acting():
        connected.instance = require_own_credentials(connected.instance, only=True, by=ALICE)

    assert run(connected, "list_assets", {"limit": 1}, customer=BIRCH).rows_returned == 1
    with pytest.raises(SecretRefused):
        run(connected, "list_assets", {"limit": 1}, customer=0)
    assert stub.seen()["authorizations"] == {own: 1}
    assert [body["refused"] for _, body in events_of(connected, "connectors:credential:refuse")] == [
        "no_own_credential"
    ]
    [(_, told)] = events_of(connected, "connectors:instance:narrow")
    assert told["own_credentials_only"] is True


# Rows that somebody moved -----------------------------------------------------------------------------------------


def move(world: ConnectedWorld, credential: Credential, customer: int | None) -> None:
    whose = None if customer is None else world.tenant.customers[customer].pk
    # What is of the place moves away, so that this is the only one there.
    administrator("DELETE FROM connectors_credential WHERE tenant_id = %s AND id <> %s", world.tenant.id, credential.pk)
    administrator("UPDATE connectors_credential SET customer_id = %s WHERE id = %s", whose, credential.pk)


@pytest.mark.parametrize(("whose", "to"), [(BIRCH, 2), (BIRCH, None), (None, BIRCH)])
@pytest.mark.parametrize("adopted", [True, False])
def test_one_that_is_moved_to_another_does_not_open(
    connected: ConnectedWorld, stub: StubVendor, own: str, whose: int | None, to: int | None, *, adopted: bool
) -> None:
    """From customer to customer, from a customer to everybody, from everybody to a customer."""
    if adopted:
        opened(connected, BIRCH), opened(connected, 0)
    move(connected, of(connected, whose), to)

    found = trouble(connected, 0 if to is None else to)

    assert found == ("not_signed" if adopted else "not_recorded")


@pytest.mark.parametrize("columns", ["payload", "wrapped_key", "signature", "payload wrapped_key signature"])
def test_two_that_are_swapped_between_customers_do_not_open(
    connected: ConnectedWorld, stub: StubVendor, own: str, columns: str
) -> None:
    give(connected, stub, 2)
    opened(connected, BIRCH), opened(connected, 2)
    one, other = of(connected, BIRCH).pk, of(connected, 2).pk
    kept = {row.credential_id: row for row in rows(connected, AdoptedSecret)}
    for mine, theirs in ((one, other), (other, one)):
        for column in columns.split():
            administrator(
                f"UPDATE connectors_adoptedsecret SET {column} = %s WHERE credential_id = %s",
                bytes(getattr(kept[theirs], column)), mine,
            )  # fmt: skip

    assert [trouble(connected, BIRCH), trouble(connected, 2)] == ["not_signed"] * 2


def test_the_customer_is_bound_by_the_encryption_too(connected: ConnectedWorld) -> None:
    """Not by the signature alone: the same place for another customer, with the very keys of the broker."""
    from connectors.keyring import Purpose as KeyPurpose  # noqa: PLC0415
    from connectors.keyring import ring  # noqa: PLC0415
    from connectors.registry import intake_key  # noqa: PLC0415

    key = intake_key(timezone.now())
    mine, theirs = (
        sealing.Place(connected.tenant.id, connected.instance.pk, 1, connected.tenant.customers[n].pk) for n in (1, 2)
    )
    nobodys = sealing.Place(connected.tenant.id, connected.instance.pk, 1)
    sealed = sealing.seal(b"secret", key=key, place=mine)
    private = ring().key(key.id, KeyPurpose.INTAKE)

    assert sealing.unseal(sealed, key=private, place=mine) == b"secret"
    for other in theirs, nobodys:
        with pytest.raises(sealing.SealBroken):
            sealing.unseal(sealed, key=private, place=other)


def test_what_was_planted_for_a_customer_is_not_adopted(connected: ConnectedWorld, stub: StubVendor) -> None:
    """Sealed with the portal's role, past its service: neither used, nor passed over for the connection's."""
    give(connected, stub, 2)
    [theirs] = [row for row in rows(connected, SealedSecret) if row.credential_id == of(connected, 2).pk]
    with as_role("app"), connected.tenant.acting():
        planted = Credential.objects.create(
            instance=connected.instance, customer=connected.tenant.customers[BIRCH], version=1,
            digest=sealing.digest(bytes(theirs.sealed)), created_by="x",
        )  # fmt: skip
        SealedSecret.objects.create(
            credential=planted, suite=theirs.suite, kek_id=theirs.kek_id, sealed=bytes(theirs.sealed)
        )

    assert trouble(connected, BIRCH) == "not_recorded"


def test_the_version_before_is_not_brought_back(connected: ConnectedWorld, stub: StubVendor, own: str) -> None:
    opened(connected)
    old = administrator("SELECT a.* FROM connectors_adoptedsecret a WHERE credential_id = %s", of(connected, BIRCH).pk)[
        0
    ]
    newer = give(connected, stub, BIRCH)
    assert opened(connected) == newer

    newest = of(connected, BIRCH).pk
    administrator("DELETE FROM connectors_adoptedsecret WHERE credential_id = %s", newest)
    administrator("DELETE FROM connectors_credential WHERE id = %s", newest)
    administrator(f"INSERT INTO connectors_adoptedsecret VALUES ({', '.join(['%s'] * len(old))})", *old)

    assert trouble(connected) == "rolled_back"


def test_one_that_is_taken_away_is_not_replaced_by_that_of_the_connection(
    connected: ConnectedWorld, stub: StubVendor, own: str
) -> None:
    """The log knows of it, and of no person who has removed it."""
    opened(connected)
    administrator("DELETE FROM connectors_owncredential WHERE tenant_id = %s", connected.tenant.id)
    administrator(
        "DELETE FROM connectors_credential WHERE customer_id IS NOT NULL AND tenant_id = %s", connected.tenant.id
    )

    assert trouble(connected) == "rolled_back"


def test_a_record_of_another_customer_does_not_cover_it(connected: ConnectedWorld, stub: StubVendor, own: str) -> None:
    """The column that it is found by says so, and the record itself does not."""
    administrator(
        "UPDATE audit_event SET customer_id = %s WHERE kind = 'connectors:credential:store' AND customer_id = %s",
        connected.tenant.customers[2].pk, connected.tenant.customers[BIRCH].pk,
    )  # fmt: skip
    move(connected, of(connected, BIRCH), 2)

    assert trouble(connected, 2) == "record_forged"
