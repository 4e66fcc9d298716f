"""The door's own check of the bearer token, before anything of MCP is read (MCP 2026-07-28, basic/authorization)."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings

from identity.errors import TokenRefused
from identity.permissions import Permission
from identity.tokens import read_access_token
from msplex.gateway.answers import DOOR_CLOSED, SCOPES, UNAUTHORIZED, UNAVAILABLE
from msplex.gateway.callers import Caller

METADATA_PATH = "/.well-known/oauth-protected-resource"
USUAL_SCOPES = f"{Permission.GATEWAY_TOOL_READ.value} {Permission.GATEWAY_TOOL_WRITE.value}"
CHALLENGE = b"www-authenticate"
_STATUSES = {UNAUTHORIZED, DOOR_CLOSED, UNAVAILABLE}
Headers = Iterable[tuple[bytes, bytes]]


class Unauthorized(Exception):
    """Answered 401 with a challenge that says where tokens come from (RFC 6750, RFC 9728)."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


def authenticate(headers: Headers, address: str) -> Caller:
    """The caller of a request, by its token's signature, audience and expiry. Withdrawal is checked in the database."""
    raw = _bearer(headers)
    if raw is None:
        raise Unauthorized("", "Send an access token in the Authorization header.")
    try:
        claims = read_access_token(raw, audience=settings.GATEWAY_RESOURCE)
    except TokenRefused as refused:
        raise Unauthorized("invalid_token", refused.message) from None
    return Caller(claims, address, uuid.uuid4().hex)


def _bearer(headers: Headers) -> str | None:
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) != 1:
        return None
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def metadata() -> dict[str, object]:
    """Protected resource metadata (RFC 9728)."""
    return {
        "resource": settings.GATEWAY_RESOURCE,
        "authorization_servers": [settings.PUBLIC_URL],
        "bearer_methods_supported": ["header"],
        "scopes_supported": sorted(p.value for p in Permission if p.value.startswith("gateway:tool:")),
        "resource_name": "MSPlex gateway",
    }


def metadata_url() -> str:
    parts = urlsplit(settings.GATEWAY_RESOURCE)
    return urlunsplit(parts._replace(path=METADATA_PATH + parts.path))


def challenge(error: str = "", description: str = "", scopes: str = USUAL_SCOPES) -> bytes:
    """The WWW-Authenticate header's value. What can destroy is not asked for before it is needed."""
    said = {"error": error, "error_description": description} if error else {}  # of who sent nothing, nothing is said
    fields = {**said, "resource_metadata": metadata_url()}
    fields["scope"] = scopes
    return ("Bearer " + ", ".join(f'{key}="{value}"' for key, value in fields.items() if value)).encode()


def status_of(code: object) -> int | None:
    """A JSON-RPC error whose code is one of our HTTP statuses is answered with that status."""
    return code if isinstance(code, int) and code in _STATUSES else None


def challenge_for(status: int, data: Mapping[str, Any] | None) -> list[tuple[bytes, bytes]]:
    """The header that tells the client of a refused request which token would help, if one would."""
    if status == UNAUTHORIZED:
        return [(CHALLENGE, challenge("invalid_token", "The token is not accepted any more."))]
    scopes = (data or {}).get(SCOPES)
    if not scopes:
        return []
    return [(CHALLENGE, challenge("insufficient_scope", "The tool needs more than the token has.", scopes))]
