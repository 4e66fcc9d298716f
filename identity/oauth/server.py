"""oauthlib's server behind django-oauth-toolkit's door: codes and refresh tokens of public clients, no more."""

from typing import Any

from django.http import HttpRequest
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.settings import oauth2_settings
from oauthlib.oauth2 import WebApplicationServer
from oauthlib.oauth2.rfc6749.grant_types.authorization_code import code_challenge_method_s256

from identity.oauth.validator import Validator
from identity.services.sessions import Client
from identity.tokens import AGENT_SECONDS


class Server(WebApplicationServer):  # type: ignore[misc]
    """No implicit, no password, no plain PKCE: what is not here cannot be asked for."""

    def __init__(self, validator: Validator, **kwargs: Any) -> None:
        super().__init__(validator, **kwargs)
        self.auth_grant._code_challenge_methods = {"S256": code_challenge_method_s256}


class Core(OAuthLibCore):  # type: ignore[misc]
    def extract_headers(self, request: HttpRequest) -> dict[str, Any]:
        """Only what oauthlib reads: a public client has no credentials that a header could carry."""
        return {"Content-Type": request.headers.get("Content-Type", "")}


def make_core(origin: Client | None = None) -> Core:
    server = Server(
        Validator(origin),
        token_generator=oauth2_settings.ACCESS_TOKEN_GENERATOR,
        refresh_token_generator=oauth2_settings.REFRESH_TOKEN_GENERATOR,
        token_expires_in=AGENT_SECONDS,
    )
    return Core(server)
