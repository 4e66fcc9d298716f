"""Tokens of automation that is bound to more customers than a token names: short, and exactly as narrow."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from identity import tokens
from identity.errors import TokenRefused
from identity.models import RoleBinding
from identity.principals import ActingPrincipal, Grant, PrincipalKind
from identity.roles import Role
from identity.selectors import bindings
from identity.services import bind_role, unbind_role
from identity.tokens import Claims, load_principal, read_access_token
from msplex.gateway.callers import Caller, see
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, Machine, let_work, make_machine


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> TenantWorld:
    monkeypatch.setattr(tokens, "MOST_LISTED", 1)
    return make_tenant("acme", customers=3)


@pytest.fixture
def machine(acme: TenantWorld) -> Machine:
    return make_machine(acme, customers=tuple(acme.customers[:2]))


def claims_of(machine: Machine) -> Claims:
    return read_access_token(machine.token(), audience=settings.GATEWAY_RESOURCE)


def principal_at(door: str, claims: Claims) -> ActingPrincipal | None:
    """None: refused. Both doors, for each reads the principal in its own way."""
    if door == "gateway":
        return see(Caller(claims, "127.0.0.1")).principal
    try:
        with acting_for(Context(claims.tenant_id, (), claims.principal_id)), transaction.atomic():
            return load_principal(claims, "127.0.0.1")
    except TokenRefused:
        return None


both_doors = pytest.mark.parametrize("door", ["gateway", "api"])


@both_doors
def test_it_reaches_those_that_it_was_issued_for(acme: TenantWorld, machine: Machine, door: str) -> None:
    claims = claims_of(machine)

    assert (claims.customers, claims.customers_digest[:7]) == (None, "sha256:")
    principal = principal_at(door, claims)
    assert principal is not None
    assert set(principal.scope() or ()) == {customer.pk for customer in acme.customers[:2]}


@both_doors
@pytest.mark.parametrize("change", ["one more", "one less", "one ends"])
def test_other_customers_than_it_was_issued_for_need_another_token(
    acme: TenantWorld, machine: Machine, door: str, change: str
) -> None:
    claims = claims_of(machine)

    with acme.acting():
        one = bindings().filter(principal_id=machine.id)[0]
        if change == "one more":
            bind_role(machine.account.principal, role=Role.OPERATOR, customer=acme.customers[2], by=SETUP)
        elif change == "one less":
            unbind_role(one, by=SETUP)
        else:
            RoleBinding.objects.filter(id=one.pk).update(expires_at=timezone.now() - timedelta(seconds=1))

    assert principal_at(door, claims) is None
    assert principal_at(door, claims_of(machine)) is not None


@both_doors
def test_it_stays_narrow_when_its_account_gets_a_role_for_the_whole_tenant(
    acme: TenantWorld, machine: Machine, door: str
) -> None:
    claims = claims_of(machine)
    with acme.acting():
        bind_role(machine.account.principal, role=Role.ADMIN, by=SETUP)

    principal = principal_at(door, claims)

    assert principal is not None
    assert set(principal.scope() or ()) == {customer.pk for customer in acme.customers[:2]}


@both_doors
def test_in_a_suspended_tenant_it_is_told_so_and_works_again_afterwards(
    acme: TenantWorld, machine: Machine, door: str
) -> None:
    claims = claims_of(machine)

    let_work(acme, False)
    stopped = principal_at(door, claims)
    let_work(acme, True)

    assert stopped is not None
    assert (stopped.tenant_active, stopped.grants) == (False, ())
    assert principal_at(door, claims) is not None


def test_a_digest_is_of_the_set_and_not_of_its_order() -> None:
    one, two, three = uuid7(), uuid7(), uuid7()

    assert tokens.digest_of([one, two]) == tokens.digest_of([two, one])
    assert len({tokens.digest_of(each) for each in ([one], [two], [one, two], [one, two, three])}) == 4


def test_a_credential_for_some_customers_cuts_every_role_to_them() -> None:
    customers = tuple(uuid7() for _ in range(5000))
    grants = (*(Grant(Role.OPERATOR, customer) for customer in customers), Grant(Role.VIEWER))
    principal = ActingPrincipal(uuid7(), PrincipalKind.SERVICE_ACCOUNT, "x", uuid7(), 1, grants)

    limited = principal.limited_to(customers[:4000])  # each with each, this would be 20 million pairs

    assert len(limited.grants) == 8000
    assert set(limited.scope() or ()) == set(customers[:4000])
    assert Grant(Role.VIEWER) not in limited.grants
