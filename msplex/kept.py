"""What a call has answered, kept for whoever asks later: a task's result, and that of a call that took an approval.

The broker seals it, with a key of the deployment for this one call, and writes it in the transaction of the outcome; so
a process of the gateway that ends takes no answer with it. After a day it is gone.
"""

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction

from connectors.models import KeptAnswer, ToolCall
from tenants.isolation.pipeline import Answer
from tenants.isolation.statements import Signed, insertion, values_of

KEPT = timedelta(days=1)
LONG = timedelta(seconds=8)  # a call that took this long may have been answered with a task by now
MOST_BYTES = 512 * 1024
NONCE_BYTES = 12
_LABEL = b"msplex/kept-answer/v1"
_INSERT = insertion(KeptAnswer)


def is_kept(call: ToolCall, now: datetime) -> bool:
    """Of a call that did its work: whether somebody may come back for what it has answered."""
    return call.approval_id is not None or now - call.created_at > LONG


def keep(db: Signed, call: ToolCall, structured: Mapping[str, Any], now: datetime) -> Answer | None:
    """Queued, with the outcome. None where it is too long to be kept."""
    content = json.dumps(structured, separators=(",", ":")).encode()
    if len(content) > MOST_BYTES:
        return None
    if call.customer_id is None:
        raise LookupError("a call without a customer is never dispatched")
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = nonce + _cipher(call.id).encrypt(nonce, content, _bound_to(call))
    kept = KeptAnswer(
        tenant_id=call.tenant_id, call_id=call.id, principal_id=call.principal_id, customer_id=call.customer_id,
        sealed=sealed, kept_at=now,
    )  # fmt: skip
    return db.ask(_INSERT, *values_of(kept))


def answer_of(call: ToolCall) -> dict[str, Any] | None:
    """In the open transaction. None where nothing is kept, or not any more."""
    kept = KeptAnswer.objects.filter(call_id=call.id, kept_at__gt=datetime.now(UTC) - KEPT).first()
    if kept is None:
        return None
    sealed = bytes(kept.sealed)
    try:
        content = _cipher(call.id).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound_to(call))
    except InvalidTag:  # the deployment's key is another one by now, or it was not kept of this call
        return None
    opened: dict[str, Any] = json.loads(content)
    return opened


def forget_answers(now: datetime) -> None:
    """Of the acting tenant."""
    with transaction.atomic():
        KeptAnswer.objects.filter(kept_at__lte=now - KEPT).delete()


def _cipher(call_id: UUID) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, call_id.bytes, _LABEL).derive(settings.CONTEXT_KEY))


def _bound_to(call: ToolCall) -> bytes:
    return call.tenant_id.bytes + call.principal_id.bytes + call.id.bytes
