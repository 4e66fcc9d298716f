"""What each role can do, address by address. The Roles page and its API twin show this table; a test holds every
address of the portal and every action of the API to it, for every role. It is written by hand on purpose: what the
views declare is checked against it, not copied into it.

An address is the name of a portal's view, or `resource.action` of the API.
"""

from identity.bearers import (
    ADMINS,
    ALL_BUT_BILLING,
    BEARERS,
    BILLING,
    EVERYBODY,
    MANAGES_PEOPLE,
    OPERATOR,
    OPERATOR_OF_ONE,
    OWNER,
    READS_ALERTS,
    READS_EVENTS,
    READS_USAGE,
    SETS_UP,
    VIEWER,
    Bearer,
    Surface,
)

__all__ = ["BEARERS", "OWNER", "SURFACES", "Bearer", "Surface", "surfaces_of"]

SURFACES = (
    Surface("Overview", "Dashboard", EVERYBODY, reads=("dashboard", "dashboard.list")),
    Surface("Overview", "See what roles can do", EVERYBODY, reads=("roles", "role.list")),
    Surface(
        "Customers", "See customers", EVERYBODY,
        reads=("customers", "customer", "customer.list", "customer.retrieve"),
    ),
    Surface(
        "Customers", "Add customers", ADMINS,
        reads=("customer_new",), changes=("customer_new", "customer.create"),
        why_unconfirmed="A new customer gives nobody access to anything.",
    ),
    Surface(
        "Customers", "Say which domains are a customer's", ADMINS,
        changes=("customer_domains", "customer.domains"),
        why_unconfirmed="They only help to suggest mappings, which a person confirms.",
    ),
    Surface("Customers", "Archive customers", ADMINS, confirmed=("customer_archive", "customer.archive")),
    Surface(
        "Connectors", "See the catalogue and connections", ALL_BUT_BILLING,
        reads=(
            "connectors", "connector_instance", "connector_progress", "connector.list", "connector.retrieve",
            "connector-instance.list", "connector-instance.retrieve", "connector-instance.mappings",
            "connector_clients", "connector-instance.clients", "connector-instance.mapping_state",
            "connector-instance.suggestions",
        ),
    ),
    Surface(
        "Connectors", "Set up, check, switch and map connections", SETS_UP,
        reads=("connector_start",),
        changes=(
            "connector_start", "connector_field", "connector_check", "connector_own_check", "connector_activate",
            "connector_deactivate", "connector_map", "connector_unmap", "connector-instance.create",
            "connector-instance.check", "connector-instance.check_own_credential", "connector-instance.activate",
            "connector-instance.deactivate", "connector-instance.map", "connector-instance.unmap",
            "connector_clients_fetch", "connector_clients_confirm", "connector-instance.fetch_clients",
            "connector-instance.confirm_suggestions",
        ),
        why_unconfirmed="Daily operations: no credential and nobody's rights change.",
    ),
    Surface(
        "Connectors", "See whose and how old credentials are, and how far they are re-keyed", SETS_UP,
        reads=("connector_credentials", "credential.list", "credential.keys"),
    ),
    Surface(
        "Connectors", "See the tools of a server or a description, look for them and withdraw them", SETS_UP,
        reads=("connector_tools", "connector_tool", "imported-tool.list", "imported-tool.retrieve"),
        changes=(
            "connector_tools_discover", "connector_tool_withdraw", "imported-tool.discover", "imported-tool.withdraw",
            "connector_tools_describe", "imported-tool.describe",
        ),
        why_unconfirmed="A look exposes nothing, and a tool that is withdrawn gives nobody anything.",
    ),
    Surface(
        "Connectors", "Say which tool of an MCP server lists its clients", SETS_UP,
        reads=("connector-instance.client_source",),
        confirmed=("connector_client_source", "connector-instance.declare_client_source"),
    ),
    Surface(
        "Connectors", "Let the list of an MCP server's clients be", SETS_UP,
        changes=("connector_client_source_forget", "connector-instance.forget_client_source"),
        why_unconfirmed="Nothing is asked any more; what people have mapped stays.",
    ),
    Surface(
        "Connectors", "Declare, try and expose the tools of a server or a description", SETS_UP,
        reads=("imported-tool.dry_runs",),
        confirmed=(
            "connector_tool", "connector_tool_expose", "imported-tool.classify", "imported-tool.expose",
            "connector_tool_try", "imported-tool.try_dry",
        ),
    ),
    Surface(
        "Connectors", "Resume a connection's risky tools, when the outcome of a call was unknown", SETS_UP,
        confirmed=("connector_resume", "connector-instance.resume"),
    ),
    Surface(
        "Connectors", "See a connection's webhook, make one, replace its secret, remove it", SETS_UP,
        reads=("connector_hook", "connector-instance.webhook"),
        confirmed=(
            "connector_hook_make", "connector_hook_rotate", "connector_hook_remove",
            "connector-instance.make_webhook", "connector-instance.rotate_webhook", "connector-instance.remove_webhook",
        ),
    ),
    Surface(
        "Connectors", "Retire a connection for good", SETS_UP,
        confirmed=("connector_retire", "connector-instance.retire"),
    ),
    Surface(
        "Connectors", "Store a connection's settings and credential", SETS_UP,
        confirmed=("connector_configure", "connector-instance.configure"),
    ),
    Surface(
        "Connectors", "Enter or remove a customer's own credential, and say whether only such count", SETS_UP,
        reads=("connector_own",),
        confirmed=(
            "connector_own", "connector_own_remove", "connector_own_only", "connector-instance.own_credential",
            "connector-instance.remove_own_credential", "connector-instance.own_credentials_only",
        ),
    ),
    Surface(
        "Connectors", "See signals", ALL_BUT_BILLING,
        reads=("signals", "customer_signals", "signal.list", "signal.pulls"),
    ),
    Surface(
        "Tool calls", "See tool calls", ALL_BUT_BILLING,
        reads=("calls", "call", "tool-call.list", "tool-call.retrieve"),
    ),
    Surface(
        "Approvals", "See requests for approval", ALL_BUT_BILLING,
        reads=("approvals", "approval", "approval_card", "approval-request.list", "approval-request.retrieve"),
    ),
    Surface(
        "Approvals", "Ask for approval before calling, and withdraw it", SETS_UP | {OPERATOR_OF_ONE},
        reads=("approval_new",),
        changes=("approval_new", "emergency.quorum", "approval_withdraw", "approval-request.withdraw"),
        why_unconfirmed="It runs nothing: others have to agree.",
    ),
    Surface(
        "Approvals", "See grants that hosts hold in advance", ALL_BUT_BILLING,
        reads=("grants", "grant", "held-grant.list", "held-grant.retrieve"),
    ),
    Surface(
        "Approvals", "Ask for such a grant, and revoke one", SETS_UP | {OPERATOR_OF_ONE},
        reads=("grant_new",), changes=("grant_new", "held-grant.create", "grant_revoke", "held-grant.revoke"),
        why_unconfirmed="Asking takes one's own second factor, spent for it alone; revoking only stops.",
    ),
    Surface(
        "Approvals", "See host agents", ADMINS,
        reads=("host_agents", "host-agent.list", "host-agent.retrieve"),
    ),
    Surface(
        "Approvals", "Add and revoke host agents", ADMINS,
        confirmed=(
            "host_agent_add", "host_agent_code", "host_agent_revoke", "host-agent.create", "host-agent.code",
            "host-agent.revoke",
        ),
    ),
    Surface(
        "Approvals", "Vote on requests, and comment", SETS_UP | {OPERATOR_OF_ONE},
        changes=(
            "approval_approve", "approval_passkey", "approval_reject", "approval_comment", "approval-request.approve",
            "approval-request.passkey_options", "approval-request.passkey", "approval-request.reject",
            "approval-request.comment",
        ),
        why_unconfirmed="An approval takes its own second factor, spent for it alone; a rejection only stops.",
    ),
    Surface(
        "Tool calls", "See the tool policy, and try a call against it", ADMINS | {OPERATOR, VIEWER},
        reads=("policy", "policy_try", "tool-rule.list", "tool-rule.retrieve"), changes=("explanation.create",),
        why_unconfirmed="It is a question: nothing is sent, counted or changed.",
    ),
    Surface(
        "Tool calls", "Edit the tool policy", ADMINS,
        reads=("policy_rule_new", "policy_rule"),
        confirmed=(
            "policy_rule_new", "policy_rule", "policy_rule_move", "policy_rule_remove", "tool-rule.create",
            "tool-rule.partial_update", "tool-rule.destroy", "tool-rule.move",
        ),
    ),
    Surface("Billing", "See usage", READS_USAGE, reads=("usage", "usage.list")),
    Surface(
        "Billing", "See the plan and the estimates for customers, take exports", ADMINS | {BILLING},
        reads=(
            "billing_plan", "billing_overview", "billing_exports", "billing_export", "billing-plan.list",
            "billing-overview.list", "billing-export.list", "billing-export.file", "billing_limits",
            "billing-limit.list", "billing_assets", "billing-asset.list", "billing_files", "billing_file_download",
            "billing-file.list", "billing-file.retrieve", "billing-file.download",
        ),
        changes=("billing_file_order", "billing-file.create"),
        why_unconfirmed="A file that is ordered holds what its orderer may take at once, and changes nothing of it.",
    ),
    Surface(
        "Billing", "Change the price list", ADMINS,
        reads=("billing_prices",), confirmed=("billing_prices", "billing-price.create"),
    ),
    Surface(
        "Billing", "Change how many calls a customer may use", ADMINS,
        reads=("billing_limit",), confirmed=("billing_limit", "billing-limit.update"),
    ),
    Surface(
        "Audit", "Search the log, and trace calls through it", READS_EVENTS,
        reads=(
            "audit", "audit_event", "audit_trace",
            "audit-event.list", "audit-event.retrieve", "audit-event.trace",
            "audit-log.list", "audit-log.checkpoint", "audit-log.inclusion", "audit-log.consistency", "audit-log.tile",
        ),
    ),
    Surface(
        "Your account", "See what you are told, acknowledge it, put it off", EVERYBODY,
        reads=(
            "notifications", "notification_bell", "notification.list", "notification.retrieve", "notification.waiting",
        ),
        changes=(
            "notification_acknowledge", "notification_snooze", "notification.acknowledge", "notification.snooze",
        ),
        why_unconfirmed="It opens nothing and undoes nothing: what it is about stays as it is.",
    ),
    Surface(
        "Your account", "Say how you are told", EVERYBODY,
        reads=("notification_preferences", "notification-preference.list"),
        changes=(
            "notification_preferences", "notification_topic", "notification-preference.create",
            "notification-preference.topic",
        ),
        why_unconfirmed="What a person is told, they see in the portal in any case; nobody else is told anything.",
    ),
    Surface(
        "Security", "Say where notifications go", frozenset({OWNER}),
        reads=("notification_channels", "notification-channel.list", "notification-channel.undelivered"),
        confirmed=(
            "notification_channels", "notification_secret", "notification_token", "notification-channel.create",
            "notification-channel.secret", "notification-channel.token",
        ),
    ),
    Surface("Audit", "See alerts", READS_ALERTS, reads=("alerts", "alert", "alert.list", "alert.retrieve")),
    Surface(
        "Audit", "Acknowledge alerts", SETS_UP, changes=("alert_acknowledge", "alert.acknowledge"),
        why_unconfirmed="It opens nothing and undoes nothing, and what happens after it raises a new alert.",
    ),
    Surface(
        "Evidence", "See and take home audit packs, and what witnesses handed in", READS_EVENTS,
        reads=(
            "packs", "pack", "pack_progress", "pack_download", "pack_witnesses", "audit-pack.list",
            "audit-pack.retrieve", "audit-pack.download", "audit-cosignature.list", "audit-cosignature.retrieve",
        ),
    ),
    Surface(
        "Evidence", "Ask for packs, hand in cosignatures", READS_EVENTS,
        changes=("pack_order", "pack_handover", "pack_witnesses", "audit-pack.create", "audit-cosignature.create"),
        why_unconfirmed="It shows nobody more than they may read, and a cosignature only adds evidence.",
    ),
    Surface(
        "Evidence", "See handover domains, and look for their proof again", frozenset({OWNER}),
        reads=("pack_domains", "handover-domain.list", "handover-domain.retrieve"),
        changes=("pack_domain_check", "handover-domain.check"),
        why_unconfirmed="A domain counts only while its proof is found.",
    ),
    Surface(
        "Evidence", "Add and remove handover domains", frozenset({OWNER}),
        confirmed=("pack_domains", "pack_domain_remove", "handover-domain.create", "handover-domain.destroy"),
    ),
    Surface(
        "People", "See people and their roles", MANAGES_PEOPLE,
        reads=("people", "person", "member.list", "member.retrieve"),
    ),
    Surface(
        "People", "See invitations", MANAGES_PEOPLE,
        reads=("people_invitations", "invitation.list", "invitation.retrieve"),
    ),
    Surface(
        "People", "Invite people, send again and withdraw invitations", MANAGES_PEOPLE,
        reads=("people_invite",),
        confirmed=(
            "people_invite", "people_resend", "people_withdraw",
            "invitation.create", "invitation.resend", "invitation.withdraw",
        ),
    ),
    Surface(
        "People", "Give and take roles, disable, enable, reset factors", MANAGES_PEOPLE,
        confirmed=(
            "person_bind", "person_unbind", "person_disable", "person_enable", "person_reset",
            "member.bind", "member.unbind", "member.disable", "member.enable", "member.reset_factors",
        ),
    ),
    Surface("People", "See what was done to an account", READS_EVENTS, reads=("member.events",)),
    Surface("People", "See people's sessions", MANAGES_PEOPLE, reads=("person_sessions",)),
    Surface(
        "People", "End people's sessions", MANAGES_PEOPLE, changes=("person_session_revoke", "person_sessions_revoke"),
        why_unconfirmed="It takes away and never gives: whoever is signed out signs in again.",
    ),
    Surface("People", "Look up who has which role", MANAGES_PEOPLE, reads=("bindings", "binding.list")),
    Surface(
        "Service accounts", "See service accounts", ADMINS,
        reads=(
            "service_accounts", "service_account", "service-account.list", "service-account.retrieve",
            "service-account.secrets", "service-account.keys",
        ),
    ),
    Surface(
        "Service accounts", "Create service accounts", ADMINS,
        reads=("service_account_new",), confirmed=("service_account_new", "service-account.create"),
    ),
    Surface(
        "Service accounts", "Rotate and revoke their secrets and keys, change owner and address ranges", ADMINS,
        confirmed=(
            "service_account_key_add", "service_account_key_revoke", "service-account.add_key",
            "service-account.revoke_key",
            "service_account_rotate", "service_account_revoke", "service_account_revoke_all", "service_account_amend",
            "service-account.rotate", "service-account.revoke", "service-account.revoke_all",
            "service-account.partial_update",
        ),
    ),
    Surface(
        "Service accounts", "Change their roles, disable and enable them", ADMINS,
        confirmed=(
            "service_account_bind", "service_account_unbind", "service_account_disable", "service_account_enable",
            "service-account.bind", "service-account.unbind", "service-account.disable", "service-account.enable",
        ),
    ),
    Surface("Security", "See how strict signing in is", frozenset({OWNER}), reads=("security", "security-policy.list")),
    Surface(
        "Security", "Change how strict signing in is", frozenset({OWNER}),
        confirmed=("security", "security-policy.create"),
    ),
    Surface(
        "Your account", "See and dress your account", EVERYBODY,
        reads=("account", "account_history", "account.list", "account.events"), changes=("theme",),
        why_unconfirmed="Colours.",
    ),
    Surface(
        "Your account", "Export what you see of the log", READS_EVENTS, changes=("audit_export", "audit-event.export"),
        why_unconfirmed="It shows nothing that the list does not show, and it is on the record.",
    ),
    Surface(
        "Your account", "Save filters of the log", READS_EVENTS, reads=("saved-filter.list",),
        changes=("audit_filter_save", "audit_filter_remove", "saved-filter.create", "saved-filter.destroy"),
        why_unconfirmed="A name for a search opens nothing.",
    ),
    Surface(
        "Your account", "Confirm your second factor", EVERYBODY,
        reads=("step_up", "second-factor.list"),
        changes=(
            "step_up", "step_up_passkey", "second-factor.create", "second-factor.passkey",
            "second-factor.passkey_options",
        ),
        why_unconfirmed="It takes the second factor itself.",
    ),
    Surface(
        "Your account", "Change your name", EVERYBODY,
        reads=("account_name",), changes=("account_name", "account.rename"),
        why_unconfirmed="A name opens nothing.",
    ),
    Surface(
        "Your account", "Change your password", EVERYBODY,
        reads=("account_password",), changes=("account_password", "account.password"),
        why_unconfirmed="It asks for the current password itself, and the second factor stays as it is.",
    ),
    Surface(
        "Your account", "Change your email address", EVERYBODY,
        reads=("account_email",), confirmed=("account_email", "account.email"),
    ),
    Surface(
        "Your account", "Change your authenticator app", EVERYBODY,
        reads=("account_authenticator",), secret=("account_authenticator",),
        confirmed=("account_authenticator", "account.authenticator", "account.confirm_authenticator"),
    ),
    Surface(
        "Your account", "Make new recovery codes", EVERYBODY, confirmed=("recovery_codes", "account.recovery_codes"),
    ),
    Surface(
        "Your account", "See your ways to sign in", EVERYBODY,
        reads=("sign_in_methods", "passkey.list", "passkey.retrieve"),
    ),
    Surface(
        "Your account", "Add and remove passkeys", EVERYBODY,
        confirmed=("own_passkey_new", "own_passkey_remove", "passkey.create", "passkey.destroy"),
    ),
    Surface(
        "Your account", "Name passkeys, and begin to add one", EVERYBODY,
        changes=("own_passkey_rename", "passkey.partial_update", "passkey.options_for_new"),
        why_unconfirmed="A name opens nothing, and a passkey that was begun lets nobody in before it is added.",
    ),
    Surface("Your account", "See sessions", EVERYBODY, reads=("account_sessions", "session.list", "session.retrieve")),
    Surface(
        "Your account", "End sessions", EVERYBODY,
        changes=("account_session_revoke", "account_sessions_revoke", "session.revoke", "session.revoke_all"),
        why_unconfirmed="It takes away and never gives: whoever is signed out signs in again.",
    ),
    Surface("Your account", "See agents", EVERYBODY, reads=("agents", "agent_clients", "agent.list", "agent.retrieve")),
    Surface("Your account", "Connect an agent", EVERYBODY, reads=("agent_connect",), confirmed=("agent_connect",)),
    Surface(
        "Your account", "Disconnect agents", EVERYBODY, changes=("agent_end", "agent.end"),
        why_unconfirmed="It takes away and never gives: an agent comes back by a person's consent only.",
    ),
)  # fmt: skip


def surfaces_of(address: str) -> list[Surface]:
    return [surface for surface in SURFACES if address in surface.addresses]
