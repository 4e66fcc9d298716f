"""Who: principals, what lets them in, and what they may do."""

from identity.models.bindings import RoleBinding
from identity.models.factors import RecoveryCode, TotpDevice
from identity.models.passkeys import Passkey, SpentChallenge
from identity.models.people import CustomerPermission, User
from identity.models.principals import Principal
from identity.models.security import SecurityPolicy
from identity.models.service_accounts import ServiceAccount
from identity.models.sessions import Attempts, Session

__all__ = [
    "Attempts",
    "CustomerPermission",
    "Passkey",
    "Principal",
    "RecoveryCode",
    "RoleBinding",
    "SecurityPolicy",
    "ServiceAccount",
    "Session",
    "SpentChallenge",
    "TotpDevice",
    "User",
]
