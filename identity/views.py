"""The endpoints that clients speak to: tokens, revocation, registration, metadata (RFC 8414) and public keys."""

import base64
import binascii
import json
import logging
import time
from typing import Any
from urllib.parse import unquote_plus

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from identity import assertions
from identity.errors import ClientRefused
from identity.oauth import pace
from identity.oauth.clients import ClientMetadata, register
from identity.oauth.errors import MetadataRefused
from identity.services import (
    IssuedToken,
    TokenAnswer,
    answer_token_request,
    exchange_assertion,
    exchange_secret,
    revoke_token,
)
from identity.services.agents import TOOLS
from identity.tokens import public_keys
from identity.web import public
from tenants.errors import Unavailable

logger = logging.getLogger(__name__)
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
LONGEST_PART = 512
LONGEST_REGISTRATION = 8 * 1024
PEOPLES_GRANTS = frozenset({"authorization_code", "refresh_token"})


class _RequestRefused(Exception):
    """RFC 6749 5.2; the code is the message."""


def _failure(code: str, status: int = 400, **headers: str) -> JsonResponse:
    return JsonResponse({"error": code}, status=status, headers=NO_STORE | headers)


@csrf_exempt
@public("clients authenticate with a secret, a code or a refresh token")
@require_POST
@sensitive_post_parameters()
def token(request: HttpRequest) -> HttpResponse:
    try:
        _check_form(request)
        grant = request.POST.get("grant_type", "")
        return _for_person(request) if grant in PEOPLES_GRANTS else _for_machine(request)
    except _RequestRefused as refused:
        return _failure(str(refused))
    except ClientRefused:
        return _failure("invalid_client", 401, **{"WWW-Authenticate": 'Basic realm="token"'})
    except (Unavailable, DatabaseError):
        logger.exception("a token request could not be answered")
        return _failure("temporarily_unavailable", 503, **{"Retry-After": "1"})


def _check_form(request: HttpRequest) -> None:
    if any(len(request.POST.getlist(name)) > 1 for name in request.POST):
        raise _RequestRefused("invalid_request")
    if any("\0" in value for value in request.POST.values()):
        raise _RequestRefused("invalid_request")
    if not request.POST.get("grant_type"):
        raise _RequestRefused("invalid_request")


def _for_machine(request: HttpRequest) -> HttpResponse:
    issued = _by_assertion(request) if "client_assertion" in request.POST else _by_secret(request)
    body = {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": issued.scope,
    }
    return JsonResponse(body, headers=NO_STORE)


@sensitive_variables("secret")
def _by_secret(request: HttpRequest) -> IssuedToken:
    client_id, secret = _client_credentials(request)
    return exchange_secret(client_id, secret, resource=_resource(request), client=request.client)  # type: ignore[attr-defined]


def _by_assertion(request: HttpRequest) -> IssuedToken:
    """RFC 7523 2.2: instead of a secret, never beside one."""
    if "Authorization" in request.headers or request.POST.get("client_secret"):
        raise _RequestRefused("invalid_request")
    raw, client_id = request.POST["client_assertion"], request.POST.get("client_id", "")
    if request.POST.get("client_assertion_type") != assertions.TYPE or len(raw) > assertions.LONGEST:
        raise ClientRefused
    return exchange_assertion(client_id, raw, resource=_resource(request), client=request.client)  # type: ignore[attr-defined]


def _for_person(request: HttpRequest) -> HttpResponse:
    """An agent session is for the gateway and for nothing else (RFC 8707)."""
    if request.POST.get("resource", settings.GATEWAY_RESOURCE) != settings.GATEWAY_RESOURCE:
        raise _RequestRefused("invalid_target")
    return _answered(answer_token_request(request, client=request.client))  # type: ignore[attr-defined]


def _answered(answer: TokenAnswer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, content_type="application/json", headers=NO_STORE)


@csrf_exempt
@public("a client gives back what it holds (RFC 7009)")
@require_POST
@sensitive_post_parameters()
def revoke(request: HttpRequest) -> HttpResponse:
    if not request.POST.get("token") or any(len(request.POST.getlist(name)) > 1 for name in request.POST):
        return _failure("invalid_request")
    try:
        return _answered(revoke_token(request, client=request.client))  # type: ignore[attr-defined]
    except (Unavailable, DatabaseError):
        logger.exception("a token request could not be answered")
        return _failure("temporarily_unavailable", 503, **{"Retry-After": "1"})


@csrf_exempt
@public("a client that nobody knows yet says who it is (RFC 7591); nothing is stored")
@require_POST
def registration(request: HttpRequest) -> HttpResponse:
    wait = pace.wait("register", request.client.address)  # type: ignore[attr-defined]
    if wait:
        return _failure("temporarily_unavailable", 429, **{"Retry-After": str(wait)})
    try:
        client, seconds = register(_described(request))
    except MetadataRefused as refused:
        body = {"error": refused.code, "error_description": refused.description}
        return JsonResponse(body, status=400, headers=NO_STORE)
    return JsonResponse(_registered(client, seconds), status=201, headers=NO_STORE)


def _described(request: HttpRequest) -> Any:
    if len(request.body) > LONGEST_REGISTRATION or request.content_type != "application/json":
        raise MetadataRefused("Send a short JSON object.")
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise MetadataRefused("Send a JSON object.") from error


def _registered(client: ClientMetadata, seconds: int) -> dict[str, object]:
    now = int(time.time())
    return {
        "client_id": client.client_id,
        "client_id_issued_at": now,
        "client_id_expires_at": now + seconds,
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }


def _client_credentials(request: HttpRequest) -> tuple[str, str]:
    """From the header or the form, not from both (RFC 6749 2.3)."""
    header = request.headers.get("Authorization", "")
    client_id, secret = request.POST.get("client_id", ""), request.POST.get("client_secret", "")
    if header:
        if secret:
            raise _RequestRefused("invalid_request")
        client_id, secret = _basic(header)
    if max(len(client_id), len(secret)) > LONGEST_PART:
        raise ClientRefused
    return client_id, secret


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        client_id, found, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ClientRefused from error
    if scheme.lower() != "basic" or not found:
        raise ClientRefused
    return unquote_plus(client_id), unquote_plus(secret)


def _resource(request: HttpRequest) -> str:
    """What the token is for (RFC 8707): the gateway, unless the API is named."""
    if request.POST.get("grant_type") != "client_credentials":
        raise _RequestRefused("unsupported_grant_type")
    resource = request.POST.get("resource", settings.GATEWAY_RESOURCE)
    if resource not in {settings.GATEWAY_RESOURCE, settings.API_RESOURCE}:
        raise _RequestRefused("invalid_target")
    return resource


@public("clients find the token endpoint here")
@require_GET
def metadata(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    issuer = settings.PUBLIC_URL
    return JsonResponse(
        {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/oauth/authorize",
            "token_endpoint": f"{issuer}/oauth/token",
            "revocation_endpoint": f"{issuer}/oauth/revoke",
            "registration_endpoint": f"{issuer}/oauth/register",
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "scopes_supported": sorted(TOOLS),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": [
                "none",
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt",
            ],
            "token_endpoint_auth_signing_alg_values_supported": assertions.NAMES,
            "revocation_endpoint_auth_methods_supported": ["none"],
            "authorization_response_iss_parameter_supported": True,
            "client_id_metadata_document_supported": True,
            "protected_resources": [settings.GATEWAY_RESOURCE, settings.API_RESOURCE],
        }
    )


@public("the keys that access tokens are checked with")
@require_GET
def jwks(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return JsonResponse({"keys": public_keys()})
