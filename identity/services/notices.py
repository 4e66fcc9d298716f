"""Who is told of what, by mail. One act makes one message to a person at most: whoever is told twice is told once."""

from collections.abc import Iterable
from uuid import UUID

from django.utils import timezone

from audit.actors import Actor
from identity.errors import PasskeyRefused
from identity.models import Principal, User
from identity.principals import PrincipalKind
from identity.roles import Role
from identity.selectors import active_bindings
from identity.services.authority import whole_tenant
from identity.services.mail import tell
from identity.services.moments import spoken

OWNERS, ADMINS = (Role.OWNER,), (Role.OWNER, Role.ADMIN)


def tell_person(principal: Principal, template: str, by: Actor, **context: str) -> None:
    """What somebody else did to the account. Automation has no mailbox."""
    if principal.kind == PrincipalKind.USER:
        tell(person(principal.pk), template, by=by.label, at=spoken(timezone.now()), **context)


def tell_all(people: Iterable[User], template: str, **context: str) -> None:
    """Each once, whatever they are told for; and nobody whose account is closed."""
    for user in {user.pk: user for user in people if not user.principal.is_disabled}.values():
        tell(user, template, at=spoken(timezone.now()), **context)


def tell_of_copy(user: User, refused: PasskeyRefused, address: str) -> None:
    """Somebody has the person's passkey, too; other refusals are slips, and nobody's business."""
    if refused.copied:
        tell(user, "passkey_copied", at=spoken(timezone.now()), address=address)


def holders(roles: Iterable[Role]) -> list[User]:
    """Active people who hold one of the roles for the whole tenant."""
    with whole_tenant():
        held = active_bindings().filter(role__in=[role.value for role in roles], customer=None)
        rows = User.objects.filter(id__in=held.values("principal_id"), principal__disabled_at=None)
        return list(rows.select_related("principal").order_by("id"))


def person(principal_id: UUID) -> User:
    with whole_tenant():
        return User.objects.select_related("principal").get(id=principal_id)
