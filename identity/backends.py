"""User.has_perm: what a tenant-wide binding allows, and what one for a customer does, through django-guardian's rows.

Both ask the bindings, each time: has_perm is for templates and libraries, not for decisions about calls.
"""

from typing import Any

from django.db.models import Model
from guardian.backends import ObjectPermissionBackend

from identity.errors import PrincipalRefused, TenantSuspended
from identity.models import User
from identity.permissions import Permission
from identity.principals import ActingPrincipal
from identity.selectors import acting_principal
from tenants.models import Customer

_PERMISSIONS = {permission.value: permission for permission in Permission}


def _permission(name: str) -> Permission | None:
    return _PERMISSIONS.get(name.rpartition(".")[2])


def _principal(user: Any) -> ActingPrincipal | None:
    if not isinstance(user, User):
        return None
    try:
        return acting_principal(user.pk)
    except (PrincipalRefused, TenantSuspended):
        return None


class TenantWideBackend:
    def authenticate(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 -- signing in is identity.services.sign_in
        return None

    def has_perm(self, user: Any, name: str, obj: Model | None = None) -> bool:  # noqa: ARG002
        permission, principal = _permission(name), _principal(user)
        return permission is not None and principal is not None and principal.allows_everywhere(permission)


class CustomerBackend(ObjectPermissionBackend):
    """django-guardian's rows, as long as a binding stands behind them: one that has just ended still has its rows."""

    def has_perm(self, user_obj: Any, perm: str, obj: Model | None = None) -> bool:
        permission = _permission(perm)
        if permission is None or not isinstance(obj, Customer) or not super().has_perm(user_obj, perm, obj):
            return False
        principal = _principal(user_obj)
        return principal is not None and principal.allows(permission, obj.pk)
