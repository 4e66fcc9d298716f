"""What people change of their own account, in a browser where they are signed in."""

import dataclasses
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import check_password as fits
from django.db import transaction
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity.errors import OwnSessionNeeded, PasswordRefused
from identity.models import Session, User
from identity.principals import ActingPrincipal, PrincipalKind
from identity.services.attempts import admit, forgive
from identity.services.authority import whole_tenant
from identity.services.mail import tell
from identity.services.members import check_password
from identity.services.moments import spoken
from identity.services.principals import end_credentials
from tenants.errors import Invalid

LONGEST_PASSWORD = 1024
LONGEST_NAME = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Own:
    """A person in their own session: what the services below take, so that no token and nobody else gets there."""

    user: User
    session_id: UUID
    actor: Actor

    @classmethod
    def of(cls, principal: ActingPrincipal, actor: Actor) -> "Own":
        if principal.kind is not PrincipalKind.USER or principal.session_id is None:
            raise OwnSessionNeeded
        return cls(User.objects.select_related("principal").get(id=principal.id), principal.session_id, actor)

    def record(self, kind: EventKind, *, result: str = "ok", body: dict[str, Any] | None = None) -> None:
        """Also for people whose roles are for other customers than the one they belong to."""
        subject = ("user", self.user.pk, self.user.email)
        with whole_tenant():
            record(kind, actor=self.actor, subject=subject, customer_id=self.user.customer_id, result=result, body=body)


def confirm_password(own: Own, current: str) -> None:
    """PasswordRefused unless it is theirs. Counted for the session: who stole it slows down nobody but themselves."""
    tries = ("own password", own.session_id.hex)
    if not admit_anywhere(*tries):
        raise PasswordRefused
    if not fits(current[:LONGEST_PASSWORD], own.user.password):
        own.record(EventKind.PASSWORD_REFUSED, result="refused")
        raise PasswordRefused
    with whole_tenant():
        forgive(*tries)


def admit_anywhere(*parts: str) -> bool:
    """Tries are the tenant's: a context narrowed to customers does not see their count."""
    with whole_tenant():
        return admit(*parts)


def change_password(own: Own, *, current: str, new: str) -> None:
    """Whoever else is signed in as this person, is no longer."""
    confirm_password(own, current)
    with transaction.atomic():
        _lock(own)
        if fits(new[:LONGEST_PASSWORD], own.user.password):
            raise Invalid("This is your password already. Choose another one.", field="password", code="password_same")
        set_password(own.user, new)
        end_others(own, Session.End.PASSWORD_CHANGED)
        own.record(EventKind.PASSWORD_CHANGED)
        tell(own.user, "password_changed", at=spoken(timezone.now()), address=own.actor.address)


def set_password(user: User, password: str) -> None:
    check_password(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])


def _lock(own: Own) -> None:
    User.objects.select_for_update().get(id=own.user.pk)


def end_others(own: Own, reason: Session.End) -> None:
    end_credentials(own.user.principal, reason, by=own.actor.label, keep=own.session_id)


@transaction.atomic
def rename(own: Own, *, name: str) -> None:
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME:
        raise Invalid(f"Give a name of at most {LONGEST_NAME} characters.", field="name", code="name_invalid")
    before = own.user.name
    if name == before:
        return
    own.user.name = name
    own.user.save(update_fields=["name"])
    own.record(EventKind.MEMBER_RENAMED, body={"before": {"name": before}, "after": {"name": name}})
