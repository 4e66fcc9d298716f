"""A signed-in person gives their second factor again, for what needs a recent one."""

from django.db import transaction

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity.errors import PrincipalRefused
from identity.factors import accept_recovery_code, accept_totp
from identity.models import Session, User
from identity.services.attempts import admit, forgive
from identity.services.authority import whole_tenant
from identity.services.factors import confirmed_device
from identity.step_up import clock


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
