"""The table of roles and addresses (identity.matrix), held to what every address answers to every role."""

import pytest

from audit.selectors import events
from identity.matrix import BEARERS, SURFACES, Bearer, surfaces_of
from identity.models import Session
from identity.permissions import CUSTOMER_PERMISSIONS, Permission
from identity.roles import ROLES, Role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import make_person
from tests.portal.addresses import Action, actions

ACTIONS = actions()
SAFE = {"get"}


@pytest.fixture(scope="module")
def acme(_database: None) -> TenantWorld:
    return make_tenant("acme")


def is_open(bearer: Bearer, action: Action) -> bool:
    """What the table says. A page and its form can be two surfaces, for the same people."""
    said = {
        bearer in surface.bearers
        for surface in surfaces_of(action.name)
        if action.name in (surface.reads if action.method in SAFE else (*surface.changes, *surface.confirmed))
    }
    assert len(said) == 1, f"identity.matrix does not say, or says twice, who may {action.method} {action.name}"
    return said.pop()


def is_refused(response) -> bool:
    if response.status_code != 403:
        assert response.status_code in {200, 201, 202, 204, 302, 400, 401, 404, 409, 422}, response.status_code
        assert not response.headers.get("Location", "").startswith("/sign-in/")
        return False
    assert "This needs the permission" in response.content.decode()
    return True


def test_every_address_is_in_the_table_and_nothing_else_is() -> None:
    assert {action.name for action in ACTIONS} == {name for each in SURFACES for name in each.addresses}


@pytest.mark.parametrize("bearer", BEARERS, ids=[f"{each.label} x {len(ACTIONS)}" for each in BEARERS])
def test_every_address_answers_every_role_as_the_table_says(acme: TenantWorld, bearer: Bearer) -> None:
    customer = acme.customers[0] if bearer.for_customer else None
    browser = make_person(acme, bearer.role, name=bearer.role.value, customer=customer).browser()

    wrong = [
        f"{action.method} {action.name}: {response.status_code}"
        for action in ACTIONS
        if is_refused(response := action.ask(browser)) is is_open(bearer, action)
    ]

    assert wrong == []


def test_every_role_is_there_as_it_can_be_bound() -> None:
    every = {Bearer(role) for role, each in ROLES.items() if not each.customer_scoped}
    every |= {Bearer(role, for_customer=True) for role, each in ROLES.items() if not each.tenant_wide_only}

    assert set(BEARERS) == every


CHANGES = [action for action in ACTIONS if action.method not in SAFE]


@pytest.mark.parametrize("action", CHANGES, ids=lambda action: f"{action.method} {action.name}")
def test_every_change_needs_a_recent_second_factor_or_says_why_not(action: Action) -> None:
    surfaces = [each for each in surfaces_of(action.name) if action.name in (*each.changes, *each.confirmed)]

    assert len(surfaces) == 1
    assert action.needs_recent_mfa is (action.name in surfaces[0].confirmed)
    assert action.needs_recent_mfa or surfaces[0].why_unconfirmed


def test_pages_that_show_a_secret_need_a_recent_second_factor_too() -> None:
    secret = {name for each in SURFACES for name in each.secret}

    assert {action.name for action in ACTIONS if action.route.declared.secret} == secret
    assert all(set(each.secret) <= set(each.reads) for each in SURFACES)


POSTED = {action.name for action in CHANGES}
PAGES = [action for action in ACTIONS if action.name not in POSTED and "." not in action.name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_that_is_read_does_not_change_anything_when_it_is_posted_to(acme: TenantWorld, page: Action) -> None:
    owner = make_person(acme, Role.OWNER, name="owner")
    browser = owner.browser()
    with acme.acting():
        before = events().count()

    page.ask(browser, "post")

    with acme.acting():
        assert events().count() == before
        assert Session.objects.get(principal_id=owner.id).data == {}


HELD = {
    Role.ADMIN: frozenset(Permission) - {Permission.TENANT_SETTINGS_MANAGE},
    Role.BILLING: {"billing:account:read", "billing:usage:read", "customers:customer:read", "portal:dashboard:read"},
    Role.OPERATOR: {
        "approvals:request:decide",
        "approvals:rule:read", "audit:alert:manage", "audit:alert:read", "connectors:catalogue:read",
        "connectors:instance:manage", "connectors:instance:read",
        "customers:customer:read", "gateway:call:read", "gateway:tool:read", "gateway:tool:write",
        "portal:dashboard:read",
    },
    Role.VIEWER: {
        "approvals:rule:read", "audit:alert:read", "audit:event:read", "billing:usage:read",
        "connectors:catalogue:read",
        "connectors:instance:read",
        "customers:customer:read", "gateway:call:read", "gateway:tool:read", "portal:dashboard:read",
    },
    Role.CUSTOMER_MANAGER: {
        "audit:event:read", "billing:usage:read", "connectors:catalogue:read", "connectors:instance:read",
        "customers:customer:read", "gateway:call:read", "identity:member:manage", "identity:member:read",
        "portal:dashboard:read",
    },
}  # fmt: skip


@pytest.mark.parametrize("role", HELD)
def test_roles_hold_exactly_this(role: Role) -> None:
    assert ROLES[role].permissions == HELD[role]


def test_the_owner_holds_everything_and_a_customers_role_nothing_beyond_it() -> None:
    assert ROLES[Role.OWNER].permissions == frozenset(Permission)
    for bearer in BEARERS:
        if bearer.for_customer:
            assert ROLES[bearer.role].carries(customer_scoped=True) <= CUSTOMER_PERMISSIONS


def test_viewers_change_nothing() -> None:
    for bearer in BEARERS:
        if bearer.role in {Role.VIEWER, Role.CUSTOMER_VIEWER, Role.BILLING}:
            changed = {each.group for each in SURFACES if bearer in each.bearers and (each.changes or each.confirmed)}
            # Packing what one may read changes nothing of it, and a witness's word only adds to it.
            evidence = set() if bearer.role is Role.BILLING else {"Evidence"}
            # A question to the tool policy is posted, because it has a body.
            asks = {"Tool calls"} if bearer == Bearer(Role.VIEWER) else set()
            # A long file is ordered before it is taken.
            orders = {"Billing"} if bearer.role is Role.BILLING else set()
            assert changed == {"Your account"} | evidence | asks | orders
