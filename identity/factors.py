"""The second factor: codes of an authenticator app, and recovery codes. Each is accepted once."""

import base64
import re
import secrets
import time
from urllib.parse import quote, urlencode

from django.utils import timezone
from django_otp.oath import TOTP

from identity.models import RecoveryCode, TotpDevice, User
from identity.sealing import open_seed, recovery_digests, seal_seed

SEED_BYTES = 20
STEP_SECONDS = 30
TOLERANCE = 1  # steps before and after now, for clocks that differ
RECOVERY_CODES = 10
RECOVERY_BYTES = 10  # 80 bits, 16 characters
ISSUER = "MSPlex"
_DIGITS = re.compile(r"[0-9]{6}")


def new_seed(user: User) -> bytes:
    """The sealed seed of a new device."""
    return seal_seed(secrets.token_bytes(SEED_BYTES), tenant=user.tenant_id, user=user.pk)


def seed_text(device: TotpDevice) -> str:
    seed = open_seed(device.sealed_seed, tenant=device.tenant_id, user=device.user_id)
    return base64.b32encode(seed).decode().rstrip("=")


def otpauth_url(device: TotpDevice, *, email: str, workspace: str) -> str:
    label = quote(f"{ISSUER}:{email} ({workspace})")
    query = urlencode({"secret": seed_text(device), "issuer": ISSUER, "period": STEP_SECONDS, "digits": 6})
    return f"otpauth://totp/{label}?{query}"


def accept_totp(device: TotpDevice, code: str) -> bool:
    """True once per time step: of two at the same moment, one moves `last_step` and the other finds it moved."""
    code = re.sub(r"\s", "", code)
    if not _DIGITS.fullmatch(code):
        return False
    totp = TOTP(open_seed(device.sealed_seed, tenant=device.tenant_id, user=device.user_id), STEP_SECONDS)
    totp.time = time.time()
    if not totp.verify(int(code), tolerance=TOLERANCE, min_t=device.last_step + 1):
        return False
    step = totp.t()
    return bool(TotpDevice.objects.filter(id=device.pk, last_step__lt=step).update(last_step=step))


def accept_next_totp(device: TotpDevice, code: str) -> bool:
    """The first code of the app that takes this one's place; from here on the old one's are refused."""
    code = re.sub(r"\s", "", code)
    if device.next_seed is None or not _DIGITS.fullmatch(code):
        return False
    totp = TOTP(open_seed(device.next_seed, tenant=device.tenant_id, user=device.user_id), STEP_SECONDS)
    totp.time = time.time()
    if not totp.verify(int(code), tolerance=TOLERANCE):
        return False
    waiting = TotpDevice.objects.filter(id=device.pk, next_seed=device.next_seed)
    return bool(waiting.update(sealed_seed=device.next_seed, next_seed=None, last_step=totp.t()))


def new_recovery_codes() -> list[str]:
    codes = [base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    return ["-".join(code[start : start + 4] for start in range(0, 16, 4)) for code in codes]


def plain_code(code: str) -> str:
    """As it was made, whatever the person typed between the letters."""
    return re.sub(r"[\s-]", "", code).lower()


def accept_recovery_code(user: User, code: str) -> bool:
    digests = recovery_digests(plain_code(code), user=user.pk)
    unused = RecoveryCode.objects.filter(user=user, code_hash__in=digests, used_at=None)
    return bool(unused.update(used_at=timezone.now()))
