"""What REST_FRAMEWORK names in the settings. Apart from identity.rest: DRF's views import these as they load."""

import logging
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from identity.permissions import Permission
from identity.principals import ActingPrincipal

logger = logging.getLogger(__name__)


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
    reason = check.process_view(request, lambda _: HttpResponse(), (), {})
    if reason:
        raise exceptions.PermissionDenied(f"CSRF: {reason}", code="csrf_refused")


class DeclaredPermission(BasePermission):
    """The permission that the view names for its action. An action that names none is refused."""

    def has_permission(self, request: Request, view: Any) -> bool:
        principal: Any = request.user
        if not isinstance(principal, ActingPrincipal):
            raise getattr(request._request, "refused", None) or exceptions.NotAuthenticated
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
