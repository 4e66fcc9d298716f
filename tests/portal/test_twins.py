"""Every screen and button has an API twin with the same permission, or a reason to have none."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone

from connectors import filters as calls
from connectors.models import Signal, SignalPull
from connectors.services import map_customer
from identity.matrix import OWNER, SURFACES
from identity.permissions import Permission
from identity.roles import ROLES, Role
from identity.web import declared_permission
from msplex.decision.verdicts import Gate
from msplex.portal.filters import CallFilter
from tests.identity.factories import SETUP, make_machine
from tests.portal.factories import Furnished, furnish, make_call
from tests.routes import routes
from tests.tenants.furnishing import as_administrator

# room of the portal -> (name of the API's route, method)
TWINS = {
    "account": ("account-list", "get"),
    "account_name": ("account-rename", "post"),
    "account_password": ("account-password", "post"),
    "account_email": ("account-email", "post"),
    "account_authenticator": ("account-authenticator", "post"),
    "account_history": ("account-events", "get"),
    "recovery_codes": ("account-codes", "post"),
    "connector_credentials": ("credential-list", "get"),
    "dashboard": ("dashboard-list", "get"),
    "usage": ("usage-list", "get"),
    "billing_plan": ("billing-plan-list", "get"),
    "billing_overview": ("billing-overview-list", "get"),
    "billing_prices": ("billing-price-list", "post"),
    "billing_exports": ("billing-export-list", "get"),
    "billing_assets": ("billing-asset-list", "get"),
    "billing_limits": ("billing-limit-list", "get"),
    "billing_limit": ("billing-limit-detail", "put"),
    "billing_export": ("billing-export-file", "get"),
    "billing_files": ("billing-file-list", "get"),
    "billing_file_order": ("billing-file-list", "post"),
    "billing_file_download": ("billing-file-download", "get"),
    "notifications": ("notification-list", "get"),
    "notification_bell": ("notification-waiting", "get"),
    "notification_preferences": ("notification-preference-list", "post"),
    "notification_topic": ("notification-preference-topic", "post"),
    "notification_channels": ("notification-channel-list", "post"),
    "notification_secret": ("notification-channel-secret", "post"),
    "notification_token": ("notification-channel-token", "post"),
    "notification_acknowledge": ("notification-acknowledge", "post"),
    "notification_snooze": ("notification-snooze", "post"),
    "alerts": ("alert-list", "get"),
    "alert": ("alert-detail", "get"),
    "alert_acknowledge": ("alert-acknowledge", "post"),
    "audit": ("audit-event-list", "get"),
    "audit_event": ("audit-event-detail", "get"),
    "audit_export": ("audit-event-export", "post"),
    "audit_filter_save": ("saved-filter-list", "post"),
    "audit_filter_remove": ("saved-filter-detail", "delete"),
    "audit_trace": ("audit-event-trace", "get"),
    "packs": ("audit-pack-list", "get"),
    "pack_order": ("audit-pack-list", "post"),
    "pack": ("audit-pack-detail", "get"),
    "pack_progress": ("audit-pack-detail", "get"),
    "pack_download": ("audit-pack-download", "get"),
    "pack_handover": ("audit-pack-list", "post"),
    "pack_witnesses": ("audit-cosignature-list", "post"),
    "pack_domains": ("handover-domain-list", "post"),
    "pack_domain_check": ("handover-domain-check", "post"),
    "pack_domain_remove": ("handover-domain-detail", "delete"),
    "approvals": ("approval-request-list", "get"),
    "approval": ("approval-request-detail", "get"),
    "approval_card": ("approval-request-detail", "get"),
    "approval_new": ("emergency-quorum", "post"),
    "grants": ("held-grant-list", "get"),
    "grant": ("held-grant-detail", "get"),
    "grant_new": ("held-grant-list", "post"),
    "grant_revoke": ("held-grant-revoke", "post"),
    "host_agents": ("host-agent-list", "get"),
    "host_agent_add": ("host-agent-list", "post"),
    "host_agent_code": ("host-agent-code", "post"),
    "host_agent_revoke": ("host-agent-revoke", "post"),
    "approval_approve": ("approval-request-approve", "post"),
    "approval_passkey": ("approval-request-passkey", "post"),
    "approval_reject": ("approval-request-reject", "post"),
    "approval_withdraw": ("approval-request-withdraw", "post"),
    "approval_comment": ("approval-request-comment", "post"),
    "policy": ("tool-rule-list", "get"),
    "policy_rule_new": ("tool-rule-list", "post"),
    "policy_rule": ("tool-rule-detail", "patch"),
    "policy_rule_move": ("tool-rule-move", "post"),
    "policy_rule_remove": ("tool-rule-detail", "delete"),
    "policy_try": ("explanation-list", "post"),
    "agents": ("agent-list", "get"),
    "agent_end": ("agent-end", "post"),
    "signals": ("signal-list", "get"),
    "customer_signals": ("signal-list", "get"),
    "calls": ("tool-call-list", "get"),
    "call": ("tool-call-detail", "get"),
    "connectors": ("connector-list", "get"),
    "connector_start": ("connector-instance-list", "post"),
    "connector_instance": ("connector-instance-detail", "get"),
    "connector_progress": ("connector-instance-detail", "get"),
    "connector_configure": ("connector-instance-configure", "post"),
    "connector_field": ("connector-instance-configure", "post"),
    "connector_check": ("connector-instance-check", "post"),
    "connector_activate": ("connector-instance-activate", "post"),
    "connector_deactivate": ("connector-instance-deactivate", "post"),
    "connector_retire": ("connector-instance-retire", "post"),
    "connector_resume": ("connector-instance-resume", "post"),
    "connector_client_source": ("connector-instance-client-source", "post"),
    "connector_client_source_forget": ("connector-instance-client-source", "delete"),
    "connector_hook": ("connector-instance-webhook", "get"),
    "connector_hook_make": ("connector-instance-webhook", "post"),
    "connector_hook_rotate": ("connector-instance-rotate-webhook", "post"),
    "connector_hook_remove": ("connector-instance-webhook", "delete"),
    "connector_tools": ("imported-tool-list", "get"),
    "connector_tools_discover": ("imported-tool-discover", "post"),
    "connector_tools_describe": ("imported-tool-describe", "post"),
    "connector_tool": ("imported-tool-classify", "post"),
    "connector_tool_expose": ("imported-tool-expose", "post"),
    "connector_tool_try": ("imported-tool-dry-runs", "post"),
    "connector_tool_withdraw": ("imported-tool-withdraw", "post"),
    "connector_clients": ("connector-instance-mapping-state", "get"),
    "connector_clients_fetch": ("connector-instance-fetch-clients", "post"),
    "connector_clients_confirm": ("connector-instance-confirm-suggestions", "post"),
    "connector_map": ("connector-instance-mappings", "post"),
    "connector_own": ("connector-instance-own-credential", "post"),
    "connector_own_remove": ("connector-instance-own-credential", "delete"),
    "connector_own_check": ("connector-instance-check-own-credential", "post"),
    "connector_own_only": ("connector-instance-own-credentials-only", "post"),
    "connector_unmap": ("connector-instance-unmap", "delete"),
    "customers": ("customer-list", "get"),
    "customer_new": ("customer-list", "post"),
    "customer": ("customer-detail", "get"),
    "customer_domains": ("customer-domains", "put"),
    "customer_archive": ("customer-archive", "post"),
    "people": ("member-list", "get"),
    "people_invitations": ("invitation-list", "get"),
    "people_invite": ("invitation-list", "post"),
    "people_resend": ("invitation-resend", "post"),
    "people_withdraw": ("invitation-withdraw", "post"),
    "person": ("member-detail", "get"),
    "person_disable": ("member-disable", "post"),
    "person_enable": ("member-enable", "post"),
    "person_reset": ("member-reset", "post"),
    "person_bind": ("member-bind", "post"),
    "person_unbind": ("member-unbind", "delete"),
    "roles": ("role-list", "get"),
    "bindings": ("binding-list", "get"),
    "step_up": ("second-factor-list", "post"),
    "step_up_passkey": ("second-factor-passkey", "post"),
    "security": ("security-policy-list", "get"),
    "account_sessions": ("session-list", "get"),
    "account_session_revoke": ("session-revoke", "post"),
    "account_sessions_revoke": ("session-revoke-all", "post"),
    "sign_in_methods": ("passkey-list", "get"),
    "own_passkey_new": ("passkey-list", "post"),
    "own_passkey_rename": ("passkey-detail", "patch"),
    "own_passkey_remove": ("passkey-detail", "delete"),
    "service_accounts": ("service-account-list", "get"),
    "service_account_new": ("service-account-list", "post"),
    "service_account": ("service-account-detail", "get"),
    "service_account_disable": ("service-account-disable", "post"),
    "service_account_enable": ("service-account-enable", "post"),
    "service_account_bind": ("service-account-bind", "post"),
    "service_account_amend": ("service-account-detail", "patch"),
    "service_account_key_add": ("service-account-keys", "post"),
    "service_account_key_revoke": ("service-account-key-revoke", "delete"),
    "service_account_rotate": ("service-account-secrets", "post"),
    "service_account_revoke": ("service-account-revoke", "delete"),
    "service_account_revoke_all": ("service-account-secrets", "delete"),
    "service_account_unbind": ("service-account-unbind", "delete"),
}
BY_ITSELF = {
    "agent_clients": "the gateway's address, as a person's client wants to be told it; a program has it already",
    "agent_connect": "a person's consent, in the browser that a client has opened; its answer is the client's",
    "theme": "a cookie of this browser",
    "person_sessions": "the API has one list of sessions: everyone's own, and theirs for those who see people",
    "person_session_revoke": "as person_sessions; the service asks who may manage whom",
    "person_sessions_revoke": "as person_sessions; the service asks who may manage whom",
}


ROOMS = {route.name.removeprefix("portal:"): route for route in routes("portal") if not route.declared.public}
API = {route.name.removeprefix("api:"): route for route in routes("api")}


def test_every_room_has_a_twin_or_a_reason() -> None:
    assert set(ROOMS) == set(TWINS) | set(BY_ITSELF)
    assert not set(TWINS) & set(BY_ITSELF)


@pytest.mark.parametrize("room", TWINS)
def test_the_twin_needs_the_same_permission(room: str) -> None:
    name, method = TWINS[room]
    actions = _permissions(name)

    assert actions[method] == ROOMS[room].declared.permission


def _permissions(name: str) -> dict[str, Permission]:
    """By method. DRF gives each method of one address a route of its own name or not, as it likes."""
    view = resolve(API[name].address(**dict.fromkeys(API[name].parameters, str(uuid4())))).func
    actions = declared_permission(view).actions  # type: ignore[union-attr]
    assert actions is not None
    return dict(actions)


def test_the_api_narrows_calls_by_all_that_the_portal_does() -> None:
    assert set(calls.CallFilter.base_filters) == set(CallFilter.base_filters)


@pytest.fixture(scope="module")
def acme(_database: None) -> Furnished:
    return furnish("acme")


def api(it: Furnished, role: Role = Role.ADMIN, **kwargs: Any) -> Client:
    return make_machine(it.world, role, **kwargs).api()


QUERIES: list[tuple[Callable[[Furnished], dict[str, object]], str]] = [
    (lambda _: {"state": "refused"}, "refusal"),
    (lambda _: {"gate": "evaluate_policy"}, "refusal"),
    (lambda _: {"tool": "halopsa_list", "state": "succeeded"}, "call"),
    (lambda _: {"tool": "tickets"}, ""),
    (lambda it: {"customer": it.world.customers[1].pk}, "other"),
    (lambda _: {"caller": "REPORT"}, "other"),
    (lambda it: {"principal": it.call.principal_id}, "call"),
    (lambda it: {"instance": it.instance.pk}, "call"),
    (lambda _: {"instance": uuid4()}, ""),
    (lambda _: {"customer": uuid4()}, ""),
    (lambda it: {"principal": it.call.principal_id, "state": "refused"}, ""),
]


@pytest.mark.parametrize(("query", "fits"), QUERIES)
def test_calls_are_narrowed_over_the_api(query: Callable[[Furnished], dict[str, object]], fits: str) -> None:
    it = furnish("acme")
    other = make_call(it.world, customer=it.world.customers[1], principal_label="reports", state="failed", tool="x")

    rows = api(it).get("/api/v1/tool-calls/", query(it)).json()["results"]

    known = {str(it.call.pk): "call", str(it.refusal.pk): "refusal", str(other.pk): "other"}
    assert [known[row["id"]] for row in rows] == ([fits] if fits else [])


@pytest.mark.parametrize("query", [{"customer": "acme"}, {"state": "done"}, {"instance": "1"}, {"principal": "*"}])
def test_a_narrowing_that_cannot_be_meant_is_refused(acme: Furnished, query: dict[str, str]) -> None:
    response = api(acme).get("/api/v1/tool-calls/", query)

    assert response.status_code == 400
    assert list(response.json()["fields"]) == list(query)


def test_the_dashboard_over_the_api_says_what_the_screen_does() -> None:
    it = furnish("acme")

    seen = api(it).get("/api/v1/dashboard/").json()

    screen = it.owner.browser().get(reverse("portal:dashboard")).context
    assert [figure.value for figure in screen["figures"]] == [
        str(seen["counts"][name]) for name in ("today", "refused_today", "failed_today", "withheld_week")
    ]
    assert seen["counts"] == {
        "today": 2, "week": 2, "refused_today": 1, "failed_today": 0, "withheld_week": 4, "longest_wait_ms": None,
    }  # fmt: skip
    assert seen["refusals"] == [{"gate": Gate.EVALUATE_POLICY, "count": 1, "days": [0, 0, 0, 0, 0, 0, 1]}]
    assert [connection["id"] for connection in seen["connections"]] == [str(it.instance.pk)]
    assert seen["progress"] == {"customer": True, "active": False, "mapped": True, "automation": True}


def test_the_dashboard_over_the_api_shows_each_what_it_may_see(acme: Furnished) -> None:
    customers = (acme.world.customers[0],)

    viewer, billing, customer = (
        client.get("/api/v1/dashboard/").json()
        for client in (
            api(acme, Role.VIEWER),
            api(acme, Role.BILLING),
            api(acme, Role.CUSTOMER_VIEWER, customers=customers),
        )
    )

    assert viewer["progress"] is None
    assert viewer["counts"]["withheld_week"] is not None
    assert set(billing.values()) == {None}
    assert customer["counts"]["today"] == 2
    assert customer["counts"]["withheld_week"] is None
    assert [connection["id"] for connection in customer["connections"]] == [str(acme.instance.pk)]


def test_the_roles_over_the_api_are_the_catalogue(acme: Furnished) -> None:
    listed = api(acme, Role.BILLING).get("/api/v1/roles/").json()

    assert [role["role"] for role in listed] == list(Role)
    assert [role["label"] for role in listed] == [ROLES[role].label for role in Role]
    assert [set(role["permissions"]) for role in listed] == [set(ROLES[role].permissions) for role in Role]
    assert [role["reach"] for role in listed] == [
        "whole MSP", "whole MSP", "whole MSP", "either", "either", "one customer", "one customer",
    ]  # fmt: skip
    surfaces = {each["name"]: each["everywhere"] for each in listed[0]["surfaces"]}
    assert surfaces == {each.label: OWNER in each.bearers for each in SURFACES}


def test_signals_are_each_customers_own_and_of_strangers_only_the_number_for_those_who_see_all() -> None:
    it = furnish("acme")
    first, second = it.world.customers[:2]
    with as_administrator(), it.world.acting():
        map_customer(it.instance, customer=second, external_id="12", by=SETUP)
        for customer, owner, title in ((first, "11", "Disk of the first"), (second, "12", "Disk of the second")):
            Signal.objects.create(
                instance=it.instance, customer=customer, kind="alert", external_id="1", owner=owner, title=title,
                seen_at=timezone.now(),
            )  # fmt: skip
        SignalPull.objects.create(instance=it.instance, pulled_at=timezone.now(), kept=2, unmapped=7)
    browser, theirs = it.owner.browser(), api(it, Role.CUSTOMER_VIEWER, customers=(first,))

    everything = browser.get(reverse("portal:signals")).content.decode()
    one = browser.get(reverse("portal:customer_signals", args=[first.pk])).content.decode()
    rows = theirs.get("/api/v1/signals/").json()["results"]
    over = browser.get(reverse("portal:signals"), {"state": "resolved"}).content.decode()

    assert "Disk of the first" in everything
    assert "Disk of the second" in everything
    assert "Disk of the first" in one
    assert "Disk of the second" not in one
    assert [row["title"] for row in rows] == ["Disk of the first"]
    assert "No signal fits these filters" in over
    assert (
        api(it).get("/api/v1/signals/", {"customer": str(second.pk)}).json()["results"][0]["title"].endswith("second")
    )
    assert api(it).get("/api/v1/signals/", {"severity": "bad"}).status_code == 400
    assert api(it).get("/api/v1/dashboard/").json()["signals"] == {"alert": 2, "sla": 0, "devices": 0, "cves": 0}
    assert [pull["unmapped"] for pull in api(it).get("/api/v1/signals/pulls/").json()] == [7]
    assert [pull["unmapped"] for pull in theirs.get("/api/v1/signals/pulls/").json()] == [None]
    assert "Without a customer" in everything
    assert theirs.get("/api/v1/signals/", {"customer": str(second.pk)}).json()["results"] == []
