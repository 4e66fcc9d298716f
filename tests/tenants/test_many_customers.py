"""A tenant with hundreds of customers: what is narrowed to 200 of 300 is those 200, in the database and before it."""

from dataclasses import dataclass
from uuid import UUID

import pytest
from django.conf import settings
from django.db import DatabaseError, transaction

from connectors.models import ConnectorInstance, CustomerMapping
from identity.principals import ActingPrincipal
from identity.roles import Role
from identity.tokens import digest_of, load_principal, read_access_token
from msplex.decision.decide import decide, listed
from msplex.decision.snapshot import snapshot
from msplex.decision.verdicts import Code, Request
from tenants.ids import uuid7
from tenants.isolation.context import Context, acting_for
from tenants.isolation.tasks import read_context, signed_context
from tenants.models import Customer
from tests.connectors.factories import ALICE, FINE, configured
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import Machine, make_machine

ALL, SOME = 300, 200
TOOL = "halopsa_list_tickets"


@dataclass
class Crowd:
    """`machine`: an operator for the first 200 customers; `everywhere`: one for the whole tenant."""

    world: TenantWorld
    machine: Machine
    everywhere: Machine

    @property
    def scope(self) -> tuple[UUID, ...]:
        return tuple(sorted(customer.id for customer in self.world.customers[:SOME]))


@pytest.fixture(scope="module")
def crowd(_database: None) -> Crowd:
    from connectors.services import activate_instance, record_health  # noqa: PLC0415

    world = make_tenant("acme", customers=ALL)
    with world.acting():
        instance = activate_instance(record_health(configured(world), FINE), by=ALICE)
        CustomerMapping.objects.bulk_create(
            CustomerMapping(instance=instance, customer=customer, external_id=str(number))
            for number, customer in enumerate(world.customers)
        )
    machine = make_machine(world, Role.OPERATOR, customers=tuple(world.customers[:SOME]))
    return Crowd(world, machine, make_machine(world, Role.OPERATOR))


def principal_of(machine: Machine) -> ActingPrincipal:
    """As a door makes it of the token."""
    claims = read_access_token(machine.token(), audience=settings.GATEWAY_RESOURCE)
    with acting_for(Context(claims.tenant_id, (), claims.principal_id)), transaction.atomic():
        return load_principal(claims)


def test_a_tenant_wide_context_sees_every_customer(crowd):
    with crowd.world.acting():
        assert Customer.objects.count() == Customer._base_manager.count() == ALL


def test_a_context_of_200_customers_sees_and_writes_those_200(crowd):
    outside = crowd.world.customers[SOME]
    with acting_for(Context(crowd.world.id, crowd.scope)), transaction.atomic():
        assert set(Customer._base_manager.values_list("id", flat=True)) == set(crowd.scope)
        assert CustomerMapping._base_manager.count() == SOME
        assert Customer._base_manager.filter(id=outside.id).update(name="x") == 0
        assert Customer._base_manager.filter(id__in=crowd.scope).update(name="x") == SOME
        instance = ConnectorInstance.objects.get()
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            CustomerMapping.objects.create(instance=instance, customer=outside, external_id="elsewhere")
        transaction.set_rollback(True)


def test_a_context_without_one_of_them_does_not_see_it(crowd):
    """Neither the first nor the last of a long list is taken for granted."""
    for missing in crowd.scope[0], crowd.scope[SOME // 2], crowd.scope[-1]:
        rest = tuple(customer for customer in crowd.scope if customer != missing)
        with acting_for(Context(crowd.world.id, rest)), transaction.atomic():
            assert set(Customer._base_manager.values_list("id", flat=True)) == set(rest)


def test_a_message_carries_200_customers(crowd):
    context = Context(crowd.world.id, crowd.scope, uuid7())
    with acting_for(context):
        header = signed_context("tests.look", ["a"], {})

    assert read_context("tests.look", ["a"], {}, header) == context


def test_an_access_token_for_200_customers_stays_short_and_reaches_them_all(crowd):
    token = crowd.machine.token()
    claims = read_access_token(token, audience=settings.GATEWAY_RESOURCE)

    assert len(token) < 1500
    assert claims.customers is None
    assert claims.customers_digest == digest_of(crowd.scope)
    assert principal_of(crowd.machine).scope() == crowd.scope


def test_a_list_shows_the_200_and_no_other(crowd):
    found, path = [], "/api/v1/customers/?limit=150"
    while path:
        page = crowd.machine.api().get(path).json()
        found += [UUID(row["id"]) for row in page["results"]]
        path = page["next"]

    assert len(found) == SOME
    assert set(found) == set(crowd.scope)


@pytest.mark.parametrize("number", [0, SOME - 1, SOME, ALL - 1])
def test_a_call_is_decided_for_the_one_customer_it_names(crowd, number):
    customer = crowd.world.customers[number]
    for machine, allowed in (crowd.machine, number < SOME), (crowd.everywhere, True):
        principal = principal_of(machine)
        with acting_for(Context(crowd.world.id, principal.scope(), principal.id)), transaction.atomic():
            taken = snapshot()
            decisions = [decide(taken, principal, Request(TOOL, {}, name)) for name in (customer.key, str(customer.id))]
        assert [decision.allowed for decision in decisions] == [allowed, allowed]
        if allowed:
            assert {decision.resolved.customer for decision in decisions} == {customer}
        else:
            assert {decision.refusal.code for decision in decisions} == {Code.CUSTOMER_NOT_IN_SCOPE}


def test_the_list_of_tools_is_the_same_for_200_and_for_all(crowd):
    tools = []
    for machine in crowd.machine, crowd.everywhere:
        principal = principal_of(machine)
        with acting_for(Context(crowd.world.id, principal.scope(), principal.id)), transaction.atomic():
            tools.append([offered.name for offered in listed(snapshot(), principal)])
            unnamed = decide(snapshot(), principal, Request(TOOL, {}))
        assert unnamed.refusal.code == Code.CUSTOMER_REQUIRED

    assert tools[0] == tools[1]
    assert TOOL in tools[0]
