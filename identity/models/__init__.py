"""Who: principals, what lets them in, and what they may do."""

from identity.models.bindings import RoleBinding
from identity.models.factors import RecoveryCode, TotpDevice
from identity.models.invitations import Invitation
from identity.models.mail import Mail
from identity.models.people import CustomerPermission, User
from identity.models.principals import Principal
from identity.models.recoveries import EmailChange, PasswordReset
from identity.models.service_accounts import ServiceAccount
from identity.models.sessions import Attempts, Session

__all__ = [
    "Attempts",
    "CustomerPermission",
    "EmailChange",
    "Invitation",
    "Mail",
    "PasswordReset",
    "Principal",
    "RecoveryCode",
    "RoleBinding",
    "ServiceAccount",
    "Session",
    "TotpDevice",
    "User",
]
