"""Signed assertions that automation proves itself with instead of a secret (RFC 7523 2.2), and the keys they need.

The key says which algorithm is used, whatever the header asks for. A key in a header (`jwk`, `jku`, `x5c`) is not used.
"""

import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from joserfc import jws, jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry

from tenants.errors import Invalid

if TYPE_CHECKING:
    from joserfc._rfc7515.model import JWSAlgModel

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECONDS = 5 * 60  # an assertion's longest life from now
SKEW_SECONDS = 5  # how far the client's clock may be ahead of ours
LONGEST = 4096
LONGEST_ID = 256
LONGEST_KEY = 2000
# By the key's type and curve: the algorithm, and the names that a header may call it by (RFC 7518, 8037, 9864).
_CURVES = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256"}
_NAMES = {"EdDSA": frozenset({"EdDSA", "Ed25519"}), "ES256": frozenset({"ES256"})}
NAMES = sorted(name for names in _NAMES.values() for name in names)
_PUBLIC = ("kty", "crv", "x", "y")
_KID = re.compile(r"[A-Za-z0-9_-]{43}")
_TYPES = {"jwt", "client-authentication+jwt"}


class AssertionRefused(Exception):
    """`reason` is for the record. Whoever sent it learns only that the client could not be authenticated."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclasses.dataclass(frozen=True, slots=True)
class PublicKey:
    kid: str
    algorithm: str
    jwk: dict[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Assertion:
    """What is left to check when the signature was good: whether it was presented before."""

    digest: bytes
    expires_at: int


class _Only(JWSRegistry):
    def __init__(self, algorithm: str) -> None:
        super().__init__()
        self._names = _NAMES[algorithm]

    def get_alg(self, name: str) -> "JWSAlgModel":
        if name not in self._names:
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


_registries = {algorithm: _Only(algorithm) for algorithm in _NAMES}


def read_public_key(given: str) -> PublicKey:
    """Of a JWK in JSON, or PEM. Invalid for anything else; a private key is not kept and not said back."""
    if "PRIVATE" in given or "d" in _members(given):
        message = "This is a private key. Keep it where the automation runs, and give its public half. Make a new pair."
        raise Invalid(message, field="public_key", code="key_is_private")
    try:
        jwk = _imported(given).as_dict(private=False)
        algorithm = _CURVES[str(jwk["kty"]), str(jwk["crv"])]
    except (JoseError, ValueError, KeyError, TypeError) as error:
        message = "Give a public key for Ed25519 or ECDSA P-256, as PEM or as a JWK."
        raise Invalid(message, field="public_key", code="key_unusable") from error
    public = {name: str(jwk[name]) for name in _PUBLIC if name in jwk}
    return PublicKey(_key(algorithm, public).thumbprint(), algorithm, public)


def _members(given: str) -> Mapping[str, Any]:
    try:
        found = json.loads(given)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _imported(given: str) -> OKPKey | ECKey:
    members = {name: value for name, value in _members(given).items() if name in _PUBLIC}
    first, second = (OKPKey, ECKey) if members.get("kty") != "EC" else (ECKey, OKPKey)
    try:
        key: OKPKey | ECKey = first.import_key(members or given.strip())
    except (JoseError, ValueError, TypeError, AttributeError):
        key = second.import_key(members or given.strip())
    return key


def _key(algorithm: str, jwk: Mapping[str, Any]) -> OKPKey | ECKey:
    kind: type[OKPKey | ECKey] = OKPKey if algorithm == "EdDSA" else ECKey
    return kind.import_key(dict(jwk))


def client_and_key_of(raw: str) -> tuple[str, str]:
    """Whose it says it is, and its `kid` if that could be one of ours: where to look. Nothing is believed yet."""
    try:
        token = jws.extract_compact(raw.encode())
        header, claims = token.headers(), json.loads(token.payload)
        client_id, kid = claims["sub"], header.get("kid", "")
    except (JoseError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise AssertionRefused("assertion_malformed") from error
    if not isinstance(client_id, str) or not isinstance(kid, str):
        raise AssertionRefused("assertion_malformed")
    return client_id, kid if _KID.fullmatch(kid) else ""


def verify(raw: str, *, algorithm: str, jwk: Mapping[str, Any], client_id: str) -> Assertion:
    """AssertionRefused unless the key signed it, for us and for this client, for the next minutes. No database."""
    try:
        token = jwt.decode(raw, _key(algorithm, jwk), registry=_registries[algorithm])
    except (JoseError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise AssertionRefused("assertion_signature") from error
    _check_header(token.header)
    _check_parties(token.claims, client_id)
    _check_times(token.claims)
    return Assertion(hashlib.sha256(_id(token.claims).encode()).digest(), token.claims["exp"])


def _check_header(header: Mapping[str, Any]) -> None:
    if "crit" in header or str(header.get("typ", "jwt")).lower().removeprefix("application/") not in _TYPES:
        raise AssertionRefused("assertion_type")


def _check_parties(claims: Mapping[str, Any], client_id: str) -> None:
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise AssertionRefused("assertion_issuer")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if len(named) != 1 or named[0] not in (settings.PUBLIC_URL, f"{settings.PUBLIC_URL}/oauth/token"):
        raise AssertionRefused("assertion_audience")


def _check_times(claims: Mapping[str, Any]) -> None:
    now = time.time()
    if any(type(claims.get(name, 0)) is not int for name in ("exp", "iat", "nbf")):
        raise AssertionRefused("assertion_malformed")
    if not now < claims.get("exp", 0) <= now + SECONDS + SKEW_SECONDS:
        raise AssertionRefused("assertion_expiry")
    if max(claims.get("iat", 0), claims.get("nbf", 0)) > now + SKEW_SECONDS:
        raise AssertionRefused("assertion_early")


def _id(claims: Mapping[str, Any]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_ID:
        raise AssertionRefused("assertion_malformed")
    return jti
