"""The fixed catalogue of roles. It is code on purpose: nobody builds a permission matrix of their own."""

import dataclasses
from enum import StrEnum

from identity.permissions import CUSTOMER_PERMISSIONS, Permission


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    BILLING = "billing"
    OPERATOR = "operator"
    VIEWER = "viewer"
    CUSTOMER_MANAGER = "customer_manager"
    CUSTOMER_VIEWER = "customer_viewer"


@dataclasses.dataclass(frozen=True, slots=True)
class RoleDefinition:
    """`customer_scoped`: always for one customer. `tenant_wide_only`: never for one."""

    label: str
    description: str
    permissions: frozenset[Permission]
    customer_scoped: bool = False
    tenant_wide_only: bool = False

    def carries(self, customer_scoped: bool) -> frozenset[Permission]:
        """What a binding of this role allows, tenant-wide or for a customer."""
        return self.permissions & CUSTOMER_PERMISSIONS if customer_scoped else self.permissions


_READING = frozenset(
    {
        Permission.AUDIT_EVENT_READ,
        Permission.BILLING_USAGE_READ,
        Permission.CONNECTORS_CATALOGUE_READ,
        Permission.CONNECTORS_INSTANCE_READ,
        Permission.CUSTOMERS_CUSTOMER_READ,
        Permission.GATEWAY_CALL_READ,
        Permission.PORTAL_DASHBOARD_READ,
    },
)

ROLES: dict[Role, RoleDefinition] = {
    Role.OWNER: RoleDefinition(
        "Owner",
        "Everything, including the tenant's own settings.",
        frozenset(Permission),
        tenant_wide_only=True,
    ),
    Role.ADMIN: RoleDefinition(
        "Admin",
        "Connectors, customers, people, service accounts and audit, but not the tenant's settings.",
        frozenset(Permission) - {Permission.TENANT_SETTINGS_MANAGE},
        tenant_wide_only=True,
    ),
    Role.BILLING: RoleDefinition(
        "Billing",
        "Usage, plan, estimates and exports, and nothing else.",
        frozenset(
            {
                Permission.BILLING_ACCOUNT_READ,
                Permission.BILLING_USAGE_READ,
                Permission.CUSTOMERS_CUSTOMER_READ,
                Permission.PORTAL_DASHBOARD_READ,
            },
        ),
        tenant_wide_only=True,
    ),
    Role.OPERATOR: RoleDefinition(
        "Operator",
        "Daily operations: sets up connectors, runs tools that read or write (not those that destroy), and decides on"
        " requests.",
        frozenset(
            {
                Permission.APPROVALS_REQUEST_DECIDE,
                Permission.APPROVALS_RULE_READ,
                Permission.AUDIT_ALERT_MANAGE,
                Permission.AUDIT_ALERT_READ,
                Permission.CONNECTORS_CATALOGUE_READ,
                Permission.CONNECTORS_INSTANCE_MANAGE,
                Permission.CONNECTORS_INSTANCE_READ,
                Permission.CUSTOMERS_CUSTOMER_READ,
                Permission.GATEWAY_CALL_READ,
                Permission.GATEWAY_TOOL_READ,
                Permission.GATEWAY_TOOL_WRITE,
                Permission.PORTAL_DASHBOARD_READ,
            },
        ),
    ),
    Role.VIEWER: RoleDefinition(
        "Viewer",
        "Reads, changes nothing: dashboard, connectors, calls, usage, audit, alerts, and tools that only read.",
        _READING | {Permission.APPROVALS_RULE_READ, Permission.AUDIT_ALERT_READ, Permission.GATEWAY_TOOL_READ},
    ),
    Role.CUSTOMER_MANAGER: RoleDefinition(
        "Customer manager",
        "For one customer: its people, usage, connectors, calls and audit.",
        _READING | {Permission.IDENTITY_MEMBER_MANAGE, Permission.IDENTITY_MEMBER_READ},
        customer_scoped=True,
    ),
    Role.CUSTOMER_VIEWER: RoleDefinition(
        "Customer viewer",
        "For one customer: reads usage, connectors, calls and audit.",
        _READING,
        customer_scoped=True,
    ),
}
