"""The base of every API view: who may do which action, newest first in pages, failures as problem+json (RFC 9457)."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from audit.actors import Actor
from identity.api_defaults import DeclaredPermission, NewestFirst, PrincipalAuthentication
from identity.permissions import Permission
from identity.principals import ActingPrincipal
from tenants.errors import DomainError, Invalid

logger = logging.getLogger(__name__)
PROBLEM = "application/problem+json"
UUID_PATTERN = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # of an id in an action's own part of an address


class TenantViewSet(GenericViewSet[Any]):
    """`get_queryset` returns a selector; `required_permissions` names one permission for every action.

    `recent_mfa_actions` are those that need a second factor of the last minutes as well (identity.step_up).
    """

    required_permissions: ClassVar[Mapping[str, Permission]] = {}
    recent_mfa_actions: ClassVar[frozenset[str]] = frozenset()
    authentication_classes = (PrincipalAuthentication,)
    permission_classes = (DeclaredPermission,)
    pagination_class = NewestFirst

    @property
    def actor(self) -> Actor:
        actor: Actor = self.request._request.actor  # type: ignore[attr-defined]
        return actor

    @property
    def principal(self) -> ActingPrincipal:
        principal: ActingPrincipal = self.request._request.principal  # type: ignore[attr-defined]
        return principal


def valid_input(serializer: BaseSerializer[Any]) -> dict[str, Any]:
    """ValidationError names the fields that are not right."""
    serializer.is_valid(raise_exception=True)
    valid: dict[str, Any] = serializer.validated_data
    return valid


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None: it is a bug, and becomes a 500 elsewhere."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, DomainError):
        return _domain_problem(error, context)
    if isinstance(error, exceptions.APIException):
        return _api_problem(error)
    return None


def _domain_problem(error: DomainError, context: dict[str, Any]) -> Response:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("%s in %s", error.code, type(context.get("view")).__name__)
    if error.status == HTTPStatus.NOT_FOUND:
        return _api_problem(exceptions.NotFound())
    fields = {error.field: [error.message]} if isinstance(error, Invalid) and error.field else None
    headers = {"Retry-After": "1"} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return _response(error.status, error.code, error.message, fields=fields, headers=headers)


def _api_problem(error: exceptions.APIException) -> Response:
    headers = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if isinstance(error, exceptions.ValidationError):
        fields = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
        return _response(400, "invalid", "Some fields are not right.", fields=fields)
    code = error.get_codes()
    return _response(error.status_code, code if isinstance(code, str) else "error", str(error.detail), headers=headers)


def _response(
    status: int,
    code: str,
    detail: str,
    *,
    fields: Any = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body = _body(status, code, detail)
    if fields:
        body["fields"] = fields
    return Response(body, status=status, headers=headers, content_type=PROBLEM)


def plain_problem(status: int, code: str, detail: str) -> HttpResponse:
    """The same answer where no API view was reached: an address that is none, a failure nobody expected."""
    return HttpResponse(JSONRenderer().render(_body(status, code, detail)), status=status, content_type=PROBLEM)


def _body(status: int, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
