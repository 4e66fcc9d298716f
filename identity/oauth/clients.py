"""MCP clients, before anybody let them in: who they say they are, checked and carried in the client id itself.

Nothing is stored for a registration, so there is nothing to fill up. A row comes with the first consent in a tenant.
"""

import dataclasses
import hashlib
import logging
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.core import signing
from oauth2_provider.models import AbstractApplication

from identity.models import OAuthApplication
from identity.models.oauth import LONGEST_CLIENT_ID
from identity.oauth import documents
from identity.oauth.errors import DocumentRefused, MetadataRefused

logger = logging.getLogger(__name__)
REGISTERED = "identity.oauth.client"
MARK = "mspx_r_"
REGISTRATION_SECONDS = 30 * 24 * 60 * 60
MOST_REDIRECTS = 6
LONGEST_REDIRECT = 300
LONGEST_NAME = 60
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# Schemes that a browser would act on itself.
_NEVER = frozenset({"about", "blob", "data", "file", "ftp", "javascript", "vbscript", "view-source", "ws", "wss"})
_ANSWERS = frozenset({"code", "error", "error_description", "iss", "state"})  # ours to say, in the answer
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)*")
_PLAIN = re.compile(r"[!-~]+")  # visible ASCII, so that no reader of the address can differ from another


@dataclasses.dataclass(frozen=True, slots=True)
class ClientMetadata:
    """Of it all, only `client_id` is sure, and only for those with a document: the host that serves it vouches."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    has_document: bool = False

    @property
    def key(self) -> str:
        return hashlib.sha256(self.client_id.encode()).hexdigest()

    def application(self) -> OAuthApplication:
        """As django-oauth-toolkit knows it. Not saved: that takes a person's consent."""
        source = AbstractApplication.RegistrationSource
        return OAuthApplication(
            tenant_id=None,  # type: ignore[misc]  # there is none yet
            client_id=self.client_id,
            client_key=self.key,
            name=self.name,
            redirect_uris=" ".join(self.redirect_uris),
            client_type=AbstractApplication.CLIENT_PUBLIC,
            authorization_grant_type=AbstractApplication.GRANT_AUTHORIZATION_CODE,
            registration_source=source.CIMD if self.has_document else source.DCR,
        )


def register(described: Any) -> tuple[ClientMetadata, int]:
    """A client id that says all that the client said of itself (RFC 7591), and the seconds it is good for."""
    name, redirects = _checked(described)
    sealed = signing.dumps([name, redirects], salt=REGISTERED, compress=True)
    client_id = f"{MARK}{sealed}"
    if len(client_id) > LONGEST_CLIENT_ID:
        raise MetadataRefused("The name and the redirect_uris together are too long.")
    return ClientMetadata(client_id, name, tuple(redirects)), REGISTRATION_SECONDS


def find_client(client_id: str) -> ClientMetadata | None:
    """Whoever this client id is. May fetch: never call it inside a transaction."""
    if not client_id or len(client_id) > LONGEST_CLIENT_ID:
        return None
    if client_id.startswith(MARK):
        return _registered(client_id)
    if client_id.startswith("https://"):
        return _documented(client_id)
    return None


def _registered(client_id: str) -> ClientMetadata | None:
    try:
        name, redirects = signing.loads(client_id.removeprefix(MARK), salt=REGISTERED, max_age=REGISTRATION_SECONDS)
    except signing.BadSignature:
        return None
    return ClientMetadata(client_id, name, tuple(redirects))


def _documented(client_id: str) -> ClientMetadata | None:
    try:
        document = documents.fetch_document(client_id)
        name, redirects = _checked(document)
    except (DocumentRefused, MetadataRefused) as refused:
        logger.info("a client id document was refused: %s", type(refused).__name__)
        return None
    if document.get("client_id") != client_id:
        return None
    return ClientMetadata(client_id, name, tuple(redirects), has_document=True)


def _checked(described: Any) -> tuple[str, list[str]]:
    if not isinstance(described, dict):
        raise MetadataRefused("Send a JSON object.")
    redirects = described.get("redirect_uris")
    if not isinstance(redirects, list) or not 1 <= len(redirects) <= MOST_REDIRECTS:
        raise MetadataRefused(f"Send 1 to {MOST_REDIRECTS} redirect_uris.", "invalid_redirect_uri")
    for uri in redirects:
        if not redirect_acceptable(uri):
            raise MetadataRefused(
                "A redirect URI is https, loopback http, or a private scheme.", "invalid_redirect_uri"
            )
    _check_kind(described)
    return _name(described, redirects), redirects


def _check_kind(described: dict[str, Any]) -> None:
    """Public clients with codes: what is asked for beyond that is refused, not ignored."""
    if described.get("token_endpoint_auth_method", "none") != "none" or "client_secret" in described:
        raise MetadataRefused("Clients are public here: token_endpoint_auth_method must be none.")
    grants = described.get("grant_types", ["authorization_code"])
    if not isinstance(grants, list) or not {"authorization_code"} <= set(map(str, grants)) <= _GRANTS:
        raise MetadataRefused("grant_types must be authorization_code, with or without refresh_token.")
    responses = described.get("response_types", ["code"])
    if responses != ["code"]:
        raise MetadataRefused("response_types must be code.")


_GRANTS = frozenset({"authorization_code", "refresh_token"})


def _name(described: dict[str, Any], redirects: list[str]) -> str:
    """For people to read, so nothing that draws outside its line or turns the reading direction."""
    given = described.get("client_name", "")
    shown = " ".join(str(given).split()) if isinstance(given, str) else ""
    shown = "".join(character for character in shown if character.isprintable())[:LONGEST_NAME].strip()
    return shown or urlsplit(redirects[0]).hostname or urlsplit(redirects[0]).scheme


def redirect_acceptable(uri: Any) -> bool:
    """https anywhere; http to this machine only; a private scheme (RFC 8252 7.1); never one that browsers run."""
    if (
        not isinstance(uri, str)
        or len(uri) > LONGEST_REDIRECT
        or not _PLAIN.fullmatch(uri)
        or set(uri) & set("#;,'\"<>\\")
    ):
        return False
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if "@" in parts.netloc or parts.scheme in _NEVER or _ANSWERS & {key for key, _ in parse_qsl(parts.query, True)}:
        return False
    if parts.scheme == "https":
        return bool(host) and "*" not in parts.netloc
    if parts.scheme == "http":
        return host in LOOPBACK
    return bool(_PRIVATE_SCHEME.fullmatch(parts.scheme))
