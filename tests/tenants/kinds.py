"""What kind every table of a tenant is, written down: opening one is a change of this file, for everybody to see.

A kind is what its restrictive policies say, as PostgreSQL gives them back. docs/isolation.md explains the names.
"""

from dataclasses import dataclass
from uuid import UUID

ALL = "( SELECT msplex.all_customers() AS all_customers)"
SCOPE = "ANY (( SELECT msplex.customers() AS customers)::uuid[])"
SELF = "( SELECT msplex.principal() AS principal)"
SELECT, INSERT, UPDATE, DELETE, ANY = "r", "a", "w", "d", "*"


@dataclass(frozen=True)
class Kind:
    """`conditions`: by command (pg_policy.polcmd), what holds a context that does not have every customer."""

    name: str
    conditions: tuple[tuple[str, str], ...]

    def seen(self, command: str, *, customer: UUID, principal: UUID) -> str:
        """The condition for such a context, in plain SQL: what a row must be for the command to reach it."""
        conditions = dict(self.conditions)
        condition = conditions.get(command, conditions.get(ANY, "true"))
        for said, meant in (ALL, "false"), (SCOPE, f"ANY ('{{{customer}}}'::uuid[])"), (SELF, f"'{principal}'::uuid"):
            condition = condition.replace(said, meant)
        return condition


STAFF = Kind("staff", ((ANY, ALL),))
SHARED = Kind("shared", ((INSERT, ALL), (UPDATE, ALL), (DELETE, ALL)))
READ_ONLY = Kind("read only", ())
NOTED = Kind("noted", ((UPDATE, ALL), (DELETE, ALL)))
OPEN = Kind("open", ((ANY, f"({ALL} IS NOT NULL)"),))


def of_customer(column: str) -> Kind:
    return Kind(f"the customer's in {column}", ((ANY, f"({ALL} OR ({column} = {SCOPE}))"),))


def own(column: str) -> Kind:
    return Kind(f"its own in {column}", ((ANY, f"({ALL} OR ({column} = {SELF}))"),))


def own_read(column: str) -> Kind:
    seen = f"({ALL} OR ({column} = {SELF}))"
    return Kind(f"its own to read in {column}", ((SELECT, seen), (INSERT, ALL), (UPDATE, ALL), (DELETE, ALL)))


def aimed(column: str) -> Kind:
    seen = f"(({column} IS NULL) OR {ALL} OR ({column} = {SCOPE}))"
    return Kind(f"everybody's, or of {column}", ((SELECT, seen), (INSERT, ALL), (UPDATE, ALL), (DELETE, ALL)))


def own_or_of_customer(column: str) -> Kind:
    seen = f"({ALL} OR (customer_id = {SCOPE}) OR ({column} = {SELF}))"
    return Kind(f"its own in {column}, or the customer's", ((ANY, seen),))


def log(column: str) -> Kind:
    seen = f"({ALL} OR ({column} = {SCOPE}))"
    added = f"(({column} IS NULL) OR {ALL} OR ({column} = {SCOPE}))"
    return Kind(f"log of {column}", ((SELECT, seen), (INSERT, added), (UPDATE, seen), (DELETE, seen)))


def own_or_in_scope(column: str, *, own_written: bool) -> Kind:
    seen = f"({ALL} OR (customer_id = {SCOPE}) OR ({column} = {SELF}))"
    others = f"({ALL} OR ((customer_id = {SCOPE}) AND ({column} <> {SELF})))"
    written = seen if own_written else others
    name = f"its own in {column}, and the customer's"
    return Kind(name, ((SELECT, seen), (INSERT, written), (UPDATE, written), (DELETE, written)))


KINDS: dict[str, Kind] = {
    "approvals_approvalrequest": of_customer("customer_id"),
    "approvals_comment": of_customer("customer_id"),
    "approvals_executiongrant": of_customer("customer_id"),
    "approvals_grantuse": of_customer("customer_id"),
    "approvals_heldgrant": of_customer("customer_id"),
    "approvals_hostagent": of_customer("customer_id"),
    "approvals_notification": of_customer("customer_id"),
    "approvals_delivery": STAFF,
    "approvals_notificationchannels": STAFF,
    "approvals_notificationpreferences": own("person_id"),
    "approvals_notificationcursor": STAFF,
    "approvals_notificationevent": STAFF,
    "approvals_ntfytoken": STAFF,
    "approvals_recipient": own("person_id"),
    "approvals_preview": of_customer("customer_id"),
    "approvals_toolrule": aimed("customer_id"),
    "approvals_vote": of_customer("customer_id"),
    "audit_alert": log("customer_id"),
    "audit_alerthit": NOTED,
    "audit_checkpoint": SHARED,
    "audit_checkpointsignature": SHARED,
    "audit_epoch": SHARED,
    "audit_cosignature": of_customer("customer_id"),
    "audit_event": log("customer_id"),
    "audit_handoverdomain": SHARED,
    "audit_pack": of_customer("customer_id"),
    "audit_packpiece": of_customer("customer_id"),
    "audit_signaturerequest": of_customer("customer_id"),
    "audit_leaf": of_customer("customer_id"),
    "audit_savedfilter": own("owner_id"),
    "audit_tile": SHARED,
    "billing_closedmonth": SHARED,
    "billing_customercounter": of_customer("customer_id"),
    "billing_exportfile": STAFF,
    "billing_exportpiece": STAFF,
    "billing_gaugesample": log("customer_id"),
    "billing_planversion": STAFF,
    "billing_pricelist": STAFF,
    "billing_quotacounter": OPEN,
    "billing_rollupmark": SHARED,
    "billing_subscriptionperiod": STAFF,
    "billing_usagecorrection": log("customer_id"),
    "billing_usageevent": of_customer("customer_id"),
    "billing_usagerollup": log("customer_id"),
    "connectors_adoptedsecret": STAFF,
    "connectors_clientlist": STAFF,
    "connectors_clientsource": STAFF,
    "connectors_connectorinstance": SHARED,
    "connectors_credential": aimed("customer_id"),
    "connectors_customermapping": of_customer("customer_id"),
    "connectors_discovery": SHARED,
    "connectors_dryrun": of_customer("customer_id"),
    "connectors_healthcheck": SHARED,
    "connectors_hook": STAFF,
    "connectors_hookdelivery": STAFF,
    "connectors_idempotencykey": of_customer("customer_id"),
    "connectors_importedtool": SHARED,
    "connectors_keptanswer": of_customer("customer_id"),
    "connectors_owncredential": of_customer("customer_id"),
    "connectors_pause": NOTED,
    "connectors_sealedsecret": STAFF,
    "connectors_signal": of_customer("customer_id"),
    "connectors_signalpull": SHARED,
    "connectors_toolcall": log("customer_id"),
    "connectors_vendorclient": STAFF,
    "identity_agentsession": own("user_id"),
    "identity_attempts": STAFF,
    "identity_customerpermission": of_customer("customer_id"),
    "identity_emailchange": own("user_id"),
    "identity_invitation": of_customer("customer_id"),
    "identity_mail": log("customer_id"),
    "identity_oauthapplication": OPEN,
    "identity_oauthcode": own("user_id"),
    "identity_oauthrefreshtoken": own("user_id"),
    "identity_passkey": own("user_id"),
    "identity_passwordreset": own("user_id"),
    "identity_principal": own_or_in_scope("id", own_written=False),
    "identity_recoverycode": own("user_id"),
    "identity_rolebinding": own_or_in_scope("principal_id", own_written=False),
    "identity_securitypolicy": SHARED,
    "identity_serviceaccount": own_read("id"),
    "identity_serviceaccountkey": own_read("account_id"),
    "identity_serviceaccountsecret": own_read("account_id"),
    "identity_session": own_or_of_customer("principal_id"),
    "identity_spentassertion": own("account_id"),
    "identity_spentchallenge": OPEN,
    "identity_totpdevice": own("user_id"),
    "identity_user": own_or_in_scope("id", own_written=True),
    "tenants_asset": of_customer("customer_id"),
    "tenants_billedquantity": of_customer("customer_id"),
    "tenants_customer": of_customer("id"),
    "tenants_entitlement": SHARED,
    "tenants_revision": READ_ONLY,
    "tenants_subscription": SHARED,
    "tenants_tenant": SHARED,
}

# Not a tenant's: schema and table, with the reason. Everything else in the database must be in KINDS.
NOT_TENANTS = {
    "border.kek": "public halves and states of the installation's keys, signed by the broker",
    "border.audit_pending": "ids of events that wait for the sealer, which works for every tenant",
    "border.log_key": "public halves of the keys that sign the log",
    "border.pack_signing": "ids of what waits for the sealer's signature, of every tenant; the sealer alone reads it",
    "border.turn": "up to when each walk over all tenants has come; the worker's, and only by its function",
    "border.directory": "workspace and client names, which lead to a tenant before there is a context",
    "border.usage": "totals of each tenant's months, for the provider to bill by; the tenants' worker adds its own",
    "content.auth_group": "the framework's; empty",
    "content.auth_group_permissions": "the framework's; empty",
    "content.auth_permission": "the deployment's catalogue of permissions, the same for everybody",
    "content.django_content_type": "the framework's list of models",
    "content.django_migrations": "the framework's list of migrations",
    "msplex.context_key": "what contexts are signed with; nobody may read it",
    "provider.tenant": "the provider's list of tenants",
    "provider.usage_export": "who took the provider's export of usage; its role adds, and nobody changes",
    "provider.token": "digests of the tokens of the provider's own programs",
}
