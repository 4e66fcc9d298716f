"""An authorization request that was found good, on its way through sign-in to the consent page. Signed, not stored."""

import dataclasses
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.core import signing
from oauthlib.common import add_params_to_uri

from identity.oauth.clients import LOOPBACK, ClientMetadata

SALT = "identity.oauth.request"
SECONDS = 15 * 60  # time to sign in
LONGEST_SEALED = 3500  # it waits in a cookie while the person signs in
LONGEST_STATE = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    client_id: str
    client_name: str
    has_document: bool
    redirect_uri: str
    state: str
    code_challenge: str
    scopes: tuple[str, ...]

    def sealed(self) -> str:
        return signing.dumps(dataclasses.asdict(self), salt=SALT, compress=True)

    @classmethod
    def read(cls, sealed: str) -> Self | None:
        try:
            fields: dict[str, Any] = signing.loads(sealed, salt=SALT, max_age=SECONDS)
        except signing.BadSignature:
            return None
        return cls(**fields | {"scopes": tuple(fields["scopes"])})

    @property
    def client(self) -> ClientMetadata:
        return ClientMetadata(self.client_id, self.client_name, (self.redirect_uri,), self.has_document)

    @property
    def redirect_place(self) -> str:
        """Where the answer goes, as a person would say it."""
        return place_of(self.redirect_uri)

    @property
    def vouched_for_by(self) -> str:
        """The host that published the client's document; none for those who only registered."""
        return urlsplit(self.client_id).hostname or "" if self.has_document else ""

    def as_uri(self) -> str:
        """The request again, for oauthlib, which checks it a second time."""
        fields = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "state": self.state,
            "code_challenge": self.code_challenge,
            "code_challenge_method": "S256",
            "scope": " ".join(self.scopes),
            "resource": settings.GATEWAY_RESOURCE,
        }
        query = urlencode({name: value for name, value in fields.items() if value})
        return f"{settings.PUBLIC_URL}/oauth/authorize?{query}"

    def refusal(self, error: str) -> str:
        """Where the client learns that the person, or we, said no."""
        answer = [("error", error)] + ([("state", self.state)] if self.state else [])
        return with_issuer(add_params_to_uri(self.redirect_uri, answer))


def with_issuer(uri: str) -> str:
    """RFC 9207, in answers and in errors. A redirect URI that has an `iss` of its own cannot be registered."""
    return str(add_params_to_uri(uri, [("iss", settings.PUBLIC_URL)]))


def is_loopback(uri: str) -> bool:
    return urlsplit(uri).hostname in LOOPBACK


def is_local(uri: str) -> bool:
    """Answered on the person's own computer: by a program that listens there, or that has the scheme."""
    return is_loopback(uri) or urlsplit(uri).scheme not in {"http", "https"}


def place_of(uri: str) -> str:
    parts = urlsplit(uri)
    if is_loopback(uri):
        return "this computer"
    return parts.hostname or f"the app that opens {parts.scheme}: links"
