"""A person puts their second factor behind one decision: it is spent for that, and opens nothing else.

The tries are those of signing in, so that another door does not give more guesses. A recovery code is no vote: it is
for getting in again, and may have been written down by anybody.
"""

import dataclasses
import hashlib
import hmac
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.encoding import force_bytes
from webauthn.helpers import bytes_to_base64url

from audit.actors import Actor
from identity import passkeys
from identity.errors import PasskeyRefused
from identity.factors import accept_totp
from identity.models import Passkey, TotpDevice, User
from identity.passkeys import Ceremony, Purpose, Visitor
from identity.sealing import open_seed
from identity.services.attempts import admit, forgive
from identity.services.authority import whole_tenant
from identity.services.challenges import spend
from identity.services.factors import confirmed_device
from identity.services.notices import tell_of_copy

TOTP, PASSKEY = "totp", "passkey"
DEVICE = b"msplex/identity/device/v1"


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """`device`: the same for the same device, whoever's account it is in. `proof`: what others can verify."""

    factor: str
    device: str
    proof: dict[str, Any] = dataclasses.field(default_factory=dict)


def spend_code(user: User, code: str) -> Given | None:
    """One step of the person's own app. None: counted, so the caller must let it be committed."""
    if not _admitted("code", user):
        return None
    device = confirmed_device(user)
    if device is None or not accept_totp(device, code):
        return None
    _forgiven("code", user)
    return Given(TOTP, device_of(device))


def begin_vote(user: User, *, session_id: UUID, about: str, challenge: bytes) -> Ceremony:
    """For one of the person's passkeys, over this challenge."""
    return passkeys.begin_asking(user, _visitor(session_id, about), challenge=challenge)


@transaction.atomic
def spend_passkey(
    user: User, *, session_id: UUID, about: str, state: str, answer: dict[str, Any], by: Actor
) -> tuple[Given, bytes] | None:
    """With the challenge that was signed. None as for a code; the challenge is spent whatever becomes of the answer."""
    if not _admitted(PASSKEY, user):
        return None
    try:
        opened = passkeys.open_state(state, _visitor(session_id, about))
        spend(opened)
        with transaction.atomic():
            used = passkeys.check(user, opened, answer)
    except PasskeyRefused as refused:
        tell_of_copy(user, refused, by.address)
        return None
    _forgiven(PASSKEY, user)
    return Given(PASSKEY, used.credential_id_sha256, _proof(used, answer)), passkeys.challenge_of(opened)


def device_of(device: TotpDevice) -> str:
    """Of its secret, under a key: two accounts that share one authenticator have the same."""
    seed = open_seed(device.sealed_seed, tenant=device.tenant_id, user=device.user_id)
    return hmac.new(
        force_bytes(settings.SECRET_KEY), DEVICE + device.tenant_id.bytes + seed, hashlib.sha256
    ).hexdigest()


def _proof(passkey: Passkey, answer: dict[str, Any]) -> dict[str, Any]:
    response = answer["response"]
    return {
        "authenticator_data": str(response["authenticatorData"]),
        "client_data": str(response["clientDataJSON"]),
        "public_key": bytes_to_base64url(bytes(passkey.public_key)),
        "signature": str(response["signature"]),
    }


def _visitor(session_id: UUID, about: str) -> Visitor:
    return Visitor(Purpose.VOTE, f"session:{session_id}:{about}")


def _admitted(what: str, user: User) -> bool:
    with whole_tenant():
        return admit(what, user.pk.hex)


def _forgiven(what: str, user: User) -> None:
    with whole_tenant():
        forgive(what, user.pk.hex)
