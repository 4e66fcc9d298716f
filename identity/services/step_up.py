"""A signed-in person gives their second factor again, for what needs a recent one: a code, or a passkey."""

from typing import Any

from django.db import transaction

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity import passkeys
from identity.errors import PasskeyRefused, PrincipalRefused
from identity.factors import accept_recovery_code, accept_totp
from identity.models import Session, User
from identity.passkeys import Ceremony, Purpose, Visitor
from identity.services.attempts import admit, forgive
from identity.services.authority import whole_tenant
from identity.services.challenges import spend
from identity.services.factors import confirmed_device
from identity.services.notices import tell_of_copy
from identity.services.passkeys import of_session
from identity.step_up import clock

PASSKEY = "passkey"  # also what its tries are counted as, with those of signing in


@transaction.atomic
def confirm(session: Session, code: str, by: Actor) -> bool:
    """By a code of the app or a recovery code. False: counted and recorded, so the caller must let it be committed.

    The tries are those of signing in: two doors do not give twice as many guesses.
    """
    user = User.objects.get(id=session.principal_id)
    with whole_tenant():
        admitted = admit("code", user.pk.hex)
    if not admitted:
        return False
    method = _method(user, code)
    if not method:
        record(EventKind.MFA_REFUSED, actor=by, subject=("session", session.pk, ""), result="refused")
        return False
    with whole_tenant():
        forgive("code", user.pk.hex)
    confirmed(session, method, by)
    return True


def begin_confirmation(session: Session) -> Ceremony:
    return passkeys.begin_asking(User.objects.get(id=session.principal_id), _visitor(session))


@transaction.atomic
def confirm_passkey(session: Session, *, state: str, answer: dict[str, Any], by: Actor) -> bool:
    """As confirm(), by one of the person's passkeys. The challenge is spent whatever becomes of the answer."""
    user = User.objects.get(id=session.principal_id)
    with whole_tenant():
        admitted = admit(PASSKEY, user.pk.hex)
    if not admitted:
        return False
    try:
        opened = passkeys.open_state(state, _visitor(session))
        spend(opened)
        with transaction.atomic():
            passkeys.check(user, opened, answer)
    except PasskeyRefused as refused:
        subject, body = ("session", session.pk, ""), {"why": refused.why}
        record(EventKind.MFA_REFUSED, actor=by, subject=subject, result="refused", body=body)
        tell_of_copy(user, refused, by.address)
        return False
    with whole_tenant():
        forgive(PASSKEY, user.pk.hex)
    confirmed(session, PASSKEY, by)
    return True


def _visitor(session: Session) -> Visitor:
    return of_session(Purpose.STEP_UP, session.pk)


@transaction.atomic
def confirmed(session: Session, method: str, by: Actor) -> None:
    """The factor was checked, here or (a passkey) elsewhere: what needs a recent one may be done for a while."""
    live = Session.objects.filter(id=session.pk, principal=session.principal_id, ended_at=None)
    if not live.update(mfa_at=clock(), mfa_method=method):
        raise PrincipalRefused
    record(EventKind.MFA_CONFIRMED, actor=by, subject=("session", session.pk, ""), body={"method": method})


def _method(user: User, code: str) -> str:
    device = confirmed_device(user)
    if device is not None and accept_totp(device, code):
        return "totp"
    return "recovery_code" if accept_recovery_code(user, code) else ""
