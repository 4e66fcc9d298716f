"""What the provider suspends stops on its next request, through every door, and says so."""

import contextlib
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client as Browser

from audit.selectors import events
from identity.errors import ClientRefused, PrincipalRefused, TenantSuspended
from identity.models import Session
from identity.roles import Role
from identity.selectors import acting_principal, known_principal
from identity.services import (
    Client,
    begin_enrolment,
    create_member,
    disable_principal,
    sign_in_code,
    sign_in_password,
)
from identity.tokens import load_principal, read_access_token
from msplex import settings as product
from msplex.gateway.calls import Caller, DoorClosed, Waiter, begin_call, list_tools
from tenants.directory import tenant_of
from tenants.isolation.context import Context, acting_for
from tenants.models import Tenant
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import PASSWORD, Person, let_work, make_machine, make_member, make_person

HOME = Client("192.0.2.1", "tests")


@pytest.fixture
def acme() -> TenantWorld:
    return make_tenant("acme")


@pytest.fixture
def alice(acme: TenantWorld) -> Person:
    return make_member(acme)


@contextlib.contextmanager
def suspended(world: TenantWorld) -> Iterator[None]:
    let_work(world, False)
    yield
    let_work(world, True)


@pytest.mark.usefixtures("whole_portal")
def test_a_session_meets_a_page_that_says_so_and_goes_on_afterwards(acme: TenantWorld, alice: Person) -> None:
    browser, other = alice.browser(), make_person(make_tenant("globex")).browser()
    assert browser.get("/").status_code == 200

    with suspended(acme):
        stopped = browser.get("/")
        assert other.get("/").status_code == 200

    assert stopped.status_code == 403
    assert "This workspace is suspended" in stopped.content.decode()
    assert "tenant_suspended" in stopped.content.decode()
    assert acme.customers[0].name not in stopped.content.decode()
    assert browser.get("/").status_code == 200


@pytest.mark.usefixtures("whole_portal")
def test_the_door_stays_open_to_people_of_a_suspended_tenant(acme: TenantWorld, alice: Person) -> None:
    """They can sign in to another workspace, and sign out of this browser."""
    browser = alice.browser()
    with suspended(acme):
        assert browser.get("/sign-in/").status_code == 200
        assert browser.post("/sign-out/").status_code == 302
        assert browser.get("/").status_code == 302


@pytest.mark.parametrize("credential", ["session", "token"])
def test_the_api_refuses_by_name(acme: TenantWorld, alice: Person, credential: str) -> None:
    api = alice.browser() if credential == "session" else make_machine(acme, Role.ADMIN).api()
    assert api.get("/api/v1/customers/").status_code == 200

    with suspended(acme):
        refused = api.get("/api/v1/customers/")
        made = api.post("/api/v1/customers/", {"name": "x", "key": "x"}, content_type="application/json")

    for response in (refused, made):
        assert (response.status_code, response["Content-Type"]) == (403, "application/problem+json")
        assert response.json()["code"] == "tenant_suspended"
        assert "provider" in response.json()["detail"]
    assert api.get("/api/v1/customers/").status_code == 200


def test_no_service_acts_for_somebody_of_a_suspended_tenant(acme: TenantWorld, alice: Person) -> None:
    actor = alice.actor
    with suspended(acme), acme.acting(), pytest.raises(TenantSuspended):
        create_member(email="e@x.example", name="E", role=Role.VIEWER, password=PASSWORD, by=actor)


def test_no_sign_in_begins_or_ends(acme: TenantWorld, alice: Person) -> None:
    bob = make_person(acme, name="bob")
    half = [
        sign_in_password(workspace=acme.workspace, email=person.user.email, password=PASSWORD, client=HOME)
        for person in (alice, bob)
    ]

    with suspended(acme):
        assert tenant_of("workspace", acme.workspace) is None
        with pytest.raises(TenantSuspended):
            sign_in_code(half[0], alice.code(), client=HOME)
        with pytest.raises(TenantSuspended):
            begin_enrolment(half[1])

    with acme.acting():
        assert not Session.objects.exists()


def test_no_secret_is_exchanged(acme: TenantWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = make_machine(acme)
    with suspended(acme), pytest.raises(ClientRefused):
        machine.token()

    # Suspended between the look-up of the client and the exchange.
    monkeypatch.setattr("identity.services.tokens.tenant_of", lambda *_: acme.id)
    with suspended(acme), pytest.raises(ClientRefused):
        machine.token()

    with acme.acting():
        assert events().filter(kind="identity:token:refuse", result="refused").count() == 1


def test_a_token_loads_without_any_grant_and_says_why(acme: TenantWorld) -> None:
    machine = make_machine(acme, Role.ADMIN)
    claims = read_access_token(machine.token(), audience=product.GATEWAY_RESOURCE)

    def load():
        with acting_for(Context(acme.id, (), machine.id)), transaction.atomic():
            return load_principal(claims)

    with suspended(acme):
        stopped = load()

    assert (stopped.tenant_active, stopped.grants, stopped.scope()) == (False, (), ())
    assert load().tenant_active


def test_the_gateway_neither_lists_nor_calls(acme: TenantWorld) -> None:
    machine = make_machine(acme, Role.ADMIN)
    caller = Caller(read_access_token(machine.token(), audience=product.GATEWAY_RESOURCE))

    with suspended(acme):
        with pytest.raises(DoorClosed):
            list_tools(caller)
        begun = begin_call(caller, "halopsa_list_tickets", {"customer": "acme-1"}, Waiter("tests", b""))

    assert not begun.decision.allowed


def test_has_perm_is_false(acme: TenantWorld, alice: Person) -> None:
    with suspended(acme), acme.acting():
        assert not alice.user.has_perm("tenants.customers:customer:read", acme.customers[0])


def test_a_disabled_principal_is_told_nothing_of_it(acme: TenantWorld, alice: Person) -> None:
    bob = make_person(acme, name="bob")
    with acme.acting():
        disable_principal(bob.id, by=alice.actor)

    with suspended(acme), acme.acting(), pytest.raises(PrincipalRefused):
        acting_principal(bob.id)


def test_it_costs_no_query_of_its_own(acme: TenantWorld, alice: Person, django_assert_num_queries) -> None:
    with acme.acting(), django_assert_num_queries(1):
        assert known_principal(alice.id).tenant_active


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE provider.tenant SET active = true",
        "INSERT INTO provider.tenant (id, name) VALUES (gen_random_uuid(), 'x')",
        "SELECT border.withdraw_tenant(msplex.tenant())",
        "CREATE OR REPLACE FUNCTION border.tenant_active() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    ],
)
def test_the_tenants_own_role_cannot_let_itself_go_on(acme: TenantWorld, alice: Person, statement: str) -> None:
    with suspended(acme):
        with acme.acting(), pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
        with acme.acting():
            Tenant.objects.update(status=Tenant.Status.ACTIVE)
            with pytest.raises(TenantSuspended):
                acting_principal(alice.id)


@pytest.mark.parametrize("role", ["worker", "broker"])
def test_the_processes_that_work_for_a_tenant_may_ask(acme: TenantWorld, role: str) -> None:
    def active() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT border.tenant_active()")
            return cursor.fetchone()[0]

    with as_role(role):
        with acme.acting():
            assert active()
        with suspended(acme), acme.acting():
            assert not active()
        with transaction.atomic(), pytest.raises(DatabaseError, match="no tenant context"):
            active()


def test_a_visitor_is_asked_to_sign_in_as_ever() -> None:
    assert Browser().get("/whoami").status_code == 302
