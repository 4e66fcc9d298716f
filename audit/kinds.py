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
    EMAIL_CHANGED = "identity:email:change"
    EMAIL_CHANGE_REQUESTED = "identity:email:request"
    EMAIL_RESTORED = "identity:email:restore"
    INSTANCE_ACTIVATED = "connectors:instance:activate"
    INSTANCE_CHECK_REQUESTED = "connectors:instance:check"
    INSTANCE_CONFIGURED = "connectors:instance:configure"
    INSTANCE_CREATED = "connectors:instance:create"
    INSTANCE_DEACTIVATED = "connectors:instance:deactivate"
    INSTANCE_HEALTH_CHANGED = "connectors:instance:health"
    INVITATION_ACCEPTED = "identity:invitation:accept"
    INVITATION_CREATED = "identity:invitation:create"
    INVITATION_RESENT = "identity:invitation:resend"
    INVITATION_WITHDRAWN = "identity:invitation:withdraw"
    MAIL_FAILED = "identity:mail:fail"
    MEMBER_CREATED = "identity:member:create"
    MEMBER_RENAMED = "identity:member:rename"
    MFA_ENROLLED = "identity:mfa:enrol"
    MFA_REPLACED = "identity:mfa:replace"
    MFA_RESET = "identity:mfa:reset"
    PASSWORD_CHANGED = "identity:password:change"  # noqa: S105 - not a password
    PASSWORD_REFUSED = "identity:password:refuse"  # noqa: S105
    PASSWORD_RESET = "identity:password:reset"  # noqa: S105
    PASSWORD_RESET_REQUESTED = "identity:password:request"  # noqa: S105
    PRINCIPAL_DISABLED = "identity:principal:disable"
    PRINCIPAL_ENABLED = "identity:principal:enable"
    RECOVERY_CODES_MADE = "identity:recovery_codes:create"
    ROLE_BOUND = "identity:role:bind"
    ROLE_UNBOUND = "identity:role:unbind"
    SERVICE_ACCOUNT_CREATED = "identity:service_account:create"
    SIGN_IN_FAILED = "identity:session:refuse"
    SIGNED_IN = "identity:session:create"
    SIGNED_OUT = "identity:session:end"
    TENANT_CREATED = "identity:tenant:create"
    TOKEN_ISSUED = "identity:token:issue"  # noqa: S105 - not a password
    TOKEN_REFUSED = "identity:token:refuse"  # noqa: S105
