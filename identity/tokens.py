"""Access tokens: EdDSA-signed `at+jwt` (RFC 9068) that carry tenant, customers and epoch, checked strictly."""

import dataclasses
import secrets
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry
from joserfc.registry import Header

from identity.errors import PrincipalRefused, TokenRefused
from identity.principals import ActingPrincipal
from identity.selectors import known_principal

if TYPE_CHECKING:
    from joserfc._rfc7515.model import JWSAlgModel

    from identity.models import ServiceAccount

TYPE = "at+jwt"
ALGORITHM = "EdDSA"
LIFETIME_SECONDS = 15 * 60
MAXIMUM_SECONDS = 60 * 60
SKEW_SECONDS = 5  # `iat` may be this far ahead of our clock; `exp` has no leeway at all
EVERY_CUSTOMER = "*"
_TEXTS = ("iss", "aud", "sub", "client_id", "jti", "tenant", "scope")
_NUMBERS = ("iat", "exp", "epoch")


class _OnlyEdDSA(JWSRegistry):
    """One algorithm under its two names (RFC 8037, RFC 9864), whatever the token's header asks for."""

    def get_alg(self, name: str) -> "JWSAlgModel":
        if name not in {ALGORITHM, "Ed25519"}:
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


_registry = _OnlyEdDSA()


@dataclasses.dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says. `customers` None: every customer of the principal's scope."""

    principal_id: UUID
    client_id: str
    tenant_id: UUID
    customers: tuple[UUID, ...] | None
    epoch: int
    audience: str
    scope: str
    token_id: str
    issued_at: int
    expires_at: int


@lru_cache(maxsize=4)
def _key(pem: str) -> OKPKey:
    key = OKPKey.import_key(pem)
    key.ensure_kid()
    return key


def public_keys() -> list[dict[str, Any]]:
    """The JWK set that others check our tokens with."""
    key = _key(settings.TOKEN_VERIFY_KEY)
    return [{**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM}]


def issue_access_token(account: "ServiceAccount", *, principal: ActingPrincipal, resource: str) -> tuple[str, int]:
    """A token for one resource, and the seconds it lives: never longer than the secret it was bought with."""
    now = int(time.time())
    lifetime = min(account.token_seconds, MAXIMUM_SECONDS, int(account.expires_at.timestamp()) - now)
    scope = principal.scope()
    claims = {
        "iss": settings.PUBLIC_URL,
        "aud": resource,
        "sub": str(principal.id),
        "client_id": account.client_id,
        "iat": now,
        "exp": now + lifetime,
        "jti": secrets.token_urlsafe(16),
        "tenant": str(principal.tenant_id),
        "customers": EVERY_CUSTOMER if scope is None else [str(customer) for customer in scope],
        "epoch": principal.epoch,
        "scope": " ".join(sorted(principal.permissions())),
    }
    key = _key(settings.TOKEN_SIGNING_KEY)
    header = {"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}
    return jwt.encode(header, claims, key, registry=_registry), lifetime


def read_access_token(raw: str, *, audience: str) -> Claims:
    """The claims of a token made for `audience`; TokenRefused with the reason otherwise. Touches no database."""
    try:
        token = jwt.decode(raw, _key(settings.TOKEN_VERIFY_KEY), registry=_registry)
    except (JoseError, ValueError, UnicodeError) as error:
        raise TokenRefused("token_malformed") from error
    _check_header(token.header)
    _check_shape(token.claims)
    _check_values(token.claims, audience)
    return _claims(token.claims)


def _check_header(header: Header) -> None:
    if str(header.get("typ", "")).lower().removeprefix("application/") != TYPE:
        raise TokenRefused("token_type")
    if "crit" in header:
        raise TokenRefused("token_malformed")


def _check_shape(claims: dict[str, Any]) -> None:
    texts = all(isinstance(claims.get(name), str) for name in _TEXTS)
    numbers = all(type(claims.get(name)) is int for name in _NUMBERS)
    customers = claims.get("customers")
    if not texts or not numbers or not (customers == EVERY_CUSTOMER or isinstance(customers, list)):
        raise TokenRefused("token_malformed")


def _check_values(claims: dict[str, Any], audience: str) -> None:
    now = time.time()
    if claims["iss"] != settings.PUBLIC_URL:
        raise TokenRefused("token_issuer")
    if claims["aud"] != audience:
        raise TokenRefused("token_audience")
    if claims["exp"] <= now:
        raise TokenRefused("token_expired")
    if claims["iat"] > now + SKEW_SECONDS or claims["exp"] - claims["iat"] > MAXIMUM_SECONDS or not claims["jti"]:
        raise TokenRefused("token_malformed")


def _claims(claims: dict[str, Any]) -> Claims:
    listed = claims["customers"]
    try:
        return Claims(
            principal_id=UUID(claims["sub"]),
            client_id=claims["client_id"],
            tenant_id=UUID(claims["tenant"]),
            customers=None if listed == EVERY_CUSTOMER else tuple(UUID(customer) for customer in listed),
            epoch=claims["epoch"],
            audience=claims["aud"],
            scope=claims["scope"],
            token_id=claims["jti"],
            issued_at=claims["iat"],
            expires_at=claims["exp"],
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise TokenRefused("token_malformed") from error


def load_principal(claims: Claims) -> ActingPrincipal:
    """The principal as it is now, in the open transaction: disabled or changed since the token was made is refused.

    In a suspended tenant it has no grants and `tenant_active` says why: each door names that refusal in its own way.
    """
    try:
        principal = known_principal(claims.principal_id, epoch=claims.epoch)
    except PrincipalRefused as refused:
        raise TokenRefused("principal_refused") from refused
    if principal.tenant_id != claims.tenant_id:
        raise TokenRefused("principal_refused")
    return principal.limited_to(claims.customers)
