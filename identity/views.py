"""The OAuth server for machines: client_credentials (RFC 6749), its metadata (RFC 8414) and its public keys."""

import base64
import binascii
from urllib.parse import unquote_plus

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from identity.errors import ClientRefused
from identity.services import exchange_secret
from identity.tokens import public_keys
from identity.web import public
from tenants.errors import Unavailable

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
LONGEST_PART = 512


class _RequestRefused(Exception):
    """RFC 6749 5.2; the code is the message."""


def _failure(code: str, status: int = 400, **headers: str) -> JsonResponse:
    return JsonResponse({"error": code}, status=status, headers=NO_STORE | headers)


@csrf_exempt
@public("machines authenticate with their own secret")
@require_POST
@sensitive_post_parameters()
@sensitive_variables("secret")
def token(request: HttpRequest) -> HttpResponse:
    try:
        client_id, secret = _client_credentials(request)
        resource = _resource(request)
        issued = exchange_secret(client_id, secret, resource=resource, client=request.client)  # type: ignore[attr-defined]
    except _RequestRefused as refused:
        return _failure(str(refused))
    except ClientRefused:
        return _failure("invalid_client", 401, **{"WWW-Authenticate": 'Basic realm="token"'})
    except (Unavailable, DatabaseError):
        return _failure("temporarily_unavailable", 503, **{"Retry-After": "1"})
    body = {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": issued.scope,
    }
    return JsonResponse(body, headers=NO_STORE)


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
    if any(len(request.POST.getlist(name)) > 1 for name in request.POST):
        raise _RequestRefused("invalid_request")
    grant = request.POST.get("grant_type", "")
    if not grant:
        raise _RequestRefused("invalid_request")
    if grant != "client_credentials":
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
            "token_endpoint": f"{issuer}/oauth/token",
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "protected_resources": [settings.GATEWAY_RESOURCE, settings.API_RESOURCE],
        }
    )


@public("the keys that access tokens are checked with")
@require_GET
def jwks(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return JsonResponse({"keys": public_keys()})
