"""User.has_perm for what a tenant-wide binding allows. What one for a customer allows is in django-guardian's rows."""

from typing import Any

from django.db.models import Model

from identity.errors import PrincipalRefused, TenantSuspended
from identity.models import User
from identity.permissions import Permission
from identity.selectors import acting_principal

_PERMISSIONS = {permission.value: permission for permission in Permission}


class TenantWideBackend:
    """Asks the bindings, each time: has_perm is for templates and libraries, not for decisions about calls."""

    def authenticate(self, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 -- signing in is identity.services.sign_in
        return None

    def has_perm(self, user: Any, name: str, obj: Model | None = None) -> bool:  # noqa: ARG002
        permission = _PERMISSIONS.get(name.rpartition(".")[2])
        if permission is None or not isinstance(user, User):
            return False
        try:
            return acting_principal(user.pk).allows_everywhere(permission)
        except (PrincipalRefused, TenantSuspended):
            return False
