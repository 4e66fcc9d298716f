"""Roles, members, service accounts: every rule, and what is refused."""

import secrets
import threading
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.utils import timezone

from audit.selectors import events
from identity.errors import GrantsMoreThanHeld, HoldsMore, LastOwner, OwnAccount, PermissionMissing
from identity.models import Principal, RecoveryCode, RoleBinding, ServiceAccount, Session, TotpDevice, User
from identity.permissions import CUSTOMER_PERMISSIONS, Permission
from identity.principals import Grant
from identity.roles import ROLES, Role
from identity.selectors import acting_principal
from identity.services import (
    archive_customer,
    bind_role,
    create_customer,
    create_member,
    create_service_account,
    disable_principal,
    enable_principal,
    reset_factors,
    sign_out,
    unbind_role,
)
from tenants.errors import Conflict, Invalid, NotFound
from tests.factories import make_tenant
from tests.identity.factories import PASSWORD, SETUP, acting_as, make_machine, make_member, make_person


def test_every_permission_is_someones_and_owner_has_all():
    assert ROLES[Role.OWNER].permissions == frozenset(Permission)
    assert set(ROLES) == set(Role)
    assert Permission.TENANT_SETTINGS_MANAGE not in ROLES[Role.ADMIN].permissions


def test_viewer_and_billing_change_nothing():
    writing = {p for p in Permission if p.endswith((":manage", ":write", ":destroy"))}

    for role in (Role.VIEWER, Role.BILLING, Role.CUSTOMER_VIEWER):
        assert not ROLES[role].permissions & writing


def test_a_role_for_a_customer_carries_only_what_is_about_customers():
    grant = Grant(Role.OPERATOR, make_tenant(customers=1).customers[0].id)

    assert Permission.CONNECTORS_INSTANCE_MANAGE not in grant.permissions
    assert grant.permissions <= CUSTOMER_PERMISSIONS


def test_member_has_the_role_and_an_event():
    acme = make_tenant()
    alice = make_person(acme, Role.ADMIN)

    with acme.acting():
        principal = acting_principal(alice.id)
        assert principal.grants == (Grant(Role.ADMIN),)
        assert principal.scope() is None
        assert events().filter(kind="identity:member:create", subject_id=alice.id).exists()


def test_email_is_lower_case_and_unique_in_its_tenant_only():
    acme, globex = make_tenant("acme"), make_tenant("globex")
    with acme.acting():
        user = create_member(email="Eve@Example.com", name="Eve", role=Role.VIEWER, password=PASSWORD, by=SETUP)

    assert user.email == "eve@example.com"
    with acme.acting(), pytest.raises(Conflict):
        create_member(email="eve@EXAMPLE.com", name="Eve", role=Role.VIEWER, password=PASSWORD, by=SETUP)
    with globex.acting():
        create_member(email="eve@example.com", name="Eve", role=Role.VIEWER, password=PASSWORD, by=SETUP)


@pytest.mark.parametrize("password", ["short", "password1234", ""])
def test_a_weak_password_is_refused(password):
    with make_tenant().acting(), pytest.raises(Invalid) as refused:
        create_member(email="eve@example.com", name="Eve", role=Role.VIEWER, password=password, by=SETUP)
    assert refused.value.field == "password"


def test_customer_roles_need_a_customer_and_admins_have_none():
    acme = make_tenant()
    bob = make_person(acme, Role.OPERATOR)

    with acme.acting(), pytest.raises(Invalid):
        bind_role(bob.user.principal, role=Role.CUSTOMER_VIEWER, by=SETUP)
    with acme.acting(), pytest.raises(Invalid):
        bind_role(bob.user.principal, role=Role.ADMIN, customer=acme.customers[0], by=SETUP)


@pytest.mark.parametrize(("role", "customer"), [("customer_viewer", None), ("admin", 0), ("root", None)])
def test_the_database_refuses_such_bindings_too(role, customer):

    acme = make_tenant()
    bob = make_person(acme, Role.OPERATOR)
    where = None if customer is None else acme.customers[customer]

    with pytest.raises(IntegrityError), acme.acting():
        RoleBinding.objects.create(principal=bob.user.principal, role=role, customer=where, created_by="x")


def test_nobody_gives_what_they_lack():
    acme = make_tenant()
    alice, bob = make_person(acme, Role.ADMIN), make_person(acme, Role.OPERATOR, name="bob")

    with acting_as(alice):
        with pytest.raises(GrantsMoreThanHeld):
            bind_role(alice.user.principal, role=Role.OWNER, by=alice.actor)
        with pytest.raises(GrantsMoreThanHeld):
            create_member(email="e@x.example", name="E", role=Role.OWNER, password=PASSWORD, by=alice.actor)
        bind_role(bob.user.principal, role=Role.ADMIN, by=alice.actor)
    with acting_as(make_person(acme, Role.OPERATOR)) as _, pytest.raises(PermissionMissing):
        bind_role(bob.user.principal, role=Role.VIEWER, by=make_actor(acme, Role.OPERATOR))


def make_actor(world, role):
    return make_person(world, role, name="actor").actor


def test_an_admin_does_not_disable_an_owner():
    acme = make_tenant()
    make_person(acme, Role.OWNER, name="first")
    owner, alice = make_person(acme, Role.OWNER, name="second"), make_person(acme, Role.ADMIN)

    with acting_as(alice), pytest.raises(HoldsMore):
        disable_principal(owner.id, by=alice.actor)


def test_the_last_owner_stays():
    acme = make_tenant()
    owner = make_person(acme, Role.OWNER)

    with acme.acting():
        binding = RoleBinding.objects.get(principal_id=owner.id)
        with pytest.raises(LastOwner):
            unbind_role(binding, by=SETUP)
        with pytest.raises(LastOwner):
            disable_principal(owner.id, by=SETUP)
    second = make_person(acme, Role.OWNER, name="second")
    with acme.acting():
        disable_principal(owner.id, by=SETUP)
        with pytest.raises(LastOwner):
            disable_principal(second.id, by=SETUP)


def test_an_owner_whose_role_ends_does_not_count_as_another():
    acme = make_tenant()
    owner, bob = make_person(acme, Role.OWNER), make_person(acme, Role.VIEWER)
    with acme.acting():
        bind_role(bob.user.principal, role=Role.OWNER, expires_at=timezone.now() + timedelta(hours=1), by=SETUP)
        with pytest.raises(LastOwner):
            disable_principal(owner.id, by=SETUP)


def test_two_owners_who_leave_at_once_leave_one():
    acme = make_tenant()
    owners = [make_person(acme, Role.OWNER, name=name) for name in ("first", "second")]
    barrier, results = threading.Barrier(2), []

    def leave(owner):
        try:
            with acme.acting():
                barrier.wait()
                disable_principal(owner.id, by=SETUP)
            results.append("left")
        except LastOwner:
            results.append("stayed")
        finally:
            connection.close()

    threads = [threading.Thread(target=leave, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == ["left", "stayed"]


def test_nobody_disables_themselves():
    acme = make_tenant()
    alice = make_person(acme, Role.ADMIN)

    with acting_as(alice), pytest.raises(OwnAccount):
        disable_principal(alice.id, by=alice.actor)


def test_disabling_and_enabling_move_the_epoch():
    acme = make_tenant()
    bob = make_person(acme, Role.OPERATOR)

    with acme.acting():
        disable_principal(bob.id, by=SETUP)
        disabled = Principal.objects.get(id=bob.id)
        enable_principal(bob.id, by=SETUP)
        enabled = Principal.objects.get(id=bob.id)

    assert (disabled.is_disabled, disabled.epoch) == (True, 2)
    assert (enabled.is_disabled, enabled.epoch) == (False, 3)


def test_an_expired_binding_gives_nothing():
    acme = make_tenant()
    bob = make_person(acme, Role.VIEWER)
    with acme.acting():
        bind_role(bob.user.principal, role=Role.OPERATOR, expires_at=timezone.now() - timedelta(seconds=1), by=SETUP)
        assert acting_principal(bob.id).grants == (Grant(Role.VIEWER),)


class TestCustomerManager:
    def test_manages_the_people_of_its_customer(self):
        acme = make_tenant()
        mine = acme.customers[0]
        manager = make_person(acme, Role.CUSTOMER_MANAGER, name="carol", customer=mine)

        with acting_as(manager):
            made = create_member(
                email="dave@x.example",
                name="Dave",
                role=Role.CUSTOMER_VIEWER,
                customer=mine,
                password=PASSWORD,
                by=manager.actor,
            )
            disable_principal(made.pk, by=manager.actor)
            assert Principal.objects.get(id=made.pk).is_disabled

    @pytest.mark.parametrize(
        ("role", "customer", "refusal"),
        [
            (Role.CUSTOMER_VIEWER, 1, PermissionMissing),
            (Role.VIEWER, None, PermissionMissing),
            (Role.OPERATOR, 0, GrantsMoreThanHeld),
        ],
    )
    def test_gives_nothing_elsewhere_and_nothing_more(self, role, customer, refusal):
        acme = make_tenant()
        manager = make_person(acme, Role.CUSTOMER_MANAGER, name="carol", customer=acme.customers[0])
        where = None if customer is None else acme.customers[customer]

        with acting_as(manager), pytest.raises(refusal):
            create_member(email="d@x.example", name="D", role=role, customer=where, password=PASSWORD, by=manager.actor)

    def test_sees_neither_the_msps_people_nor_other_customers(self):
        acme = make_tenant()
        staff = make_person(acme, Role.ADMIN)
        other = make_person(acme, Role.CUSTOMER_VIEWER, name="other", customer=acme.customers[1])
        own = make_person(acme, Role.CUSTOMER_VIEWER, name="own", customer=acme.customers[0])
        manager = make_person(acme, Role.CUSTOMER_MANAGER, name="carol", customer=acme.customers[0])

        with acting_as(manager):
            assert set(User.objects.values_list("id", flat=True)) == {own.id, manager.id}
            for hidden in (staff, other):
                with pytest.raises(NotFound):
                    disable_principal(hidden.id, by=manager.actor)
                with pytest.raises(NotFound):
                    bind_role(
                        hidden.user.principal, role=Role.CUSTOMER_VIEWER, customer=acme.customers[0], by=manager.actor
                    )


class TestServiceAccount:
    def test_secret_is_kept_as_a_digest_and_expires_in_90_days(self):
        acme = make_tenant()
        machine = make_machine(acme)

        with acme.acting():
            account = ServiceAccount.objects.get(id=machine.id)
        assert machine.secret.startswith("mspx_sa_")
        assert machine.secret.encode() not in bytes(account.secret_hash)
        assert account.secret_prefix == machine.secret[:12]
        assert timedelta(days=89) < account.expires_at - timezone.now() <= timedelta(days=90)

    @pytest.mark.parametrize("days", [-1, 400])
    def test_there_is_none_without_a_sensible_expiry(self, days):
        acme = make_tenant()
        owner = make_person(acme, Role.OWNER)

        with acme.acting(), pytest.raises(Invalid):
            create_service_account(
                name="x",
                purpose="",
                owner=owner.user,
                role=Role.VIEWER,
                expires_at=timezone.now() + timedelta(days=days),
                by=SETUP,
            )

    def test_is_narrowed_to_customers(self):
        acme = make_tenant()
        machine = make_machine(acme, customers=tuple(acme.customers[:2]))

        with acme.acting():
            assert acting_principal(machine.id).scope() == tuple(sorted(c.id for c in acme.customers[:2]))

    def test_a_token_may_not_live_longer_than_an_hour(self):

        acme = make_tenant()
        machine = make_machine(acme)

        with pytest.raises(IntegrityError), acme.acting():
            ServiceAccount.objects.filter(id=machine.id).update(token_seconds=3601)

    def test_a_customer_manager_makes_none(self):
        acme = make_tenant()
        manager = make_person(acme, Role.CUSTOMER_MANAGER, name="carol", customer=acme.customers[0])

        with acting_as(manager), pytest.raises(PermissionMissing):
            create_service_account(
                name="x",
                purpose="",
                owner=manager.user,
                role=Role.CUSTOMER_VIEWER,
                customers=[acme.customers[0]],
                by=manager.actor,
            )


def test_customers_are_made_and_archived_by_those_who_may():
    acme = make_tenant()
    alice, bob = make_person(acme, Role.ADMIN), make_person(acme, Role.OPERATOR, name="bob")

    with acting_as(bob), pytest.raises(PermissionMissing):
        create_customer(name="Dental", key="dental", by=bob.actor)
    with acting_as(alice):
        customer = create_customer(name="Dental", key="dental", by=alice.actor)
        with pytest.raises(Conflict):
            create_customer(name="Dental", key="dental", by=alice.actor)
        with pytest.raises(Invalid):
            create_customer(name="Dental", key="Not a key", by=alice.actor)
        customer = archive_customer(customer, by=alice.actor)
        assert customer.status == "archived"
        with pytest.raises(Invalid):
            bind_role(bob.user.principal, role=Role.VIEWER, customer=customer, by=alice.actor)


def test_rows_of_another_tenant_do_not_exist_here():
    acme, globex = make_tenant("acme"), make_tenant("globex")
    mallory, machine = make_person(globex, name="mallory"), make_machine(globex)

    with acme.acting():
        assert not User.objects.filter(id=mallory.id).exists()
        assert not ServiceAccount.objects.filter(id=machine.id).exists()
        with pytest.raises(NotFound):
            disable_principal(mallory.id, by=SETUP)


def test_create_tenant_prints_what_the_owner_needs(capsys):

    workspace = f"made-{secrets.token_hex(4)}"
    call_command("create_tenant", workspace, "--owner-email", "Owner@Example.com", "--name", "Made")

    printed = capsys.readouterr().out
    assert workspace in printed
    assert "owner@example.com" in printed
    assert "otpauth://totp/" in printed


def test_an_email_that_is_taken_out_of_sight_is_a_conflict_too():
    acme = make_tenant()
    staff = make_person(acme, Role.ADMIN)
    manager = make_person(acme, Role.CUSTOMER_MANAGER, name="carol", customer=acme.customers[0])

    with acting_as(manager), pytest.raises(Conflict):
        create_member(
            email=staff.user.email,
            name="E",
            role=Role.CUSTOMER_VIEWER,
            customer=acme.customers[0],
            password=PASSWORD,
            by=manager.actor,
        )


def test_an_admin_does_not_reset_an_owners_second_factor():
    acme = make_tenant()
    owner, alice = make_person(acme, Role.OWNER, name="owner"), make_person(acme, Role.ADMIN)

    with acting_as(alice), pytest.raises(HoldsMore):
        reset_factors(owner.user, by=alice.actor)


def test_nobody_ends_the_session_of_someone_they_do_not_manage():
    acme = make_tenant()
    alice, bob = make_person(acme, Role.ADMIN), make_person(acme, Role.OPERATOR, name="bob")
    alice.browser()
    bob.browser()

    with acting_as(bob), pytest.raises(PermissionMissing):
        sign_out(Session.objects.get(principal_id=alice.id).pk, by=bob.actor)
    with acting_as(alice):
        sign_out(Session.objects.get(principal_id=bob.id).pk, by=alice.actor)
        assert Session.objects.get(principal_id=bob.id).ended_at


def test_sessions_and_factors_are_the_persons_own_for_customers_people():
    acme = make_tenant()
    carol = make_member(acme, Role.CUSTOMER_MANAGER, name="carol", customer=acme.customers[0])
    dave = make_member(acme, Role.CUSTOMER_VIEWER, name="dave", customer=acme.customers[0])
    carol.browser()
    dave.browser()

    with acting_as(carol):
        assert set(Session.objects.values_list("principal_id", flat=True)) == {carol.id}
        assert set(TotpDevice.objects.values_list("user_id", flat=True)) == {carol.id}
        assert set(RecoveryCode.objects.values_list("user_id", flat=True)) == {carol.id}
