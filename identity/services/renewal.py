"""Another authenticator app in place of the one in use, set up by its owner."""

from django.db import transaction
from django.utils import timezone

from audit.kinds import EventKind
from identity.errors import CodeRefused
from identity.factors import accept_next_totp, new_seed, otpauth_url, seed_text
from identity.models import Session, TotpDevice
from identity.services.factors import Enrolment
from identity.services.mail import tell
from identity.services.moments import spoken
from identity.services.own_account import Own, admit_anywhere, end_others
from tenants.errors import Conflict
from tenants.selectors import tenant


@transaction.atomic
def begin_renewal(own: Own) -> Enrolment:
    """What to put into the new app. Asked again, it shows the same; the old app works until the new one has."""
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
        if not accept_next_totp(_lock(own), code):
            raise CodeRefused
        end_others(own, Session.End.FACTOR_CHANGED)
        own.record(EventKind.MFA_REPLACED, body={"method": "totp"})
        tell(own.user, "factor_replaced", at=spoken(timezone.now()), address=own.actor.address)


def _lock(own: Own) -> TotpDevice:
    device = TotpDevice.objects.select_for_update().filter(user=own.user, confirmed=True).first()
    if device is None:
        raise Conflict("There is no authenticator app to replace.", code="not_enrolled")
    return device
