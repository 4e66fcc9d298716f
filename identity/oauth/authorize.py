"""The first look at an authorization request, before there is a tenant: is it sound, and where may an answer go?"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from oauth2_provider.exceptions import FatalClientError, OAuthToolkitError
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error, InvalidRequestError, OAuth2Error

from identity.oauth.requests import LONGEST_SEALED, LONGEST_STATE, AuthorizationRequest, is_local, with_issuer
from identity.oauth.server import make_core

S256_LENGTH = 43


class FatalRefusal(Exception):
    """Nobody is sent anywhere: it is not sure whose address that would be."""


class RedirectedRefusal(Exception):
    """The client's address is its own. `automatic`: without asking, because it is an app on the person's computer.

    Anyone may register a web address. Were the browser sent on to it unasked, we would be a lever for phishing
    (RFC 9700 4.11.2); the person follows a link instead.
    """

    def __init__(self, error: OAuth2Error, redirect_uri: str) -> None:
        super().__init__(error.description or error.error)
        self.uri = with_issuer(error.in_uri(redirect_uri))
        self.automatic = is_local(redirect_uri)


def check_request(request: HttpRequest) -> AuthorizationRequest:
    """What oauthlib finds good: client, redirect URI, response type, S256, scopes; and then what is ours."""
    try:
        scopes, found = make_core().validate_authorization_request(request)
    except FatalClientError as error:
        raise FatalRefusal(_in_words(error.oauthlib_error)) from error
    except OAuthToolkitError as error:
        raise RedirectedRefusal(error.oauthlib_error, error.oauthlib_error.redirect_uri) from error
    asked = _asked(request, scopes, found)
    _check_ours(request, asked, found)
    return asked


def _asked(request: HttpRequest, scopes: list[str], found: dict[str, Any]) -> AuthorizationRequest:
    described = found["request"].described
    return AuthorizationRequest(
        client_id=described.client_id,
        client_name=described.name,
        has_document=described.has_document,
        redirect_uri=found["redirect_uri"],
        state=request.GET.get("state", ""),
        code_challenge=found["code_challenge"],
        scopes=tuple(dict.fromkeys(scopes)),
    )


def _check_ours(request: HttpRequest, asked: AuthorizationRequest, found: dict[str, Any]) -> None:
    oauthlib_request = found["request"]
    if set(request.GET.getlist("resource")) - {settings.GATEWAY_RESOURCE}:
        error = CustomOAuth2Error("invalid_target", "resource must be the gateway.", request=oauthlib_request)
        raise RedirectedRefusal(error, asked.redirect_uri)
    for name in ("code_challenge", "code_challenge_method", "response_mode", "nonce"):
        if len(request.GET.getlist(name)) > 1:
            raise RedirectedRefusal(InvalidRequestError(f"{name} twice.", request=oauthlib_request), asked.redirect_uri)
    if len(asked.state) > LONGEST_STATE or len(asked.code_challenge) != S256_LENGTH:
        error = InvalidRequestError("state or code_challenge has the wrong length.", request=oauthlib_request)
        raise RedirectedRefusal(error, asked.redirect_uri)
    if len(asked.sealed()) > LONGEST_SEALED:
        raise FatalRefusal("The request is too long.")


_WORDS = {
    "InvalidClientIdError": "The app is not known here, or its registration is over. Connect it anew.",
    "MismatchingRedirectURIError": "The app asks to be answered at an address that it has not registered.",
}


def _in_words(error: OAuth2Error) -> str:
    return _WORDS.get(type(error).__name__, "The app's request is not complete.")
