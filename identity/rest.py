"""The base of every API view: who may do which action, newest first in pages, failures as problem+json (RFC 9457)."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from identity.permissions import Permission
from identity.principals import ActingPrincipal
from tenants.errors import DomainError, Invalid

logger = logging.getLogger(__name__)
PROBLEM = "application/problem+json"


class PrincipalAuthentication(BaseAuthentication):
    """What PrincipalMiddleware found. A session must also prove that the page which sends is ours."""

    def authenticate(self, request: Request) -> tuple[ActingPrincipal, None] | None:
        principal: ActingPrincipal | None = getattr(request._request, "principal", None)
        if principal is None:
            return None
        if principal.session_id is not None:
            _check_csrf(request._request)
        return principal, None

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return "Bearer"


def _check_csrf(request: HttpRequest) -> None:
    check = CSRFCheck(lambda _: None)  # type: ignore[arg-type]
    check.process_request(request)
    reason = check.process_view(request, None, (), {})
    if reason:
        raise exceptions.PermissionDenied(f"CSRF: {reason}", code="csrf_refused")


class DeclaredPermission(BasePermission):
    """The permission that the view names for its action. An action that names none is refused."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        principal = request.user
        if not isinstance(principal, ActingPrincipal):
            raise exceptions.NotAuthenticated
        declared: Mapping[str, Permission] = getattr(view, "required_permissions", {})
        action = getattr(view, "action", None)
        if action is None:  # the method is not one of the view's
            raise exceptions.MethodNotAllowed(request.method or "")
        permission = declared.get(action)
        if permission is None:
            logger.error("%s.%s declares no permission", type(view).__name__, action)
            return False
        if not principal.allows(permission):
            raise exceptions.PermissionDenied(f"This needs the permission {permission}.", code="permission_missing")
        return True


class NewestFirst(CursorPagination):
    """Ids are UUIDv7, so their order is the order of time."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200


class TenantViewSet(GenericViewSet[Any]):
    """`get_queryset` returns a selector; `required_permissions` names one permission for every action."""

    required_permissions: ClassVar[Mapping[str, Permission]] = {}
    authentication_classes = (PrincipalAuthentication,)
    permission_classes = (DeclaredPermission,)
    pagination_class = NewestFirst


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
        logger.error("%s in %s: %s", error.code, type(context.get("view")).__name__, error)
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
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    if fields:
        body["fields"] = fields
    return Response(body, status=status, headers=headers, content_type=PROBLEM)
