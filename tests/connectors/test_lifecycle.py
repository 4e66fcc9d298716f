"""The one state of a connection: every state against every action, and what the database holds whatever happens."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.utils import ProgrammingError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from connectors.catalogue import all_connectors
from connectors.contract import Risk
from connectors.lifecycle import NEXT, WORDS, Action, Listed, Reason, State, lifecycle
from connectors.models import ConnectorInstance, Credential, CustomerMapping, Pause
from connectors.pauses import resume_risky_tools
from connectors.retiring import retire_instance
from connectors.selectors import lifecycle_of, lifecycles
from connectors.services import (
    activate_instance,
    configure_instance,
    deactivate_instance,
    map_customer,
    record_health,
    request_health_check,
    unmap_customer,
)
from tenants.errors import DomainError, Invalid
from tenants.ids import uuid7
from tenants.models import Entitlement
from tests.conftest import as_role
from tests.connectors.factories import ALICE, FINE, HICCUP, REFUSED, SECRET, SETTINGS, bodies, configured, draft, kinds
from tests.factories import TenantWorld, make_tenant
from tests.tenants.furnishing import as_administrator

FORBIDDEN = REFUSED.__class__("vendor_forbidden", "x", permanent=True)
YESTERDAY = timezone.now().date() - timedelta(days=1)


def _change(**values: Any) -> None:
    ConnectorInstance.objects.update(**values)


def _active(world: TenantWorld) -> ConnectorInstance:
    return activate_instance(record_health(configured(world), FINE), by=ALICE)


def _late(world: TenantWorld) -> None:
    old = timezone.now() - timedelta(hours=1)
    _active(world)
    _change(health_ok_at=old, health_checked_at=old, check_asked_at=old - timedelta(hours=1))


def _then(first: Callable[[TenantWorld], Any], after: Callable[[TenantWorld], Any]) -> Callable[[TenantWorld], None]:
    def both(world: TenantWorld) -> None:
        first(world)
        after(world)

    return both


def _expire_entitlement(_: TenantWorld) -> None:
    Entitlement.objects.update(valid_until=timezone.now() - timedelta(seconds=1))


def _expire_credential(_: TenantWorld) -> None:
    Credential.objects.update(expires_on=YESTERDAY)


def _switch_off(world: TenantWorld) -> None:
    deactivate_instance(_active(world), by=ALICE)


def _retire(world: TenantWorld) -> None:
    retire_instance(_active(world), by=ALICE)


@dataclass(frozen=True)
class Row:
    """A state, how to come to it, and what may be done there. All else is refused with the code named, if it is."""

    state: State
    reason: Reason
    make: Callable[[TenantWorld], Any]
    allowed: str
    codes: str = ""
    lost: bool = False  # the outcome of a call is unknown


N = Reason.NONE
_OFF = "deactivate=instance_not_active resume=not_paused"
_ON = "activate=instance_not_ready resume=not_paused"
TABLE = {
    "draft": Row(
        State.DRAFT, N, draft, "configure map retire",
        f"check=instance_not_configured activate=instance_not_ready {_OFF}",
    ),
    "not entitled, draft": Row(
        State.NOT_ENTITLED, N, _then(draft, _expire_entitlement), "map retire",
        "configure=connector_not_entitled check=connector_not_entitled activate=connector_not_entitled " + _OFF,
    ),
    "not entitled, active": Row(
        State.NOT_ENTITLED, N, _then(_active, _expire_entitlement), "deactivate map retire",
        "configure=connector_not_entitled check=connector_not_entitled activate=connector_not_entitled"
        " resume=not_paused",
    ),
    "validating": Row(
        State.VALIDATING, N, configured, "configure check map retire", "activate=instance_not_ready " + _OFF,
    ),
    "validating, active": Row(
        State.VALIDATING, N,
        lambda world: configure_instance(_active(world), settings=SETTINGS, secret={}, by=ALICE),
        "configure check deactivate map retire", _ON,
    ),
    "the check did not come": Row(
        State.UNHEALTHY, Reason.STALE,
        lambda world: (configured(world), _change(check_asked_at=timezone.now() - timedelta(hours=1))),
        "configure check map retire", "activate=instance_not_ready " + _OFF,
    ),
    "failing": Row(
        State.UNHEALTHY, Reason.FAILING, lambda world: record_health(_active(world), FORBIDDEN),
        "configure check deactivate map retire", _ON,
    ),
    "never good": Row(
        State.UNHEALTHY, Reason.FAILING, lambda world: record_health(configured(world), HICCUP),
        "configure check map retire", "activate=instance_not_ready " + _OFF,
    ),
    "stale": Row(State.UNHEALTHY, Reason.STALE, _late, "configure check deactivate map retire", _ON),
    "ready": Row(
        State.READY, N, lambda world: record_health(configured(world), FINE), "configure check activate map retire",
        _OFF,
    ),
    "active": Row(
        State.ACTIVE, N, _active, "configure check deactivate map retire", "activate=instance_active resume=not_paused",
    ),
    "paused, risky tools": Row(
        State.PAUSED, Reason.RISKY_TOOLS, _active, "configure check deactivate resume map retire",
        "activate=instance_active", lost=True,
    ),
    "switched off": Row(
        State.PAUSED, Reason.DEACTIVATED, _switch_off, "configure check activate map retire", _OFF,
    ),
    "switched off for long": Row(
        State.PAUSED, Reason.DEACTIVATED,
        _then(_switch_off, lambda _: _change(health_ok_at=timezone.now() - timedelta(hours=1))),
        "configure check map retire", "activate=instance_not_ready " + _OFF,
    ),
    "switched off with a call lost": Row(
        State.PAUSED, Reason.DEACTIVATED, _switch_off, "configure check activate resume map retire",
        "deactivate=instance_not_active", lost=True,
    ),
    "the vendor refuses the credential": Row(
        State.CREDENTIAL_EXPIRED, Reason.REFUSED, lambda world: record_health(_active(world), REFUSED),
        "configure check deactivate map retire", _ON,
    ),
    "the credential's date is over": Row(
        State.CREDENTIAL_EXPIRED, Reason.DATE, _then(_active, _expire_credential),
        "configure check deactivate map retire", _ON,
    ),
    "retired": Row(
        State.RETIRED, N, _retire, "",
        " ".join(f"{action}=instance_retired" for action in Action),
    ),
}  # fmt: skip


def _map(instance: ConnectorInstance) -> None:
    map_customer(instance, customer=acting_customer(), external_id="99", by=ALICE)


def acting_customer() -> Any:
    from tenants.models import Customer  # noqa: PLC0415

    return Customer.objects.order_by("key")[0]


def _resume(instance: ConnectorInstance) -> None:
    resume_risky_tools(instance, through=Pause.objects.get(instance=instance).pk, reason="Looked.", by=ALICE)


DO: dict[Action, Callable[[ConnectorInstance], Any]] = {
    Action.CONFIGURE: lambda it: configure_instance(it, settings=SETTINGS, secret=SECRET, by=ALICE),
    Action.CHECK: lambda it: request_health_check(it, by=ALICE),
    Action.ACTIVATE: lambda it: activate_instance(it, by=ALICE),
    Action.DEACTIVATE: lambda it: deactivate_instance(it, by=ALICE),
    Action.RESUME: _resume,
    Action.MAP: _map,
    Action.RETIRE: lambda it: retire_instance(it, by=ALICE),
}


def _everything(world: TenantWorld) -> list[Any]:
    """What an action could have changed."""
    with as_administrator(), world.acting():
        rows = [
            list(model.objects.order_by("id").values())
            for model in (ConnectorInstance, Credential, CustomerMapping, Pause)
        ]
    return [*rows, kinds(world)]


def _made(row: Row) -> TenantWorld:
    world = make_tenant()
    with world.acting():
        row.make(world)
        instance = ConnectorInstance.objects.get()
    lifted_at = None if row.lost else timezone.now()
    with as_role("broker"), world.acting():
        Pause.objects.create(instance=instance, call_id=uuid7(), tool="close_ticket", lifted_at=lifted_at)
    return world


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("case", TABLE)
@pytest.mark.parametrize("action", list(Action))
def test_what_is_not_allowed_in_a_state_is_refused_with_a_code_and_changes_nothing(case: str, action: Action) -> None:
    row = TABLE[case]
    world = _made(row)
    before = _everything(world)
    allowed = action.value in row.allowed.split()
    refused = dict(pair.split("=") for pair in row.codes.split()).get(action.value)

    code = None
    try:
        with world.acting():
            DO[action](ConnectorInstance.objects.get())
    except DomainError as error:
        code = error.code

    assert code == refused
    assert allowed is (refused is None)  # the table leaves nothing open
    assert (_everything(world) == before) is not allowed


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("case", TABLE)
def test_each_state_says_what_is_next_and_what_may_be_done(case: str) -> None:
    row = TABLE[case]
    world = _made(row)

    with world.acting():
        instance, now = ConnectorInstance.objects.get(), timezone.now()
        found = lifecycle_of(instance, now)
        assert lifecycles([instance], now) == {instance.pk: found}

    assert (found.state, found.reason) == (row.state, row.reason)
    assert {action.value for action in found.actions} == set(row.allowed.split())
    assert found.word
    assert found.next


def test_the_table_has_every_state_and_reason_and_each_has_its_words() -> None:
    assert {row.state for row in TABLE.values()} == set(State) == set(WORDS)
    assert {row.reason for row in TABLE.values()} == set(Reason)
    assert {(row.state, row.reason) for row in TABLE.values()} == set(NEXT)


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_moments = st.one_of(
    st.none(), st.sampled_from([0, 1, 299, 600, 601, 3600, 10**6]).map(lambda age: NOW - timedelta(seconds=age))
)
_instances = st.builds(
    lambda **values: ConnectorInstance(tenant_id=None, **values),
    connector=st.sampled_from(["halopsa", "hudu", "gone"]),
    state=st.sampled_from([state.value for state in ConnectorInstance.State]),
    configured_at=_moments,
    check_asked_at=_moments,
    health=st.sampled_from([health.value for health in ConnectorInstance.Health]),
    health_checked_at=_moments,
    health_ok_at=_moments,
    health_code=st.sampled_from(["", "vendor_unauthorized", "vendor_fault"]),
)
_entitlements = st.one_of(
    st.none(),
    st.builds(
        lambda connector, until: Entitlement(tenant_id=None, connector=connector, included_calls=1, valid_until=until),
        st.sampled_from(["halopsa", "hudu", "gone"]),
        st.one_of(st.none(), st.sampled_from([NOW - timedelta(1), NOW, NOW + timedelta(1)])),
    ),
)
_credentials = st.one_of(
    st.none(),
    st.builds(
        lambda day: Credential(tenant_id=None, version=1, expires_on=day),
        st.sampled_from([None, date(2026, 11, 19), date(2026, 11, 20), date(2027, 1, 1)]),
    ),
)


@given(_instances, _entitlements, st.booleans(), _credentials)
def test_whatever_is_true_of_it_a_connection_has_one_state_and_tools_only_where_all_is_well(
    instance: ConnectorInstance, entitlement: Entitlement | None, paused: bool, credential: Credential | None
) -> None:
    found = lifecycle(instance, entitlement=entitlement, paused=paused, credential=credential, now=NOW)

    assert (found.state, found.reason) in NEXT
    assert found == lifecycle(instance, entitlement=entitlement, paused=paused, credential=credential, now=NOW)
    assert (found.listed is Listed.ALL) is (found.state is State.ACTIVE)
    assert (found.listed is Listed.READS) is ((found.state, found.reason) == (State.PAUSED, Reason.RISKY_TOOLS))
    if found.listed is not Listed.NONE:  # said once more, without the rules
        assert entitlement
        assert entitlement.connector == instance.connector in {entry.key for entry in all_connectors()}
        assert entitlement.valid_until is None or entitlement.valid_until > NOW
        assert instance.configured_at
        assert instance.state == "active"
        assert instance.health in {"healthy", "degraded"}
        assert instance.health_ok_at
        assert NOW - instance.health_ok_at <= timedelta(seconds=600)
        assert credential is None or credential.expires_on is None or credential.expires_on >= NOW.date()
        assert paused is (found.listed is Listed.READS)
        assert found.actions >= {Action.DEACTIVATE, Action.RETIRE}
    assert Action.ACTIVATE not in found.actions or found.state in {State.READY, State.PAUSED}
    assert bool(found.actions) is (found.state is not State.RETIRED)


def test_what_is_listed_while_risky_tools_are_paused_only_reads() -> None:
    taken = {listed: {risk for risk in Risk if listed.takes(risk)} for listed in Listed}

    assert taken == {Listed.NONE: set(), Listed.READS: {Risk.READ}, Listed.ALL: set(Risk)}


@pytest.mark.usefixtures("sent")
def test_tools_come_back_by_themselves_and_activation_never_does() -> None:
    world = make_tenant()

    def state() -> str:
        return lifecycle_of(ConnectorInstance.objects.get(), timezone.now()).state

    with world.acting():
        instance = record_health(configured(world), FINE)
        seen = [state()]
        record_health(instance, REFUSED)
        record_health(instance, FINE)
        seen.append(state())  # never activated: a good check does not do it
        activate_instance(instance, by=ALICE)
        record_health(instance, FORBIDDEN)
        seen.append(state())
        record_health(instance, FINE)
        seen.append(state())
        _expire_entitlement(world)
        seen.append(state())
        Entitlement.objects.update(valid_until=None)
        seen.append(state())  # renewed: it was activated by a person, before
        deactivate_instance(instance, by=ALICE)
        record_health(instance, FORBIDDEN)
        record_health(instance, FINE)
        seen.append(state())  # and switched off by one

    assert seen == ["ready", "ready", "unhealthy", "active", "not_entitled", "active", "paused"]


@pytest.mark.usefixtures("sent")
def test_a_renewed_entitlement_does_not_activate_what_nobody_had_activated() -> None:
    world = make_tenant()
    with world.acting():
        instance = record_health(configured(world), FINE)
        _expire_entitlement(world)
        Entitlement.objects.update(valid_until=None)
        record_health(instance, FINE)

        found = lifecycle_of(ConnectorInstance.objects.get(), timezone.now())

    assert (found.state, found.listed) == (State.READY, Listed.NONE)


@pytest.mark.usefixtures("sent")
def test_retiring_destroys_the_credential_and_keeps_the_record() -> None:
    world = make_tenant()
    with world.acting():
        instance = _active(world)
        _map(instance)
        configure_instance(instance, settings=SETTINGS, secret=SECRET, by=ALICE)
    with world.acting():
        credential = Credential.objects.get(version=1)
    _adopted(world, credential)
    before = _ciphertext(world)
    with as_role("app"), world.acting():
        retired = retire_instance(instance, by=ALICE)

    assert before == (2, 1)
    assert _ciphertext(world) == (0, 0)
    assert (retired.retired_by, retired.retired_at is not None) == (ALICE.label, True)
    [told] = bodies(world, "connectors:instance:retire")
    assert told["destroyed_credential_versions"] == [1, 2]
    with world.acting():
        assert (CustomerMapping.objects.count(), Credential.objects.count()) == (1, 2)
        with pytest.raises(DomainError) as caught:
            unmap_customer(CustomerMapping.objects.get(), by=ALICE)
    assert caught.value.code == "instance_retired"


@pytest.mark.usefixtures("sent")
def test_retiring_destroys_nothing_of_another_connection_or_tenant() -> None:
    world, other = make_tenant(), make_tenant("globex")
    for each in (world, other):
        with each.acting():
            _active(each)
    with world.acting():
        retire_instance(configured(world), by=ALICE)

    assert (_ciphertext(world), _ciphertext(other)) == ((1, 0), (1, 0))


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("role", ["app", "broker", "worker"])
@pytest.mark.parametrize("change", ["state = 'active'", "state = 'draft'", "noticed = 'x'", "health = 'healthy'"])
def test_no_role_changes_a_retired_row_whatever_the_code_says(role: str, change: str) -> None:
    world = _made(TABLE["retired"])

    with (
        as_role(role),
        pytest.raises((IntegrityError, ProgrammingError), match=r"is retired|permission denied"),
        world.acting(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"UPDATE connectors_connectorinstance SET {change}")


@pytest.mark.usefixtures("sent")
def test_a_check_that_comes_back_after_the_end_changes_nothing() -> None:
    world = make_tenant()
    with world.acting():
        instance = _active(world)
        retire_instance(instance, by=ALICE)
        assert record_health(instance, FINE).state == "retired"


@pytest.mark.usefixtures("sent")
def test_the_date_of_a_credential_is_its_last_good_day() -> None:
    world = make_tenant()
    today = timezone.now().date()
    with world.acting():
        instance = configure_instance(draft(world), settings=SETTINGS, secret=SECRET, by=ALICE, expires_on=today)
        instance = record_health(instance, FINE)
        assert lifecycle_of(instance, timezone.now()).state == "ready"
        tomorrow = timezone.now() + timedelta(days=1)
        instance.health_ok_at = tomorrow
        assert lifecycle_of(instance, tomorrow).state == "credential_expired"


@pytest.mark.usefixtures("sent")
def test_a_date_stays_with_its_credential_unless_another_is_given() -> None:
    world, day = make_tenant(), timezone.now().date() + timedelta(days=90)
    dates = []
    with world.acting():
        instance = configure_instance(draft(world), settings=SETTINGS, secret=SECRET, by=ALICE, expires_on=day)
        for terms in ({"secret": {}}, {"secret": {}, "expires_on": None}, {"secret": SECRET, "expires_on": day},
                      {"secret": SECRET}):  # fmt: skip
            configure_instance(instance, settings=SETTINGS, by=ALICE, **terms)  # type: ignore[arg-type]
            dates.append(Credential.objects.order_by("-version")[0].expires_on)
        with pytest.raises(Invalid) as caught:
            configure_instance(instance, settings=SETTINGS, secret={}, by=ALICE, expires_on=YESTERDAY)

    assert dates == [day, None, day, None]
    assert caught.value.field == "expires_on"
    assert bodies(world, "connectors:instance:configure")[0]["credential_expires_on"] == day.isoformat()


def _adopted(world: TenantWorld, credential: Credential) -> None:
    from connectors.models import AdoptedSecret  # noqa: PLC0415

    with as_administrator(), world.acting():
        AdoptedSecret.objects.create(
            credential_id=credential.pk, suite="tests", kek_id="1", payload=b"", wrapped_key=b"", rev=1, signature=b"",
            intake_kek_id="1", adopted_at=timezone.now(), data_key_at=timezone.now(),
        )  # fmt: skip


def _ciphertext(world: TenantWorld) -> tuple[int, ...]:
    """Rows as they were sealed, and as they are kept."""
    with as_administrator(), world.acting(), connection.cursor() as cursor:
        found = []
        for table in ("sealed", "adopted"):
            cursor.execute(f"SELECT count(*) FROM connectors_{table}secret WHERE tenant_id = %s", [world.id])
            found.append(int(cursor.fetchone()[0]))
    return tuple(found)
