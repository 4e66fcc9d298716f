"""Each room: works, wrong role. Another tenant's objects are in test_strangers.py."""

import re

import pytest
from django.urls import reverse

from identity.roles import Role
from identity.services import bind_role
from tests.factories import make_tenant
from tests.identity.factories import SETUP, Person, make_person
from tests.portal.factories import Furnished, furnish, make_call
from tests.portal.ids import of, with_ids

# room -> a role that may not enter it
LISTS = {
    "agents": None,
    "agent_clients": None,
    "dashboard": None,
    "customers": None,
    "customer_new": Role.OPERATOR,
    "connectors": Role.BILLING,
    "connector_credentials": Role.VIEWER,
    "signals": Role.BILLING,
    "calls": Role.BILLING,
    "usage": Role.OPERATOR,
    "billing_plan": Role.VIEWER,
    "billing_overview": Role.VIEWER,
    "billing_prices": Role.BILLING,
    "billing_exports": Role.VIEWER,
    "billing_limits": Role.VIEWER,
    "billing_assets": Role.VIEWER,
    "billing_files": Role.VIEWER,
    "alerts": Role.BILLING,
    "audit": Role.OPERATOR,
    "audit_trace": Role.BILLING,
    "packs": Role.OPERATOR,
    "approvals": Role.BILLING,
    "approval_new": Role.VIEWER,
    "grants": Role.BILLING,
    "grant_new": Role.VIEWER,
    "host_agents": Role.OPERATOR,
    "policy": Role.BILLING,
    "policy_try": Role.BILLING,
    "policy_rule_new": Role.OPERATOR,
    "pack_witnesses": Role.OPERATOR,
    "pack_domains": Role.ADMIN,
    "people": Role.OPERATOR,
    "people_invitations": Role.OPERATOR,
    "people_invite": Role.OPERATOR,
    "service_accounts": Role.OPERATOR,
    "service_account_new": Role.VIEWER,
    "roles": None,
    "bindings": Role.OPERATOR,
    "step_up": None,
    "account": None,
    "notifications": None,
    "notification_preferences": None,
    "notification_channels": Role.ADMIN,
    "account_sessions": None,
    "sign_in_methods": None,
    "security": Role.ADMIN,
    "account_name": None,
    "account_password": None,
    "account_email": None,
    "account_history": None,
}
DETAILS = {
    "billing_file_download": Role.VIEWER,
    "connector_tools": Role.VIEWER,
    "connector_tool": Role.VIEWER,
    "connector_hook": Role.VIEWER,
    "connector_own": Role.VIEWER,
    "billing_limit": Role.BILLING,
    "customer": None,
    "customer_signals": Role.BILLING,
    "connector_instance": Role.BILLING,
    "connector_progress": Role.BILLING,
    "connector_clients": Role.BILLING,
    "call": Role.BILLING,
    "alert": Role.BILLING,
    "audit_event": Role.OPERATOR,
    "approval": Role.BILLING,
    "approval_card": Role.BILLING,
    "grant": Role.BILLING,
    "policy_rule": Role.OPERATOR,
    "pack": Role.OPERATOR,
    "pack_progress": Role.OPERATOR,
    "pack_download": Role.OPERATOR,
    "person": Role.OPERATOR,
    "person_sessions": Role.OPERATOR,
    "service_account": Role.OPERATOR,
}
BUTTONS = {
    "pack_domain_check": Role.ADMIN,
    "pack_domain_remove": Role.ADMIN,
    "pack_handover": Role.OPERATOR,
    "approval_approve": Role.VIEWER,
    "grant_revoke": Role.VIEWER,
    "host_agent_code": Role.OPERATOR,
    "host_agent_revoke": Role.OPERATOR,
    "approval_comment": Role.VIEWER,
    "approval_passkey": Role.VIEWER,
    "approval_reject": Role.VIEWER,
    "approval_withdraw": Role.VIEWER,
    "policy_rule_move": Role.OPERATOR,
    "policy_rule_remove": Role.OPERATOR,
    "alert_acknowledge": Role.VIEWER,
    "notification_acknowledge": None,
    "notification_snooze": None,
    "audit_filter_remove": Role.OPERATOR,
    "account_session_revoke": None,
    "own_passkey_remove": None,
    "own_passkey_rename": None,
    "people_resend": Role.OPERATOR,
    "people_withdraw": Role.OPERATOR,
    "agent_end": None,  # everybody's own
    "customer_archive": Role.OPERATOR,
    "connector_configure": Role.VIEWER,
    "connector_client_source": Role.VIEWER,
    "connector_client_source_forget": Role.VIEWER,
    "connector_hook_make": Role.VIEWER,
    "connector_hook_rotate": Role.VIEWER,
    "connector_hook_remove": Role.VIEWER,
    "connector_field": Role.VIEWER,
    "connector_check": Role.VIEWER,
    "connector_activate": Role.VIEWER,
    "connector_deactivate": Role.VIEWER,
    "connector_map": Role.VIEWER,
    "connector_tools_discover": Role.VIEWER,
    "connector_tools_describe": Role.VIEWER,
    "connector_tool_expose": Role.VIEWER,
    "connector_tool_try": Role.VIEWER,
    "connector_tool_withdraw": Role.VIEWER,
    "connector_clients_fetch": Role.VIEWER,
    "connector_clients_confirm": Role.VIEWER,
    "customer_domains": Role.OPERATOR,
    "connector_resume": Role.VIEWER,
    "connector_retire": Role.VIEWER,
    "connector_unmap": Role.VIEWER,
    "connector_own_remove": Role.VIEWER,
    "connector_own_check": Role.VIEWER,
    "connector_own_only": Role.VIEWER,
    "person_disable": Role.OPERATOR,
    "person_enable": Role.OPERATOR,
    "person_reset": Role.OPERATOR,
    "person_bind": Role.OPERATOR,
    "person_unbind": Role.OPERATOR,
    "person_session_revoke": Role.OPERATOR,
    "person_sessions_revoke": Role.OPERATOR,
    "service_account_disable": Role.OPERATOR,
    "service_account_enable": Role.OPERATOR,
    "service_account_amend": Role.OPERATOR,
    "service_account_key_add": Role.OPERATOR,
    "service_account_key_revoke": Role.VIEWER,
    "service_account_rotate": Role.OPERATOR,
    "service_account_revoke": Role.OPERATOR,
    "service_account_revoke_all": Role.VIEWER,
    "service_account_bind": Role.OPERATOR,
    "service_account_unbind": Role.OPERATOR,
}
ROUTES = {route.name.removeprefix("portal:"): route for route in with_ids("portal")}


def url_of(it: Furnished, room: str) -> str:
    return ROUTES[room].address(**of(it, ROUTES[room]))


@pytest.fixture(scope="module")
def acme(_database: None) -> Furnished:
    return furnish("acme")


def test_every_address_with_an_id_is_a_page_or_a_button() -> None:
    assert set(ROUTES) == set(DETAILS) | set(BUTTONS)


@pytest.mark.parametrize("room", LISTS)
def test_room_opens(acme: Furnished, room: str) -> None:
    response = acme.owner.browser().get(reverse(f"portal:{room}"))

    assert response.status_code == 200
    assert "<h1>" in response.content.decode()


@pytest.mark.parametrize("room", LISTS)
def test_room_opens_for_a_tenant_with_nothing(room: str) -> None:
    alice = make_person(make_tenant(customers=0, entitled=False), Role.OWNER)

    assert alice.browser().get(reverse(f"portal:{room}")).status_code == 200


@pytest.mark.parametrize(("room", "role"), [(room, role) for room, role in LISTS.items() if role])
def test_room_is_closed_to_other_roles(acme: Furnished, room: str, role: Role) -> None:
    bob = make_person(acme.world, role, name="bob")

    response = bob.browser().get(reverse(f"portal:{room}"))

    assert response.status_code == 403
    assert "This needs the permission" in response.content.decode()


@pytest.mark.parametrize("room", LISTS)
def test_room_sends_strangers_to_the_door(client, room: str) -> None:
    response = client.get(reverse(f"portal:{room}"))

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("portal:sign_in"))


@pytest.mark.parametrize("room", DETAILS)
def test_detail_opens(acme: Furnished, room: str) -> None:
    assert acme.owner.browser().get(url_of(acme, room)).status_code == 200


@pytest.mark.parametrize(("room", "role"), [(room, role) for room, role in DETAILS.items() if role])
def test_detail_is_closed_to_other_roles(acme: Furnished, room: str, role: Role) -> None:
    bob = make_person(acme.world, role, name="bob")

    assert bob.browser().get(url_of(acme, room)).status_code == 403


@pytest.mark.parametrize(("button", "role"), [(button, role) for button, role in BUTTONS.items() if role])
def test_button_is_closed_to_other_roles(acme: Furnished, button: str, role: Role) -> None:
    bob = make_person(acme.world, role, name="bob")

    assert bob.browser().post(url_of(acme, button)).status_code == 403


@pytest.mark.parametrize("button", BUTTONS)
def test_button_is_not_a_link(acme: Furnished, button: str) -> None:
    response = acme.owner.browser().get(url_of(acme, button))

    assert response.status_code == 405
    assert response["Allow"] == "POST"
    assert "<h1>" in response.content.decode()


def test_place_that_may_not_be_entered_is_not_shown(acme: Furnished) -> None:
    bob = make_person(acme.world, Role.OPERATOR, name="bob")

    page = bob.browser().get("/").content.decode()

    assert reverse("portal:calls") in page
    assert reverse("portal:people") not in page


def test_dashboard_says_when_a_role_has_nothing_to_see_there(acme: Furnished) -> None:
    ben = make_person(acme.world, Role.BILLING, name="ben")
    bob = make_person(acme.world, Role.VIEWER, name="bob")

    assert "Calls and connections are not part of your role" in text(ben, "/")
    assert "not part of your role" not in text(bob, "/")


def test_withheld_rows_are_counted_for_those_who_see_every_customer(acme: Furnished) -> None:
    """Their number says something of other customers."""
    call = make_call(acme.world, rows_dropped=8765)
    pages = [reverse("portal:dashboard"), reverse("portal:calls"), reverse("portal:call", args=[call.pk])]
    bob = make_person(acme.world, Role.OPERATOR, name="bob")
    several = make_person(acme.world, Role.CUSTOMER_VIEWER, name="carol", customer=acme.world.customers[0])
    with acme.world.acting():
        bind_role(several.user.principal, role=Role.CUSTOMER_VIEWER, customer=acme.world.customers[1], by=SETUP)

    for_all = [text(bob, page) for page in pages]
    for_some = [text(several, page) for page in pages]

    assert [re.search(r"8,?7\d\d", page) is not None for page in for_all] == [True, True, True]
    assert [each for page in for_some for each in re.findall(r"8,?765|withheld|dropped", page)] == []
    assert all(call.tool in page for page in for_some)


def text(person: Person, url: str) -> str:
    """What is to be read on the page, without its addresses."""
    return re.sub(r"<[^>]+>", " ", person.browser().get(url).content.decode())


def test_customer_viewer_sees_that_customer_alone(acme: Furnished) -> None:
    mine, other = acme.world.customers[:2]
    carol = make_person(acme.world, Role.CUSTOMER_VIEWER, name="carol", customer=mine)

    page = carol.browser().get(reverse("portal:customers")).content.decode()

    assert mine.name in page
    assert other.name not in page
    assert carol.browser().get(reverse("portal:customer", args=[other.pk])).status_code == 404
