"""Who: principals, what lets them in, and what they may do."""

from identity.models.bindings import RoleBinding
from identity.models.factors import RecoveryCode, TotpDevice
from identity.models.oauth import AgentSession, OAuthApplication, OAuthCode, OAuthRefreshToken
from identity.models.passkeys import Passkey, SpentChallenge
from identity.models.people import CustomerPermission, User
from identity.models.principals import Principal
from identity.models.secrets import ServiceAccountSecret
from identity.models.security import SecurityPolicy
from identity.models.service_accounts import ServiceAccount
from identity.models.sessions import Attempts, Session

__all__ = [
    "AgentSession",
    "Attempts",
    "CustomerPermission",
    "OAuthApplication",
    "OAuthCode",
    "OAuthRefreshToken",
    "Passkey",
    "Principal",
    "RecoveryCode",
    "RoleBinding",
    "SecurityPolicy",
    "ServiceAccount",
    "ServiceAccountSecret",
    "Session",
    "SpentChallenge",
    "TotpDevice",
    "User",
]
