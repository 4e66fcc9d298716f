"""What REST_FRAMEWORK names in the settings. Apart from identity.rest: DRF's views import these as they load."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from audit.lag import require_sealing
from identity.permissions import Permission
from identity.principals import ActingPrincipal
from identity.step_up import check_recent
from tenants.errors import Invalid

logger = logging.getLogger(__name__)
DIGITS = re.compile(r"[0-9]{1,9}")


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
        if action in getattr(view, "recent_mfa_actions", ()):
            check_recent(principal)
        if request.method not in SAFE_METHODS:
            require_sealing()
        return True


class NewestFirst(CursorPagination):
    """Ids are UUIDv7, so their order is the order of time."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    page_size_query_description = "How many to return at most."
    max_page_size = 200

    def get_page_size(self, request: Request) -> int:
        """Invalid rather than another number than the one that was asked for."""
        given = request.query_params.getlist("limit")
        if not given:
            return self.page_size
        number = int(given[0]) if len(given) == 1 and DIGITS.fullmatch(given[0]) else 0
        if not 1 <= number <= self.max_page_size:
            raise Invalid(f"Give one number from 1 to {self.max_page_size}.", field="limit", code="limit_invalid")
        return number

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        cursor, limit = super().get_schema_operation_parameters(view)
        bounds = {"minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return [cursor, limit | {"schema": {"type": "integer", **bounds}}]
