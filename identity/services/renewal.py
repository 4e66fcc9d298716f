"""Other factors in place of those in use, set up by their owner: an authenticator app, recovery codes."""

from django.db import transaction
from django.utils import timezone

from audit.kinds import EventKind
from identity.errors import CodeRefused
from identity.factors import accept_next_totp, new_seed, otpauth_url, seed_text
from identity.models import Session, TotpDevice, User
from identity.services.factors import APP, Enrolment, make_recovery_codes
from identity.services.mail import tell
from identity.services.moments import spoken
from identity.services.own_account import Own, admit_anywhere, end_others
from tenants.selectors import tenant


@transaction.atomic
def begin_renewal(own: Own) -> Enrolment:
    """What to put into the new app. Asked again, it shows the same; an old app works until the new one has."""
    device = _lock(own)
    if device.next_seed is None:
        device.next_seed = new_seed(own.user)
        device.save(update_fields=["next_seed"])
    coming = TotpDevice(id=device.pk, tenant_id=device.tenant_id, user=own.user, sealed_seed=device.next_seed)
    url = otpauth_url(coming, email=own.user.email, workspace=tenant().workspace)
    return Enrolment(seed_text(coming), url)


def confirm_renewal(own: Own, code: str) -> None:
    """CodeRefused is counted: who renders it keeps the transaction."""
    if not admit_anywhere("new app", own.session_id.hex):
        raise CodeRefused
    with transaction.atomic():
        device = _lock(own)
        if not accept_next_totp(device, code):
            raise CodeRefused
        TotpDevice.objects.filter(id=device.pk).update(confirmed=True)
        end_others(own, Session.End.FACTOR_CHANGED)
        own.record(EventKind.MFA_REPLACED if device.confirmed else EventKind.MFA_ENROLLED, body={"method": "totp"})
        _tell(own, "factor_replaced" if device.confirmed else "factor_added")


@transaction.atomic
def renew_recovery_codes(own: Own) -> list[str]:
    """Ten new ones, shown once."""
    codes = make_recovery_codes(own.user, by=own.actor)
    end_others(own, Session.End.FACTOR_CHANGED)
    _tell(own, "recovery_codes_made")
    return codes


def _tell(own: Own, template: str) -> None:
    tell(own.user, template, at=spoken(timezone.now()), address=own.actor.address)


def _lock(own: Own) -> TotpDevice:
    """For who has a passkey and no app yet, one that waits: only `next_seed`, which nobody else has seen, is shown."""
    User.objects.select_for_update(of=("self",)).get(id=own.user.pk)
    made = {"name": APP, "confirmed": False, "sealed_seed": new_seed(own.user)}
    device, _ = TotpDevice.objects.select_for_update().get_or_create(user=own.user, defaults=made)
    return device
