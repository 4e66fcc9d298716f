"""What can be allowed. A role is a set of these (identity.roles); there is no other way to be allowed anything."""

from enum import StrEnum


class Permission(StrEnum):
    APPROVALS_REQUEST_DECIDE = "approvals:request:decide"
    APPROVALS_RULE_MANAGE = "approvals:rule:manage"
    APPROVALS_RULE_READ = "approvals:rule:read"
    AUDIT_ALERT_MANAGE = "audit:alert:manage"
    AUDIT_ALERT_READ = "audit:alert:read"
    AUDIT_EVENT_READ = "audit:event:read"
    BILLING_ACCOUNT_READ = "billing:account:read"
    BILLING_PRICE_MANAGE = "billing:price:manage"
    BILLING_USAGE_READ = "billing:usage:read"
    CONNECTORS_CATALOGUE_READ = "connectors:catalogue:read"
    CONNECTORS_INSTANCE_MANAGE = "connectors:instance:manage"
    CONNECTORS_INSTANCE_READ = "connectors:instance:read"
    CUSTOMERS_CUSTOMER_MANAGE = "customers:customer:manage"
    CUSTOMERS_CUSTOMER_READ = "customers:customer:read"
    GATEWAY_CALL_READ = "gateway:call:read"
    GATEWAY_TOOL_DESTROY = "gateway:tool:destroy"
    GATEWAY_TOOL_READ = "gateway:tool:read"
    GATEWAY_TOOL_WRITE = "gateway:tool:write"
    IDENTITY_MEMBER_MANAGE = "identity:member:manage"
    IDENTITY_MEMBER_READ = "identity:member:read"
    IDENTITY_SERVICE_ACCOUNT_MANAGE = "identity:service_account:manage"
    IDENTITY_SERVICE_ACCOUNT_READ = "identity:service_account:read"
    PORTAL_DASHBOARD_READ = "portal:dashboard:read"
    TENANT_SETTINGS_MANAGE = "tenant:settings:manage"


# What a binding for one customer can carry. The rest is about the whole tenant and needs a tenant-wide binding.
CUSTOMER_PERMISSIONS = frozenset(
    {
        Permission.APPROVALS_REQUEST_DECIDE,
        Permission.AUDIT_ALERT_READ,
        Permission.AUDIT_EVENT_READ,
        Permission.BILLING_USAGE_READ,
        Permission.CONNECTORS_CATALOGUE_READ,
        Permission.CONNECTORS_INSTANCE_READ,
        Permission.CUSTOMERS_CUSTOMER_READ,
        Permission.GATEWAY_CALL_READ,
        Permission.GATEWAY_TOOL_DESTROY,
        Permission.GATEWAY_TOOL_READ,
        Permission.GATEWAY_TOOL_WRITE,
        Permission.IDENTITY_MEMBER_MANAGE,
        Permission.IDENTITY_MEMBER_READ,
        Permission.PORTAL_DASHBOARD_READ,
    },
)
