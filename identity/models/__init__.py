"""Who: principals, what lets them in, and what they may do."""

from identity.models.bindings import RoleBinding
from identity.models.client_keys import ServiceAccountKey, SpentAssertion
from identity.models.factors import RecoveryCode, TotpDevice
from identity.models.invitations import Invitation
from identity.models.mail import Mail
from identity.models.oauth import AgentSession, OAuthApplication, OAuthCode, OAuthRefreshToken
from identity.models.passkeys import Passkey, SpentChallenge
from identity.models.people import CustomerPermission, User
from identity.models.principals import Principal
from identity.models.recoveries import EmailChange, PasswordReset
from identity.models.secrets import ServiceAccountSecret
from identity.models.security import SecurityPolicy
from identity.models.service_accounts import ServiceAccount
from identity.models.sessions import Attempts, Session

__all__ = [
    "AgentSession",
    "Attempts",
    "CustomerPermission",
    "EmailChange",
    "Invitation",
    "Mail",
    "OAuthApplication",
    "OAuthCode",
    "OAuthRefreshToken",
    "Passkey",
    "PasswordReset",
    "Principal",
    "RecoveryCode",
    "RoleBinding",
    "SecurityPolicy",
    "ServiceAccount",
    "ServiceAccountKey",
    "ServiceAccountSecret",
    "Session",
    "SpentAssertion",
    "SpentChallenge",
    "TotpDevice",
    "User",
]
