"""A customer's own credential: used for its calls and for nobody else's, and nothing else is used in its place.

At Hudu, whose keys can be made for one company. Who plants, swaps or takes away is the administrator of the database.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.actors import CallRef
from connectors import sealing
from connectors.adoption import adopt
from connectors.broker import Own, Purpose, open_secret
from connectors.custody import credentials, key_state, standing
from connectors.errors import ExecutionError, SecretRefused
from connectors.health import Checkup, examine
from connectors.models import AdoptedSecret, Credential, CustomerMapping, OwnCredential, SealedSecret
from connectors.own_credentials import (
    enqueue_due_own_checks,
    record_own_health,
    remove_own_credential,
    request_own_check,
    require_own_credentials,
    store_own_credential,
)
from connectors.own_state import CHECK_EVERY, FRESH, OwnState
from connectors.rekeying import move_rows
from connectors.retiring import retire_instance
from connectors.selectors import own_credentials
from connectors.services import configure_instance, map_customer, unmap_customer
from connectors.upkeep import start_rekey
from tenants.errors import DomainError
from tenants.isolation.context import Context, acting_for
from tests.conftest import as_role
from tests.connectors.factories import ALICE, ConnectedWorld, events_of
from tests.connectors.test_adoption import administrator, rows
from tests.connectors.vendor import StubVendor
from tests.vendors import halopsa
from tests.vendors.case import Case, connected_to
from tests.vendors.hudu import CASE
from tests.vendors.test_every_tool import connected, foreign_marks, run

__all__ = ["connected"]
pytestmark = pytest.mark.usefixtures("broker")
BIRCH = 1  # the customer that is the stub's client 12
FINE, GONE = Checkup("", "Fine."), Checkup("vendor_unauthorized", "x", permanent=True)


@pytest.fixture
def case() -> Case:
    return CASE


@pytest.fixture
def own(connected: ConnectedWorld, stub: StubVendor) -> str:
    """Birch's own key, which sees Birch alone; checked."""
    return give(connected, stub, BIRCH)


def give(world: ConnectedWorld, stub: StubVendor, customer: int, *clients: int, checked: bool = True) -> str:
    _, secret = stub.account(*(clients or (11 + customer,)))
    with as_role("app"), world.tenant.acting():
        store_own_credential(world.mappings[customer], secret={"api_key": secret}, by=ALICE)
        if checked:
            record_own_health(row_of(world, customer), FINE)
    return secret


def row_of(world: ConnectedWorld, customer: int = BIRCH) -> OwnCredential:
    return OwnCredential.objects.select_related("instance", "mapping").get(customer=world.tenant.customers[customer])


def opened(world: ConnectedWorld, customer: int = BIRCH, *, required: bool = False) -> str:
    mapping = world.mappings[customer]
    purpose = Purpose(ALICE, "tests", CallRef(None, world.instance.id), mapping.customer_id)
    own = Own(mapping.customer_id, mapping.external_id, required)
    with acting_for(Context(world.tenant.id)), open_secret(world.instance, purpose, own) as found:
        return found.secrets["api_key"].reveal_text()


def trouble(world: ConnectedWorld, customer: int = BIRCH) -> str:
    """Refused it is, and the alert says why. Nothing else was opened for it."""
    before = [len(events_of(world, f"connectors:credential:{what}")) for what in ("refuse", "open")]
    with pytest.raises(SecretRefused):
        opened(world, customer)
    after = [events_of(world, f"connectors:credential:{what}") for what in ("refuse", "open")]
    alerts = after[0][before[0] :]
    assert [body["alert"] for _, body in alerts] == [True]
    refused = str(alerts[0][1]["refused"])
    # What is only found by decrypting was put on the record as opened before; the secret of another never is.
    assert len(after[1]) - before[1] == int(
        refused in {"seal_broken", "unknown_key", "mapping_changed", "settings_changed"}
    )
    return refused


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


def of(world: ConnectedWorld, customer: int | None) -> Credential:
    whose = None if customer is None else world.tenant.customers[customer].pk
    with as_role("app"), world.tenant.acting():
        return Credential.objects.filter(customer=whose).order_by("-version")[0]


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


# Its end ----------------------------------------------------------------------------------------------------------


def kept_of(world: ConnectedWorld, customer: int = BIRCH) -> list[Any]:
    """Ciphertext of the customer, sealed or adopted."""
    with as_role("broker"), world.tenant.acting():
        of_it = {"credential__customer": world.tenant.customers[customer]}
        return [*SealedSecret.objects.filter(**of_it), *AdoptedSecret.objects.filter(**of_it)]


def _remove(world: ConnectedWorld) -> None:
    remove_own_credential(world.mappings[BIRCH], by=ALICE)


def _unmap(world: ConnectedWorld) -> None:
    unmap_customer(world.mappings[BIRCH], by=ALICE)


def _map_elsewhere(world: ConnectedWorld) -> None:
    map_customer(world.instance, customer=world.tenant.customers[BIRCH], external_id="77", by=ALICE)


def _retire(world: ConnectedWorld) -> None:
    retire_instance(world.instance, by=ALICE)


@pytest.mark.parametrize("end", [_remove, _unmap, _map_elsewhere, _retire])
@pytest.mark.parametrize("adopted", [True, False])
def test_its_end_destroys_what_is_sealed_of_this_customer_alone(
    connected: ConnectedWorld, stub: StubVendor, own: str, end: Callable[[ConnectedWorld], None], *, adopted: bool
) -> None:
    give(connected, stub, 2)
    if adopted:
        opened(connected), opened(connected, 2)
    assert len(kept_of(connected)) == 1

    with as_role("app"), connected.tenant.acting():
        end(connected)
        assert not OwnCredential.objects.filter(customer=connected.tenant.customers[BIRCH]).exists()
        assert Credential.objects.filter(customer=connected.tenant.customers[BIRCH]).count() == 1  # who stored it stays

    assert kept_of(connected) == []
    retired = end is _retire
    assert (len(kept_of(connected, 2)), len(rows(connected, OwnCredential))) == ((0, 0) if retired else (1, 1))
    assert len(events_of(connected, "connectors:credential:remove")) == (0 if retired else 1)


def test_what_a_statement_alone_does_destroys_it_too(connected: ConnectedWorld, own: str) -> None:
    """The database does it, whatever the service forgets. The log knows nothing of it, so nothing else is used."""
    with as_role("app"), connected.tenant.acting():
        CustomerMapping.objects.filter(pk=connected.mappings[BIRCH].pk).delete()
        again = map_customer(connected.instance, customer=connected.tenant.customers[BIRCH], external_id="12", by=ALICE)
    connected.mappings[BIRCH] = again

    assert kept_of(connected) == []
    assert trouble(connected) in {"not_adopted", "unknown", "rolled_back"}


def test_another_client_for_the_mapping_by_a_statement_alone_destroys_it_too(
    connected: ConnectedWorld, own: str
) -> None:
    with as_role("app"), connected.tenant.acting():
        CustomerMapping.objects.filter(pk=connected.mappings[BIRCH].pk).update(external_id="99")

    assert kept_of(connected) == []
    assert not [
        each for each in rows(connected, OwnCredential) if each.customer_id == connected.tenant.customers[BIRCH].id
    ]


def test_after_its_removal_the_connections_is_used_and_a_new_one_counts_on(
    connected: ConnectedWorld, stub: StubVendor, own: str
) -> None:
    opened(connected)
    with as_role("app"), connected.tenant.acting():
        _remove(connected)

    assert opened(connected) == connected.secret

    newer = give(connected, stub, BIRCH)
    assert (opened(connected), of(connected, BIRCH).version) == (newer, 2)


def test_one_that_is_removed_while_it_is_taken_over_leaves_nothing_behind(
    connected: ConnectedWorld, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker has read it and looked at the record; then a person removes it."""

    def removed_meanwhile(_events: object) -> None:
        with as_role("app"), connected.tenant.acting():
            _remove(connected)

    monkeypatch.setattr("connectors.adoption.await_seal", removed_meanwhile)

    with acting_for(Context(connected.tenant.id)):
        assert adopt(connected.instance, connected.tenant.customers[BIRCH].pk) == "removed"

    assert kept_of(connected) == []


def test_a_removed_one_is_not_put_back(connected: ConnectedWorld, own: str) -> None:
    opened(connected)
    old = administrator("SELECT * FROM connectors_adoptedsecret WHERE credential_id = %s", of(connected, BIRCH).pk)[0]
    with as_role("app"), connected.tenant.acting():
        _remove(connected)
    administrator(f"INSERT INTO connectors_adoptedsecret VALUES ({', '.join(['%s'] * len(old))})", *old)

    assert opened(connected) == connected.secret


def test_a_key_for_one_client_is_not_used_when_the_mapping_names_another(
    connected: ConnectedWorld, stub: StubVendor, own: str
) -> None:
    """Without the trigger, that is: what was sealed says for whom it is."""
    opened(connected)
    connected.mappings[BIRCH].external_id = "13"

    assert trouble(connected) == "mapping_changed"


def test_another_address_does_not_get_it(connected: ConnectedWorld, stub: StubVendor, own: str) -> None:
    opened(connected)
    with as_role("app"), connected.tenant.acting():
        connected.instance = configure_instance(
            connected.instance,
            settings={"base_url": "https://other.huducloud.com"},
            secret={"api_key": "x" * 20},
            by=ALICE,
        )
        assert row_of(connected).health == "unknown"

    assert trouble(connected) == "settings_changed"


# Storing ----------------------------------------------------------------------------------------------------------


def test_it_is_stored_once_on_the_record_of_its_customer(connected: ConnectedWorld, own: str) -> None:
    *_, (header, body) = events_of(connected, "connectors:credential:store")
    birch = connected.tenant.customers[BIRCH]

    assert (header["customer"], body["version"]) == (str(birch.pk), 1)
    assert own not in json.dumps([header, body])
    assert bytes(next(iter(kept_of(connected))).sealed).find(own.encode()) == -1


@pytest.mark.parametrize(
    ("secret", "code"),
    [
        ({}, "secret_required"),
        ({"api_key": ""}, "secret_required"),
        ({"base_url": "https://x.example"}, "secret_required"),
    ],
)
def test_without_a_secret_nothing_is_stored(connected: ConnectedWorld, secret: dict[str, str], code: str) -> None:
    with as_role("app"), connected.tenant.acting():
        with pytest.raises(DomainError) as caught:
            store_own_credential(connected.mappings[BIRCH], secret=secret, by=ALICE)
        assert not OwnCredential.objects.exists()

    assert caught.value.code == code


def test_a_vendor_without_fences_takes_none(stubs: Callable[[str], str]) -> None:
    with as_role("app"):
        world = connected_to(halopsa.CASE, StubVendor(stubs(halopsa.CASE.module)))
        with world.tenant.acting():
            for refused in (
                lambda: store_own_credential(world.mappings[0], secret={"client_secret": "x" * 20}, by=ALICE),
                lambda: require_own_credentials(world.instance, only=True, by=ALICE),
            ):
                with pytest.raises(DomainError) as caught:
                    refused()
                assert caught.value.code == "no_own_credentials"


@pytest.mark.parametrize("do", [remove_own_credential, request_own_check])
def test_what_is_not_there_is_neither_removed_nor_checked(connected: ConnectedWorld, do: Callable[..., None]) -> None:
    with as_role("app"), connected.tenant.acting(), pytest.raises(DomainError) as caught:
        do(connected.mappings[BIRCH], by=ALICE)

    assert caught.value.code == "no_own_credential"


# Keys -------------------------------------------------------------------------------------------------------------


def test_a_rekeying_moves_it_and_an_emergency_lists_it(connected: ConnectedWorld, own: str) -> None:
    from connectors.registry import Mode, Order  # noqa: PLC0415

    opened(connected), opened(connected, 0)
    now = timezone.now()
    start_rekey(Order(Mode.REWRAP, "leaked", "tests", deadline=now + timedelta(days=3)), now)
    with acting_for(Context(connected.tenant.id)):
        assert move_rows(until=float("inf"), rest=0)

    assert opened(connected) == own
    with as_role("app"), connected.tenant.acting():
        keys = key_state()
        listed = {each.customer_id: standing(each, keys, now) for each in credentials()}
    assert listed.keys() == {None, connected.tenant.customers[BIRCH].pk}
    assert [each.change_by for each in listed.values()] == [keys.emergency.deadline] * 2 if keys.emergency else False


def test_the_first_to_be_adopted_leaves_what_others_have_sealed(
    connected: ConnectedWorld, stub: StubVendor, own: str
) -> None:
    third = give(connected, stub, 2)

    with acting_for(Context(connected.tenant.id)):
        assert adopt(connected.instance) == ""

    assert (opened(connected), opened(connected, 2)) == (own, third)


# Health -----------------------------------------------------------------------------------------------------------


def state(world: ConnectedWorld, customer: int = BIRCH, *, later: timedelta = timedelta()) -> OwnState:
    with as_role("app"), world.tenant.acting():
        kept = own_credentials()[world.instance.pk, world.tenant.customers[customer].pk]
        return kept.state(timezone.now() + later)


def test_it_is_not_used_before_a_check_has_gone_well(connected: ConnectedWorld, stub: StubVendor) -> None:
    give(connected, stub, BIRCH, checked=False)
    assert state(connected) is OwnState.CHECKING

    with as_role("app"), connected.tenant.acting():
        own = row_of(connected)
    with acting_for(Context(connected.tenant.id)):
        seen = examine(own.instance, own.mapping)
        record_own_health(own, seen)

    assert (seen.code, state(connected)) == ("", OwnState.IN_ORDER)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([GONE], OwnState.REFUSED),
        ([Checkup("vendor_fault", "x")], OwnState.IN_ORDER),  # a hiccup, while the last good check is fresh
        ([Checkup("vendor_fault", "x")] * 3, OwnState.FAILING),
        ([GONE, FINE], OwnState.IN_ORDER),
    ],
)
def test_what_the_checks_say_is_its_state(
    connected: ConnectedWorld, own: str, seen: list[Checkup], expected: OwnState
) -> None:
    for each in seen:
        with as_role("app"), connected.tenant.acting():
            record_own_health(row_of(connected), each)

    assert state(connected) is expected


def test_too_old_a_check_and_a_day_that_is_over_are_no_good(connected: ConnectedWorld, own: str) -> None:
    assert state(connected, later=FRESH - timedelta(minutes=1)) is OwnState.IN_ORDER
    assert state(connected, later=FRESH + timedelta(minutes=1)) is OwnState.STALE
    with as_role("app"), connected.tenant.acting():
        Credential.objects.filter(customer__isnull=False).update(expires_on=timezone.now().date())
    assert state(connected) is OwnState.IN_ORDER
    assert state(connected, later=timedelta(days=1)) is OwnState.EXPIRED


def test_a_check_of_what_was_replaced_meanwhile_says_nothing(
    connected: ConnectedWorld, stub: StubVendor, own: str
) -> None:
    with as_role("app"), connected.tenant.acting():
        before = row_of(connected)
    give(connected, stub, BIRCH, checked=False)

    with as_role("app"), connected.tenant.acting():
        assert record_own_health(before, FINE) is None
        assert row_of(connected).health == "unknown"


def test_checks_are_spread_and_come_by_schedule(
    connected: ConnectedWorld, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr("connectors.own_credentials.check_own_credential.delay", sent.append)

    def due(later: timedelta) -> int:
        sent.clear()
        with as_role("worker"), acting_for(Context(connected.tenant.id)):
            assert enqueue_due_own_checks(timezone.now() + later) == len(sent)
        return len(sent)

    assert [due(later) for later in (timedelta(), CHECK_EVERY * 0.9, CHECK_EVERY * 1.25)] == [0, 0, 1]
    with as_role("app"), connected.tenant.acting():
        record_own_health(row_of(connected), GONE)
    assert due(timedelta(minutes=7)) == 1  # sooner, after a failure
    with as_role("app"), connected.tenant.acting():
        type(connected.instance).objects.update(state="inactive")
    assert due(CHECK_EVERY * 2) == 0
