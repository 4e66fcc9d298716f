"""Agents of people: what a person let an MCP client do for them, and what the client holds to prove it."""

from typing import ClassVar
from urllib.parse import urlsplit

from django.db import models
from django.db.models import Q
from oauth2_provider.models import AbstractApplication, AbstractGrant, AbstractRefreshToken

from identity.models.people import User
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer

LONGEST_CLIENT_ID = 2048


class OAuthApplication(TenantModel, AbstractApplication):  # type: ignore[misc]
    """An MCP client that somebody of the tenant has let in. Always public: it has no secret, PKCE stands for it."""

    client_id = models.CharField(max_length=LONGEST_CLIENT_ID)
    client_key = models.CharField(max_length=64)  # the client id's digest: what is unique and looked up
    user = client_secret = hash_client_secret = skip_authorization = algorithm = None
    post_logout_redirect_uris = allowed_origins = cimd_expires_at = None

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "client_key"], name="identity_oauthapplication_client"),
        ]

    def __str__(self) -> str:
        return str(self.name)

    @property
    def vouched_for_by(self) -> str:
        """The host that published the client's document; none for those who only registered."""
        documented = self.registration_source == self.RegistrationSource.CIMD
        return urlsplit(self.client_id).hostname or "" if documented else ""


class AgentSession(TenantModel):
    """A person's consent: this client may use the gateway for one customer, or for all that the person may reach."""

    user = TenantKey(User, models.DO_NOTHING, related_name="+")
    application = TenantKey(OAuthApplication, models.DO_NOTHING, related_name="+")
    customer = TenantKey(Customer, models.DO_NOTHING, null=True, blank=True, related_name="+")
    cross_customer = models.BooleanField(default=False)
    scope = models.CharField(max_length=500)
    epoch = models.PositiveBigIntegerField()
    token_seconds = models.PositiveSmallIntegerField(default=900)
    created_at = models.DateTimeField(auto_now_add=True)
    first_used_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_because = models.CharField(max_length=32, blank=True)
    address = models.CharField(max_length=45, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(customer__isnull=True, cross_customer=True)
                | Q(customer__isnull=False, cross_customer=False),
                name="identity_agentsession_one_customer",
            ),
            models.CheckConstraint(
                condition=Q(token_seconds__gte=60, token_seconds__lte=900), name="identity_agentsession_token_life"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant_id", "user", "-id"], name="identity_agentsession_user"),
        ]

    def __str__(self) -> str:
        return f"agent session of {self.user_id}"


class OAuthCode(TenantModel, AbstractGrant):  # type: ignore[misc]
    """An authorization code, by its digest. It stays after its use, so that a second use is seen."""

    code = models.CharField(max_length=64)
    user = TenantKey(User, models.DO_NOTHING, related_name="+")
    application = TenantKey(OAuthApplication, models.DO_NOTHING, related_name="+")
    agent_session = TenantKey(AgentSession, models.DO_NOTHING, related_name="+")
    used_at = models.DateTimeField(null=True, blank=True)
    nonce = claims = None

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "code"], name="identity_oauthcode_code"),
        ]

    def __str__(self) -> str:
        return f"code of {self.user_id}"


class OAuthRefreshToken(TenantModel, AbstractRefreshToken):  # type: ignore[misc]
    """A refresh token, by its digest. The rotated ones stay, so that the use of one is seen: it ends the session."""

    user = TenantKey(User, models.DO_NOTHING, related_name="+")
    application = TenantKey(OAuthApplication, models.DO_NOTHING, related_name="+")
    agent_session = TenantKey(AgentSession, models.DO_NOTHING, related_name="+")
    expires = models.DateTimeField()
    # The session is the family; access tokens are signed and not stored.
    token = access_token = token_family = resource = None

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant_id", "token_checksum"], name="identity_oauthrefreshtoken_token"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant_id", "agent_session", "-id"], name="identity_refresh_session"),
        ]

    def __str__(self) -> str:
        return f"refresh token of {self.user_id}"
