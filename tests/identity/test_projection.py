"""django-guardian answers as the bindings do, and stops with them."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission as Row
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone
from guardian.shortcuts import get_perms

from identity.models import CustomerPermission, RoleBinding, User
from identity.permissions import CUSTOMER_PERMISSIONS
from identity.roles import Role
from identity.services import bind_role, disable_principal, unbind_role
from identity.services.projection import differences, forget_ended_roles
from identity.tasks import sweep_ended_roles
from msplex.celery import app
from tenants.isolation.tasks import TaskRefused
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, Person, make_person

READ = "tenants.gateway:tool:read"


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant()


@pytest.fixture
def bob(acme: TenantWorld) -> Person:
    return make_person(acme, Role.OPERATOR, name="bob", customer=acme.customers[0])


def _end(person: Person, customer=None) -> None:
    """As time does: nothing else is told."""
    with person.world.acting():
        bindings = RoleBinding.objects.filter(principal_id=person.id)
        if customer:
            bindings = bindings.filter(customer=customer)
        bindings.update(expires_at=timezone.now() - timedelta(seconds=1))


def _may(person: Person, customer, permission: str = READ) -> bool:
    with person.world.acting():
        return User.objects.get(id=person.id).has_perm(permission, customer)


def _rows(person: Person) -> int:
    with person.world.acting():
        return CustomerPermission.objects.filter(user_id=person.id).count()


def test_guardian_answers_as_the_bindings_do(acme: TenantWorld, bob: Person) -> None:
    mine, other = acme.customers[:2]

    with acme.acting():
        user = User.objects.get(id=bob.id)
        assert user.has_perm(READ, mine)
        assert not user.has_perm(READ, other)
        assert not user.has_perm("tenants.gateway:tool:destroy", mine)
        assert not user.has_perm("tenants.connectors:instance:manage", mine)
        bind_role(user.principal, role=Role.VIEWER, customer=other, by=SETUP)
        assert user.has_perm(READ, other)
        unbind_role(RoleBinding.objects.get(principal_id=bob.id, customer=mine), by=SETUP)
        assert not user.has_perm(READ, mine)
        assert differences() == (set(), {})


def test_tenant_wide_bindings_answer_for_every_customer(acme: TenantWorld) -> None:
    alice = make_person(acme, Role.ADMIN)

    with acme.acting():
        user = User.objects.get(id=alice.id)
        assert all(user.has_perm("tenants.customers:customer:read", customer) for customer in acme.customers)
        assert not user.has_perm("tenants.tenant:settings:manage", acme.customers[0])


def test_a_disabled_person_has_none(acme: TenantWorld, bob: Person) -> None:
    with acme.acting():
        disable_principal(bob.id, by=SETUP)
    assert not _may(bob, acme.customers[0])


def test_a_role_that_ends_by_itself_ends_at_once(acme: TenantWorld, bob: Person) -> None:
    assert _may(bob, acme.customers[0])

    _end(bob)

    assert not _may(bob, acme.customers[0])
    assert _rows(bob) > 0


def test_the_sweep_takes_what_ended_and_nothing_else(settings, acme: TenantWorld, bob: Person) -> None:
    mine, other = acme.customers[:2]
    stays = make_person(make_tenant("globex"), Role.OPERATOR, name="stays")
    with acme.acting():
        bind_role(bob.user.principal, role=Role.VIEWER, customer=other, by=SETUP)
        bind_role(bob.user.principal, role=Role.VIEWER, customer=mine, by=SETUP)
    with acme.acting():
        RoleBinding.objects.filter(principal_id=bob.id, role="operator").update(expires_at=timezone.now())
    before = _rows(stays)

    settings.MSPLEX_PROCESS = "worker"
    with as_role("worker"):
        sweep_ended_roles()

    with acme.acting():
        user = User.objects.get(id=bob.id)
        assert differences({bob.id}) == (set(), {})
        assert READ.removeprefix("tenants.") in get_perms(user, mine)
        assert "gateway:tool:write" not in get_perms(user, mine)
    assert _rows(stays) == before


def test_the_sweep_is_the_workers_and_is_scheduled() -> None:
    with pytest.raises(TaskRefused):
        sweep_ended_roles()
    entry = app.conf.beat_schedule["identity.sweep_ended_roles"]
    assert (entry["task"], entry["options"]["queue"]) == (sweep_ended_roles.name, "worker")


def test_the_sweep_waits_for_a_role_that_is_being_given_again(acme: TenantWorld, bob: Person) -> None:
    """The new binding counts on rows that the old one left; the sweep must not take them as it commits."""
    _end(bob)

    def sweep() -> None:
        with acme.acting():
            forget_ended_roles()
        connection.close()

    sweeper = threading.Thread(target=sweep)
    with acme.acting():
        bind_role(bob.user.principal, role=Role.VIEWER, customer=acme.customers[0], by=SETUP)
        sweeper.start()
        sweeper.join(0.5)
        assert sweeper.is_alive()
    sweeper.join()

    assert _may(bob, acme.customers[0])
    with acme.acting():
        assert differences({bob.id}) == (set(), {})


def test_check_projection_finds_what_is_wrong(acme: TenantWorld, bob: Person, capsys) -> None:
    call_command("check_projection", acme.workspace)
    with acme.acting():
        RoleBinding.objects.filter(principal_id=bob.id).update(role="viewer")

    with pytest.raises(CommandError):
        call_command("check_projection", acme.workspace)
    assert "surplus" in capsys.readouterr().out


def test_every_permission_about_customers_has_its_row() -> None:
    rows = Row.objects.filter(content_type__app_label="tenants", content_type__model="customer")
    with transaction.atomic():
        assert {str(permission) for permission in CUSTOMER_PERMISSIONS} <= set(rows.values_list("codename", flat=True))
