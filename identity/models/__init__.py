"""Who: principals, what lets them in, and what they may do."""

from identity.models.bindings import RoleBinding
from identity.models.factors import RecoveryCode, TotpDevice
from identity.models.oauth import AgentSession, OAuthApplication, OAuthCode, OAuthRefreshToken
from identity.models.people import CustomerPermission, User
from identity.models.principals import Principal
from identity.models.secrets import ServiceAccountSecret
from identity.models.service_accounts import ServiceAccount
from identity.models.sessions import Attempts, Session

__all__ = [
    "AgentSession",
    "Attempts",
    "CustomerPermission",
    "OAuthApplication",
    "OAuthCode",
    "OAuthRefreshToken",
    "Principal",
    "RecoveryCode",
    "RoleBinding",
    "ServiceAccount",
    "ServiceAccountSecret",
    "Session",
    "TotpDevice",
    "User",
]
