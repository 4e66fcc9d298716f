"""Nobody manages who holds more, also where the database hides what they hold; nobody raises themselves."""

from collections.abc import Callable

import pytest
from django.db import DatabaseError, transaction

from audit.selectors import events
from identity.errors import GrantsMoreThanHeld, HoldsMore, OwnAccount, PermissionMissing
from identity.models import Principal, RecoveryCode, RoleBinding, Session, TotpDevice, User
from identity.principals import Grant
from identity.roles import Role
from identity.selectors import acting_principal
from identity.services import (
    bind_role,
    create_member,
    create_service_account,
    disable_principal,
    enable_principal,
    reset_factors,
    sign_out,
    unbind_role,
)
from tenants.errors import NotAllowed, NotFound
from tenants.isolation.context import Context, acting_for
from tenants.models import Customer
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import PASSWORD, SETUP, Machine, Person, acting_as, make_machine, make_member, make_person

Manage = Callable[[Person, Person], object]


def _binding(person: Person, role: Role) -> RoleBinding:
    with person.world.acting():
        return RoleBinding.objects.get(principal_id=person.id, role=role.value)


def _grants(person: Person) -> set[Grant]:
    with person.world.acting():
        return set(acting_principal(person.id).grants)


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant("acme")


@pytest.fixture
def mine(acme: TenantWorld) -> Customer:
    return acme.customers[0]


@pytest.fixture
def carol(acme: TenantWorld, mine: Customer) -> Person:
    """Manages the people of `mine`."""
    return make_member(acme, Role.CUSTOMER_MANAGER, name="carol", customer=mine)


@pytest.fixture
def dave(acme: TenantWorld, mine: Customer) -> Person:
    """Belongs to `mine`, as carol sees it."""
    return make_member(acme, Role.CUSTOMER_VIEWER, name="dave", customer=mine)


@pytest.fixture(params=["tenant-wide", "another customer"])
def strong_dave(request: pytest.FixtureRequest, acme: TenantWorld, dave: Person) -> Person:
    """Holds something that a context narrowed to `mine` does not show."""
    role, customer = {"tenant-wide": (Role.ADMIN, None), "another customer": (Role.VIEWER, acme.customers[1])}[
        request.param
    ]
    with acme.acting():
        bind_role(dave.user.principal, role=role, customer=customer, by=SETUP)
    return dave


MANAGING: dict[str, Manage] = {
    "disable": lambda dave, carol: disable_principal(dave.id, by=carol.actor),
    "enable": lambda dave, carol: enable_principal(dave.id, by=carol.actor),
    "reset": lambda dave, carol: reset_factors(dave.user, by=carol.actor),
}


@pytest.mark.parametrize("action", MANAGING)
def test_manager_does_not_manage_who_holds_more_out_of_sight(strong_dave: Person, carol: Person, action: str) -> None:
    if action == "enable":
        with carol.world.acting():
            disable_principal(strong_dave.id, by=SETUP)

    with acting_as(carol), pytest.raises(HoldsMore) as refused:
        MANAGING[action](strong_dave, carol)

    assert "admin" not in refused.value.message.split(".")[0].lower()
    with carol.world.acting():
        assert Principal.objects.get(id=strong_dave.id).is_disabled == (action == "enable")
        assert TotpDevice.objects.filter(user_id=strong_dave.id).exists()


@pytest.mark.parametrize("action", MANAGING)
def test_manager_manages_who_holds_no_more(dave: Person, carol: Person, action: str) -> None:
    if action == "enable":
        with carol.world.acting():
            disable_principal(dave.id, by=SETUP)

    with acting_as(carol):
        MANAGING[action](dave, carol)

    with carol.world.acting():
        assert Principal.objects.get(id=dave.id).is_disabled == (action == "disable")


def test_manager_gives_and_takes_away_no_more_than_held(strong_dave: Person, carol: Person, mine: Customer) -> None:
    before = _grants(strong_dave)
    with carol.world.acting():
        operator = bind_role(strong_dave.user.principal, role=Role.OPERATOR, customer=mine, by=SETUP)

    with acting_as(carol):
        with pytest.raises(PermissionMissing):
            bind_role(strong_dave.user.principal, role=Role.VIEWER, by=carol.actor)
        with pytest.raises(GrantsMoreThanHeld):
            unbind_role(operator, by=carol.actor)
        bind_role(strong_dave.user.principal, role=Role.CUSTOMER_MANAGER, customer=mine, by=carol.actor)

    assert _grants(strong_dave) == before | {Grant(Role.OPERATOR, mine.id), Grant(Role.CUSTOMER_MANAGER, mine.id)}


def test_manager_takes_away_nothing_out_of_sight(acme: TenantWorld, dave: Person, carol: Person) -> None:
    with acme.acting():
        wide = bind_role(dave.user.principal, role=Role.VIEWER, by=SETUP)
        other = bind_role(dave.user.principal, role=Role.CUSTOMER_VIEWER, customer=acme.customers[1], by=SETUP)
    before = _grants(dave)

    for binding in (wide, other):
        with acting_as(carol), pytest.raises(PermissionMissing):
            unbind_role(binding, by=carol.actor)

    assert _grants(dave) == before


def test_a_role_is_taken_away_once(acme: TenantWorld, dave: Person) -> None:
    binding = _binding(dave, Role.CUSTOMER_VIEWER)
    with acme.acting():
        unbind_role(binding, by=SETUP)
    with acme.acting(), pytest.raises(NotFound):
        unbind_role(binding, by=SETUP)

    with acme.acting():
        assert events().filter(kind="identity:role:unbind", subject_id=dave.id).count() == 1


def test_manager_makes_members_with_no_more_than_held(acme: TenantWorld, carol: Person, mine: Customer) -> None:
    refusals = [(Role.VIEWER, None), (Role.CUSTOMER_VIEWER, acme.customers[1]), (Role.OPERATOR, mine)]
    for role, customer in refusals:
        with acting_as(carol), pytest.raises(NotAllowed):
            create_member(
                email="e@x.example", name="E", role=role, customer=customer, password=PASSWORD, by=carol.actor
            )

    with acme.acting():
        assert not User.objects.filter(email="e@x.example").exists()


def test_reset_by_a_manager_leaves_no_factor_and_no_session(dave: Person, carol: Person) -> None:
    """The manager does not see them; they go all the same."""
    browser = dave.browser()

    with acting_as(carol):
        reset_factors(dave.user, by=carol.actor)

    with carol.world.acting():
        assert not TotpDevice.objects.filter(user_id=dave.id).exists()
        assert not RecoveryCode.objects.filter(user_id=dave.id).exists()
        assert not Session.objects.filter(principal_id=dave.id, ended_at=None).exists()
    assert browser.get("/whoami").status_code == 302


def test_manager_may_start_over_with_their_own_factors(carol: Person) -> None:
    with acting_as(carol):
        reset_factors(carol.user, by=carol.actor)

    with carol.world.acting():
        assert not TotpDevice.objects.filter(user_id=carol.id).exists()
        assert Principal.objects.get(id=carol.id).epoch == 2


def test_session_of_who_holds_more_is_not_ended(acme: TenantWorld) -> None:
    owner, alice = make_person(acme, Role.OWNER, name="owner"), make_person(acme, Role.ADMIN)
    owner.browser()

    with acting_as(alice), pytest.raises(HoldsMore):
        sign_out(Session.objects.get(principal_id=owner.id).pk, by=alice.actor)


@pytest.mark.parametrize("role", [Role.OWNER, Role.CUSTOMER_MANAGER])
def test_nobody_changes_their_own_roles(acme: TenantWorld, mine: Customer, role: Role) -> None:
    make_person(acme, Role.OWNER, name="another")
    person = make_person(acme, role, name="erin", customer=mine if role is Role.CUSTOMER_MANAGER else None)
    before = _grants(person)

    with acting_as(person), pytest.raises(OwnAccount):
        bind_role(person.user.principal, role=Role.CUSTOMER_VIEWER, customer=mine, by=person.actor)
    with acting_as(person), pytest.raises(OwnAccount):
        unbind_role(_binding(person, role), by=person.actor)

    assert _grants(person) == before


@pytest.mark.parametrize("scope", ["no customer", "its customer"])
def test_the_database_lets_nobody_raise_their_own_role(acme: TenantWorld, mine: Customer, scope: str) -> None:
    bob = make_person(acme, Role.CUSTOMER_VIEWER, name="bob", customer=mine)
    customers = (mine.id,) if scope == "its customer" else ()

    with acting_for(Context(acme.id, customers, bob.id)):
        with transaction.atomic():
            assert RoleBinding.objects.update(role="customer_manager") == 0
            assert RoleBinding.objects.filter(principal_id=bob.id).count() == 1
            assert RoleBinding.objects.all().delete()[0] == 0
        with transaction.atomic():
            assert Principal.objects.update(epoch=99) == 0
        for role, customer in (("owner", None), ("customer_manager", mine)):
            with pytest.raises(DatabaseError), transaction.atomic():
                RoleBinding.objects.create(principal_id=bob.id, role=role, customer=customer, created_by="me")


def test_the_database_lets_nobody_turn_anothers_role_into_their_own(dave: Person, carol: Person) -> None:
    with acting_as(carol), pytest.raises(DatabaseError), transaction.atomic():
        RoleBinding.objects.filter(principal_id=dave.id).update(principal_id=carol.id)


def _narrow_token_of_an_admin(world: TenantWorld) -> tuple[Machine, Context]:
    """Issued when the account served one customer; the account is an admin of the whole tenant now."""
    machine = make_machine(world, Role.CUSTOMER_MANAGER, customers=(world.customers[0],))
    with world.acting():
        bind_role(machine.account.principal, role=Role.ADMIN, by=SETUP)
    return machine, Context(world.id, (world.customers[0].id,), machine.id)


def test_a_credential_for_one_customer_does_not_speak_for_the_tenant(acme: TenantWorld, dave: Person) -> None:
    machine, context = _narrow_token_of_an_admin(acme)
    with acme.acting():
        actor = acting_principal(machine.id).actor()
        bind_role(dave.user.principal, role=Role.VIEWER, by=SETUP)
    member = {"email": "e@x.example", "name": "E", "password": PASSWORD, "by": actor}
    refused = {
        "tenant-wide member": lambda: create_member(role=Role.VIEWER, **member),
        "member elsewhere": lambda: create_member(role=Role.VIEWER, customer=acme.customers[1], **member),
        "tenant-wide role": lambda: bind_role(dave.user.principal, role=Role.VIEWER, by=actor),
        "role elsewhere": lambda: bind_role(
            dave.user.principal, role=Role.VIEWER, customer=acme.customers[1], by=actor
        ),
        "who holds more": lambda: disable_principal(dave.id, by=actor),
        "service account": lambda: create_service_account(
            name="x", purpose="", owner=dave.user, role=Role.VIEWER, by=actor
        ),
    }

    for attempt in refused.values():
        with acting_for(context), transaction.atomic(), pytest.raises(NotAllowed):
            attempt()

    with acting_for(context), transaction.atomic():
        made = create_member(role=Role.VIEWER, customer=acme.customers[0], **member)
        assert made.customer_id == acme.customers[0].id


def test_a_narrow_token_that_asks_for_the_tenant_is_refused_by_name(acme: TenantWorld) -> None:
    machine = make_machine(acme, Role.CUSTOMER_MANAGER, customers=(acme.customers[0],))
    api = machine.api()
    with acme.acting():
        bind_role(machine.account.principal, role=Role.ADMIN, by=SETUP)

    body = {"email": "e@x.example", "role": "viewer"}
    response = api.post("/api/v1/invitations/", body, content_type="application/json")

    assert (response.status_code, response.json()["code"]) == (403, "permission_missing")
