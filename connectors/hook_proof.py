"""The secret of a webhook, and the proof that who calls has it.

The secret is derived from the portal's SECRET_KEY, the tenant, the webhook and its generation: a copy of the database
forges nothing. SIGNED is the Standard Webhooks scheme (HMAC-SHA256 over id, time and body); SECRET is for vendors that
sign nothing, and only causes a look at the vendor.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from connectors.models import Hook
from identity.sealing import derived

PURPOSE = b"msplex/connectors/hook/v1"
SIGNED_MARK, SECRET_MARK = "whsec_", "mspx_wh_"
WINDOW = timedelta(minutes=5)
LONGEST_ID = 128


@dataclass(frozen=True, slots=True)
class Delivery:
    """As it came. `headers`: names in any case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Proven:
    """`digest`: by which it is known again. `sent_at`: by the sender's clock, and not later than now."""

    digest: str
    sent_at: datetime


def shown_secret(hook: Hook) -> str:
    """For who sets the webhook up at the vendor, once."""
    secret = next(_secrets(hook))
    if hook.way == Hook.Way.SIGNED:
        return SIGNED_MARK + base64.b64encode(secret).decode()
    return SECRET_MARK + base64.urlsafe_b64encode(secret).decode().rstrip("=")


def proven(hook: Hook, delivery: Delivery, now: datetime) -> Proven | None:
    """None: it is not known to come from who has the secret, or not to come from now. Both proofs are always looked
    for, so that how long it takes says nothing of which one is wanted."""
    secrets = list(_secrets(hook))
    by_signature, by_secret = _signed(secrets, delivery, now), _presented(secrets, delivery, now)
    return by_signature if hook.way == Hook.Way.SIGNED else by_secret


def _secrets(hook: Hook) -> Iterator[bytes]:
    return derived(PURPOSE, hook.tenant_id.bytes + hook.pk.bytes + UUID(hex=hook.generation).bytes)


def _signed(secrets: list[bytes], delivery: Delivery, now: datetime) -> Proven | None:
    name, sent = delivery.headers.get("webhook-id", ""), _moment(delivery.headers.get("webhook-timestamp", ""))
    text = f"{name}.{delivery.headers.get('webhook-timestamp', '')}.".encode() + delivery.body
    wanted = [hmac.digest(secret, text, hashlib.sha256) for secret in secrets]
    given = [_base64(each) for each in delivery.headers.get("webhook-signature", "").split(" ")[:4]]
    fits = any([hmac.compare_digest(mine, theirs) for mine in wanted for theirs in given])  # noqa: C419 - all of them
    usable = 0 < len(name) <= LONGEST_ID and sent is not None and abs(now - sent) <= WINDOW
    if not fits or not usable or sent is None:
        return None
    return Proven(hashlib.sha256(name.encode()).hexdigest(), min(sent, now))


def _presented(secrets: list[bytes], delivery: Delivery, now: datetime) -> Proven | None:
    given = _in_header(delivery.headers).encode()
    wanted = [(SECRET_MARK + base64.urlsafe_b64encode(each).decode().rstrip("=")).encode() for each in secrets]
    fits = any([hmac.compare_digest(mine, given) for mine in wanted])  # noqa: C419
    return Proven(hashlib.sha256(delivery.body).hexdigest(), now) if fits else None


def _in_header(headers: Mapping[str, str]) -> str:
    """A bearer token, the password of Basic, or a header of its own."""
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        return _decoded(rest).decode(errors="replace").partition(":")[2]
    return headers.get("x-webhook-secret", "")


def _base64(part: str) -> bytes:
    version, _, value = part.partition(",")
    return _decoded(value) if version == "v1" else b""


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _moment(seconds: str) -> datetime | None:
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > len("9999999999"):
        return None
    return datetime.fromtimestamp(int(seconds), UTC)
