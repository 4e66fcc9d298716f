"""A person's passkeys: added, named, removed; in the person's own session."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity import passkeys
from identity.errors import LastFactor
from identity.models import Passkey, Session, TotpDevice, User
from identity.passkeys import Ceremony, Purpose, Visitor
from identity.selectors import passkeys_of
from identity.services.challenges import spend
from identity.services.mail import tell
from identity.services.moments import spoken
from identity.services.principals import end_credentials
from identity.services.uniqueness import conflict_if_taken
from tenants.errors import Conflict, Invalid, NotAllowed, NotFound

MOST_PASSKEYS = 20
LONGEST_NAME = 64


def of_session(purpose: Purpose, session_id: UUID | None) -> Visitor:
    if session_id is None:
        raise NotAllowed("Passkeys are added and used by a person in a browser.", code="no_session")
    return Visitor(purpose, f"session:{session_id}")


def begin_registration(user: User, *, session_id: UUID | None) -> Ceremony:
    return passkeys.begin_making(user, of_session(Purpose.REGISTER, session_id))


@transaction.atomic
def register_passkey(
    user: User, *, name: str, state: str, answer: dict[str, Any], session_id: UUID | None, by: Actor
) -> Passkey:
    """Whoever else is signed in as this person, is no longer: a factor has changed."""
    visitor = of_session(Purpose.REGISTER, session_id)
    user = _locked(user)
    passkey = add_passkey(user, visitor, name=name, state=state, answer=answer, by=by)
    end_credentials(user.principal, Session.End.FACTOR_CHANGED, by=by.label, keep=session_id)
    tell(user, "passkey_added", passkey=passkey.name, at=spoken(timezone.now()), address=by.address)
    return passkey


def add_passkey(user: User, visitor: Visitor, *, name: str, state: str, answer: dict[str, Any], by: Actor) -> Passkey:
    name = _checked_name(name)
    if passkeys_of(user.pk).count() >= MOST_PASSKEYS:
        raise Conflict(f"You have {MOST_PASSKEYS} passkeys. Remove one first.", code="too_many_passkeys")
    opened = passkeys.open_state(state, visitor)
    spend(opened)
    with conflict_if_taken("This passkey is already registered.", code="passkey_taken"):
        made = passkeys.make(user, opened, answer, name=name)
    _record(EventKind.PASSKEY_ADDED, made, by)
    return made


@transaction.atomic
def rename_passkey(user: User, passkey_id: UUID, *, name: str, by: Actor) -> Passkey:
    name, passkey = _checked_name(name), _own(user, passkey_id)
    before, passkey.name = passkey.name, name
    Passkey.objects.filter(id=passkey_id).update(name=name)
    _record(EventKind.PASSKEY_RENAMED, passkey, by, before=before)
    return passkey


@transaction.atomic
def remove_passkey(user: User, passkey_id: UUID, *, session_id: UUID | None, by: Actor) -> None:
    user = _locked(user)  # two removals at once must not leave the person without a factor
    passkey = _own(user, passkey_id)
    app = TotpDevice.objects.filter(user=user, confirmed=True).exists()
    if not app and passkeys_of(user.pk).count() == 1:
        raise LastFactor
    Passkey.objects.filter(id=passkey_id).delete()
    end_credentials(user.principal, Session.End.FACTOR_CHANGED, by=by.label, keep=session_id)
    _record(EventKind.PASSKEY_REMOVED, passkey, by)
    tell(user, "passkey_removed", passkey=passkey.name, at=spoken(timezone.now()), address=by.address)


def _locked(user: User) -> User:
    return User.objects.select_for_update(of=("self",)).select_related("principal").get(id=user.pk)


def _own(user: User, passkey_id: UUID) -> Passkey:
    passkey = passkeys_of(user.pk).filter(id=passkey_id).first()
    if passkey is None:
        raise NotFound
    return passkey


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise Invalid(f"Give it a name of up to {LONGEST_NAME} characters.", field="name", code="name_invalid")
    return name


def _record(kind: EventKind, passkey: Passkey, by: Actor, **more: str) -> None:
    body = {"passkey": str(passkey.pk), "name": passkey.name, **more}
    record(kind, actor=by, subject=("user", passkey.user_id, by.label), body=body)
