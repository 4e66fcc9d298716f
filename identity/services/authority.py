"""What every service asks first: may this actor do that, and does it hold what it is about to give?"""

import contextlib
import dataclasses
from collections.abc import Iterator
from uuid import UUID

from audit.actors import Actor, ActorKind
from identity.errors import GrantsMoreThanHeld, OwnAccount, PermissionMissing, PrincipalRefused
from identity.models import Principal
from identity.permissions import Permission
from identity.principals import ActingPrincipal, Grant
from identity.selectors import acting_principal
from tenants.errors import NotAllowed, NotFound
from tenants.isolation.context import Context, acting_for, current

# Actors that are not principals: the deployment's own commands and the provider's provisioning.
_TRUSTED = {ActorKind.SYSTEM, ActorKind.PROVIDER}


def _context() -> Context:
    context = current()
    if context is None:
        raise LookupError("no tenant context")
    return context


@contextlib.contextmanager
def whole_tenant() -> Iterator[None]:
    """For a look, or a write that was allowed already, at what a context narrowed to customers does not show.

    It only ever widens: a rollback to an earlier savepoint brings back the narrower context, never this one.
    """
    with acting_for(dataclasses.replace(_context(), customers=None)):
        yield


def principal_of(actor: Actor) -> ActingPrincipal | None:
    """The actor's grants as of now, no further than the acting context reaches; None for the deployment itself.

    A credential that was issued for some customers stays with them, whatever its principal has been given since.
    """
    if actor.kind in _TRUSTED:
        return None
    if actor.id is None:
        raise NotAllowed("An unknown actor may do nothing.")
    try:
        return acting_principal(actor.id).limited_to(_context().customers)
    except PrincipalRefused as refused:
        raise NotAllowed("This account is disabled.") from refused


def authorise(actor: Actor, permission: Permission, customer_id: UUID | None) -> None:
    """For that customer; for the whole tenant when there is none."""
    principal = principal_of(actor)
    if principal is None:
        return
    if customer_id is None and not principal.allows_everywhere(permission):
        raise PermissionMissing(permission)
    if not principal.allows(permission, customer_id):
        raise PermissionMissing(permission)


def authorise_grant(actor: Actor, grant: Grant) -> None:
    """Nobody gives what they do not hold."""
    principal = principal_of(actor)
    if principal is not None and not principal.covers(grant):
        raise GrantsMoreThanHeld


def refuse_own(principal_id: UUID, actor: Actor) -> None:
    """One's own roles, and whether one's account is open, are for others to change."""
    if principal_id == actor.id:
        raise OwnAccount


def lock_principal(principal_id: UUID) -> Principal:
    """NotFound unless the acting context shows it. The lock is taken as the tenant: nobody may write their own row."""
    if not Principal.objects.filter(id=principal_id).exists():
        raise NotFound
    with whole_tenant():
        return Principal.objects.select_for_update().get(id=principal_id)
