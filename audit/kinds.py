"""What can happen, as area:thing:verb. Alphabetical."""

from enum import StrEnum


class EventKind(StrEnum):
    APPROVAL_EXPIRED = "approvals:request:expire"
    APPROVAL_REQUESTED = "approvals:request:create"
    CALL_FINISHED = "gateway:call:finish"
    CALL_INTENDED = "gateway:call:intend"
    CALL_REFUSED = "gateway:call:refuse"
    CALL_UNKNOWN = "gateway:call:lose"
    CREDENTIAL_OPENED = "connectors:credential:open"
    CREDENTIAL_REFUSED = "connectors:credential:refuse"
    CREDENTIAL_STORED = "connectors:credential:store"
    CUSTOMER_ARCHIVED = "customers:customer:archive"
    CUSTOMER_CREATED = "customers:customer:create"
    CUSTOMER_MAPPED = "connectors:customer:map"
    CUSTOMER_UNMAPPED = "connectors:customer:unmap"
    ENTITLEMENT_SET = "billing:entitlement:set"
    INSTANCE_ACTIVATED = "connectors:instance:activate"
    INSTANCE_CHECK_REQUESTED = "connectors:instance:check"
    INSTANCE_CONFIGURED = "connectors:instance:configure"
    INSTANCE_CREATED = "connectors:instance:create"
    INSTANCE_DEACTIVATED = "connectors:instance:deactivate"
    INSTANCE_HEALTH_CHANGED = "connectors:instance:health"
    MEMBER_CREATED = "identity:member:create"
    MFA_CONFIRMED = "identity:mfa:confirm"
    MFA_ENROLLED = "identity:mfa:enrol"
    MFA_REFUSED = "identity:mfa:refuse"
    MFA_RESET = "identity:mfa:reset"
    PRINCIPAL_DISABLED = "identity:principal:disable"
    PRINCIPAL_ENABLED = "identity:principal:enable"
    RECOVERY_CODES_MADE = "identity:recovery_codes:create"
    ROLE_BOUND = "identity:role:bind"
    ROLE_UNBOUND = "identity:role:unbind"
    SECRET_REVOKED = "identity:secret:revoke"  # noqa: S105 - not a password
    SECRET_ROTATED = "identity:secret:rotate"  # noqa: S105
    SERVICE_ACCOUNT_CHANGED = "identity:service_account:change"
    SERVICE_ACCOUNT_CREATED = "identity:service_account:create"
    SERVICE_ACCOUNT_LOCKED = "identity:service_account:lock"
    SIGN_IN_FAILED = "identity:session:refuse"
    SIGNED_IN = "identity:session:create"
    SIGNED_OUT = "identity:session:end"
    TENANT_CREATED = "identity:tenant:create"
    TOKEN_ISSUED = "identity:token:issue"  # noqa: S105 - not a password
    TOKEN_REFUSED = "identity:token:refuse"  # noqa: S105
