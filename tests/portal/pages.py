"""Every page of the portal that a furnished tenant has."""

from urllib.parse import urlencode

from django.test import Client as Browser
from django.urls import reverse

from tests.oauth.flow import McpClient
from tests.portal.factories import Furnished
from tests.portal.ids import alert_of, approval_of, event_of, grant_of, imported_of, mapping_of, pack_of, rule_of


def every_page(it: Furnished) -> dict[str, str]:
    pages = {
        name: reverse(f"portal:{name}")
        for name in (
            "approvals", "approval_new", "grants", "grant_new", "host_agents",
            "dashboard", "usage", "billing_plan", "billing_overview", "billing_prices", "billing_exports",
            "billing_limits", "billing_assets", "billing_files",
            "alerts", "notifications", "notification_preferences", "notification_channels", "calls", "audit",
            "audit_trace", "agent_clients", "policy", "policy_rule_new",
            "policy_try", "packs", "pack_witnesses", "pack_domains",
            "connectors", "connector_credentials", "customers", "customer_new", "people", "people_invitations",
            "people_invite", "roles",
            "service_accounts", "service_account_new", "account", "account_name", "account_password", "account_email",
            "account_authenticator", "account_history",
            "bindings", "step_up", "account_sessions", "security", "sign_in_methods",
        )
    }  # fmt: skip
    return pages | {
        "agents": reverse("portal:agents"),
        "agent_connect": McpClient.registered().authorize(Browser())["Location"],
        "agent_connect_web": McpClient.registered("Helper", "https://helper.example/cb").authorize(Browser())[
            "Location"
        ],
        "alert": reverse("portal:alert", args=[alert_of(it)]),
        "approval": reverse("portal:approval", args=[approval_of(it)]),
        "approval_card": reverse("portal:approval_card", args=[approval_of(it)]),
        "approvals_all": f"{reverse('portal:approvals')}?show=",
        "grant": reverse("portal:grant", args=[grant_of(it)]),
        "audit_event": reverse("portal:audit_event", args=[event_of(it)]),
        "policy_rule": reverse("portal:policy_rule", args=[rule_of(it)]),
        "policy_tried": f"{reverse('portal:policy_try')}?{urlencode(tried(it))}",
        "pack": reverse("portal:pack", args=[pack_of(it)]),
        "call": reverse("portal:call", args=[it.call.pk]),
        "refusal": reverse("portal:call", args=[it.refusal.pk]),
        "connector_start": reverse("portal:connector_start", args=["halopsa"]),
        "connector_instance": reverse("portal:connector_instance", args=[it.instance.pk]),
        "connector_tools": reverse("portal:connector_tools", args=[it.instance.pk]),
        "connector_tool": reverse("portal:connector_tool", args=[it.instance.pk, imported_of(it)]),
        "connector_hook": reverse("portal:connector_hook", args=[it.instance.pk]),
        "connector_own": reverse("portal:connector_own", args=[it.instance.pk, mapping_of(it)]),
        "connector_clients": reverse("portal:connector_clients", args=[it.instance.pk]),
        "customer": reverse("portal:customer", args=[it.world.customers[0].pk]),
        "billing_limit": reverse("portal:billing_limit", args=[it.world.customers[0].pk]),
        "signals": reverse("portal:signals"),
        "customer_signals": reverse("portal:customer_signals", args=[it.world.customers[0].pk]),
        "person_sessions": reverse("portal:person_sessions", args=[it.owner.id]),
        "person": reverse("portal:person", args=[it.owner.id]),
        "service_account": reverse("portal:service_account", args=[it.machine.id]),
    }


def tried(it: Furnished) -> dict[str, str]:
    """A question with every kind of answer in it: refused, and by more than one gate."""
    return {"principal": str(it.machine.id), "tool": "halopsa_add_note", "arguments": '{"ticket_id": 1, "note": "x"}'}
