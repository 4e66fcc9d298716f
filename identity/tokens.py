"""Access tokens: EdDSA-signed `at+jwt` (RFC 9068) that carry tenant, customers and epoch, checked strictly."""

import dataclasses
import hashlib
import json
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from datetime import datetime
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
from identity.principals import ActingPrincipal, PrincipalKind
from identity.selectors import known_agent, known_principal
from tenants.key_files import split_keys

if TYPE_CHECKING:
    from joserfc._rfc7515.model import JWSAlgModel

    from identity.models import AgentSession, ServiceAccount

TYPE = "at+jwt"
ALGORITHM = "EdDSA"
LIFETIME_SECONDS = 15 * 60
MAXIMUM_SECONDS = 60 * 60
AGENT_SECONDS = 15 * 60  # at most, for whoever acts for a person
SKEW_SECONDS = 5  # `iat` may be this far ahead of our clock; `exp` has no leeway at all
EVERY_CUSTOMER = "*"
MOST_LISTED = 20  # customers that a token names; more are a digest of their list, or headers would grow too long
DIGEST = "sha256:"
_TEXTS = ("iss", "aud", "sub", "client_id", "jti", "tenant", "scope", "kind")
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
    """What a valid token says. `customers` None: every customer of the principal's scope.

    `customers_digest`: of exactly the customers that the principal was bound to, when they are too many to name.
    """

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
    kind: PrincipalKind = PrincipalKind.SERVICE_ACCOUNT
    agent_session_id: UUID | None = None
    customers_digest: str = ""


@lru_cache(maxsize=4)
def _keys(pems: str) -> tuple[OKPKey, ...]:
    """One key or several, the newest last: while keys change, tokens of the one before are still about."""
    keys = tuple(OKPKey.import_key(pem) for pem in split_keys(pems))
    for key in keys:
        key.ensure_kid()
    return keys


def _verification_key(token: Any) -> OKPKey:
    """The key that the header names, if it is one of ours; the newest where it names none."""
    keys = _keys(settings.TOKEN_VERIFY_KEY)
    kid = token.headers().get("kid", keys[-1].kid)
    for key in keys:
        if key.kid == kid:
            return key
    raise TokenRefused("token_key_unknown")


def public_keys() -> list[dict[str, Any]]:
    """The JWK set that others check our tokens with."""
    return [{**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM} for key in _keys(settings.TOKEN_VERIFY_KEY)]


def issue_access_token(
    account: "ServiceAccount", *, principal: ActingPrincipal, resource: str, until: datetime
) -> tuple[str, int]:
    """A token for one resource, and the seconds it lives: never longer than the secret it was bought with."""
    now = int(time.time())
    lifetime = min(account.token_seconds, MAXIMUM_SECONDS, int(until.timestamp()) - now)
    claims = _common_claims(principal, resource, now, lifetime) | {
        "client_id": account.client_id,
        "scope": " ".join(sorted(principal.permissions())),
    }
    return _signed(claims), lifetime


def issue_agent_token(session: "AgentSession", *, principal: ActingPrincipal, scope: str) -> tuple[str, int]:
    """A token for the gateway that reaches as far as the person's consent, and the seconds it lives."""
    now = int(time.time())
    lifetime = min(session.token_seconds, AGENT_SECONDS, int(session.expires_at.timestamp()) - now)
    claims = _common_claims(principal, settings.GATEWAY_RESOURCE, now, lifetime) | {
        "client_id": session.application.client_id,
        "scope": scope,
        "sid": str(session.pk),
    }
    return _signed(claims), lifetime


def _common_claims(principal: ActingPrincipal, resource: str, now: int, lifetime: int) -> dict[str, Any]:
    return {
        "iss": settings.PUBLIC_URL,
        "aud": resource,
        "sub": str(principal.id),
        "iat": now,
        "exp": now + lifetime,
        "jti": secrets.token_urlsafe(16),
        "tenant": str(principal.tenant_id),
        "kind": principal.kind.value,
        "customers": _listed(principal.scope()),
        "epoch": principal.epoch,
    }


def _listed(scope: tuple[UUID, ...] | None) -> str | list[str]:
    if scope is None:
        return EVERY_CUSTOMER
    return [str(customer) for customer in scope] if len(scope) <= MOST_LISTED else digest_of(scope)


def digest_of(customers: Iterable[UUID]) -> str:
    hashed = hashlib.sha256(b"".join(sorted(customer.bytes for customer in customers))).digest()
    return DIGEST + urlsafe_b64encode(hashed).decode().rstrip("=")


def _signed(claims: dict[str, Any]) -> str:
    key = _keys(settings.TOKEN_SIGNING_KEY)[-1]
    return jwt.encode({"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}, claims, key, registry=_registry)


def token_id_of(made: str) -> str:
    """The id inside a token that we have just made ourselves: for the record, which a call's record refers to."""
    return str(json.loads(urlsafe_b64decode(made.split(".")[1] + "=="))["jti"])


def read_access_token(raw: str, *, audience: str) -> Claims:
    """The claims of a token made for `audience`; TokenRefused with the reason otherwise. Touches no database."""
    claims = _read(raw, audience, settings.PUBLIC_URL, settings.TOKEN_VERIFY_KEY)
    if claims.expires_at <= time.time():
        raise TokenRefused("token_expired")
    return claims


@lru_cache(maxsize=4096)
def _read(raw: str, audience: str, _issuer: str, _keys: str) -> Claims:
    """What a signature holds together stays so: it is checked once, against the issuer and the keys of now."""
    try:
        token = jwt.decode(raw, _verification_key, registry=_registry)
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
    digest = isinstance(customers, str) and customers.startswith(DIGEST)
    if not texts or not numbers or not (customers == EVERY_CUSTOMER or digest or isinstance(customers, list)):
        raise TokenRefused("token_malformed")


def _check_values(claims: dict[str, Any], audience: str) -> None:
    now = time.time()
    if claims["iss"] != settings.PUBLIC_URL:
        raise TokenRefused("token_issuer")
    if claims["aud"] != audience:
        raise TokenRefused("token_audience")
    if claims["exp"] <= now:
        raise TokenRefused("token_expired")
    longest = AGENT_SECONDS if claims["kind"] == PrincipalKind.AGENT_SESSION else MAXIMUM_SECONDS
    if claims["iat"] > now + SKEW_SECONDS or claims["exp"] - claims["iat"] > longest or not claims["jti"]:
        raise TokenRefused("token_malformed")


def _claims(claims: dict[str, Any]) -> Claims:
    listed, kind = claims["customers"], claims["kind"]
    try:
        return Claims(
            principal_id=UUID(claims["sub"]),
            client_id=claims["client_id"],
            tenant_id=UUID(claims["tenant"]),
            customers=None if isinstance(listed, str) else tuple(UUID(customer) for customer in listed),
            customers_digest=listed if isinstance(listed, str) and listed != EVERY_CUSTOMER else "",
            epoch=claims["epoch"],
            audience=claims["aud"],
            scope=claims["scope"],
            token_id=claims["jti"],
            issued_at=claims["iat"],
            expires_at=claims["exp"],
            kind=PrincipalKind(kind),
            agent_session_id=UUID(claims["sid"]) if kind == PrincipalKind.AGENT_SESSION else None,
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise TokenRefused("token_malformed") from error


def load_principal(claims: Claims, address: str = "") -> ActingPrincipal:
    """The principal as it is now, in the open transaction.

    Refused when it was disabled or changed since the token was made, or acts from where it may not.
    In a suspended tenant it has no grants and `tenant_active` says why: each door names that refusal in its own way.
    """
    try:
        principal = _principal_of(claims)
    except PrincipalRefused as refused:
        raise TokenRefused("principal_refused") from refused
    if principal.tenant_id != claims.tenant_id:
        raise TokenRefused("principal_refused")
    if not principal.admits(address):
        raise TokenRefused("address_refused")
    return limited(principal, claims)


def limited(principal: ActingPrincipal, claims: Claims) -> ActingPrincipal:
    """The principal as far as its token reaches.

    Refused where the token has the digest of a list of customers, and they are not the ones that it is bound to now:
    its client gets another token. In a suspended tenant nobody is bound to anything.
    """
    if not claims.customers_digest or not principal.tenant_active:
        return principal.limited_to(claims.customers)
    bound = principal.bound_customers()
    if not secrets.compare_digest(digest_of(bound), claims.customers_digest):
        raise TokenRefused("customers_changed")
    return principal.limited_to(bound)


def _principal_of(claims: Claims) -> ActingPrincipal:
    if claims.agent_session_id is not None:
        principal = known_agent(claims.agent_session_id, epoch=claims.epoch, scopes=claims.scope.split())
        if principal.id != claims.principal_id:
            raise PrincipalRefused
        return principal
    principal = known_principal(claims.principal_id, epoch=claims.epoch)
    if principal.kind is not claims.kind:
        raise PrincipalRefused
    return principal
