"""Second factors of a person: set up, confirmed with a first code, replaced. In the open context and transaction."""

import dataclasses
from uuid import UUID

from django.db import transaction

from audit.actors import Actor
from audit.kinds import EventKind
from audit.services import record
from identity.errors import CodeRefused
from identity.factors import accept_totp, new_recovery_codes, new_seed, otpauth_url, plain_code, seed_text
from identity.models import Passkey, RecoveryCode, Session, TotpDevice, User
from identity.sealing import recovery_digests
from identity.selectors import passkeys_of
from identity.services.authority import whole_tenant
from identity.services.notices import tell_person
from identity.services.principals import end_credentials, lock_managed
from tenants.errors import Conflict
from tenants.selectors import tenant

APP = "Authenticator app"


@dataclasses.dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app needs: the secret to type, or the URL in a QR code."""

    secret: str
    url: str


def confirmed_device(user: User) -> TotpDevice | None:
    return TotpDevice.objects.filter(user=user, confirmed=True).first()


def check_first_factor(user_id: UUID) -> None:
    """With the password alone a factor can be set up only while there is none of any kind."""
    if TotpDevice.objects.filter(user_id=user_id, confirmed=True).exists() or passkeys_of(user_id).exists():
        raise Conflict("A second factor is already set up.", code="already_enrolled")


@transaction.atomic
def enrol_totp(user: User) -> Enrolment:
    """A device that waits for its first code. Asked again, it shows the same one."""
    device, _ = TotpDevice.objects.get_or_create(
        user=user, defaults={"name": APP, "confirmed": False, "sealed_seed": new_seed(user)}
    )
    if device.confirmed:
        raise Conflict("An authenticator app is already set up.", code="already_enrolled")
    return Enrolment(seed_text(device), otpauth_url(device, email=user.email, workspace=tenant().workspace))


@transaction.atomic
def confirm_totp(user: User, code: str, *, by: Actor) -> None:
    device = TotpDevice.objects.filter(user=user, confirmed=False).first()
    if device is None or not accept_totp(device, code):
        raise CodeRefused
    TotpDevice.objects.filter(id=device.pk).update(confirmed=True)
    record(EventKind.MFA_ENROLLED, actor=by, subject=("user", user.pk, user.email), body={"method": "totp"})


@transaction.atomic
def make_recovery_codes(user: User, *, by: Actor) -> list[str]:
    """Ten new codes, shown once; the old ones are gone. Of the own account they are made by renew_recovery_codes."""
    codes = new_recovery_codes()
    RecoveryCode.objects.filter(user=user).delete()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, code_hash=recovery_digests(plain_code(code), user=user.pk)[0]) for code in codes
    )
    record(EventKind.RECOVERY_CODES_MADE, actor=by, subject=("user", user.pk, user.email), body={"count": len(codes)})
    return codes


@transaction.atomic
def reset_factors(user: User, *, by: Actor) -> None:
    """The person lost them: the next sign-in sets up new ones. Whoever is signed in is signed out."""
    principal = lock_managed(user.principal_id, by)
    with whole_tenant():  # factors are seen by their owner only, also not by the customer's manager
        TotpDevice.objects.filter(user=user).delete()
        RecoveryCode.objects.filter(user=user).delete()
        Passkey.objects.filter(user=user).delete()
    end_credentials(principal, Session.End.FACTOR_CHANGED, by=by.label)
    record(
        EventKind.MFA_RESET,
        actor=by,
        subject=("user", user.pk, user.email),
        customer_id=principal.customer_id,
    )
    tell_person(principal, "factors_reset", by)
