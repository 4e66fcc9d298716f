"""A change that its caller has named is made once, however often it is asked for: `io.msplex/idempotency-key`.

The name counts for one principal and one customer. It is held by the call that was queued under it, until that call
was refused or has failed, because then nothing was changed. What a call has answered is kept for a day, sealed with
its name, which is not kept: who reads the database has neither.
"""

import dataclasses
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import transaction
from django.db.models import QuerySet

from connectors.contract import Risk
from connectors.models import IdempotencyKey, ToolCall
from msplex import kept as kept_answers
from msplex.decision.verdicts import Code, Decision, Gate, Refusal
from msplex.gateway.approving import KEY, Told
from msplex.gateway.callers import Seen
from msplex.gateway.handles import NONCE_BYTES, derived_key
from tenants.ids import uuid7
from tenants.isolation.context import acting_for
from tenants.isolation.pipeline import Answer
from tenants.isolation.statements import Signed

KEPT = timedelta(days=7)  # the name
RESULT_KEPT = timedelta(days=1)
MOST_BYTES = 256 * 1024  # of a result
_GOOD = re.compile(r"[!-~]{8,128}")
_KEPT_RESULT = b"msplex/kept-result/v1"
BAD_KEY = Refusal(
    Code.INVALID_ARGUMENTS, f"{KEY}: 8 to 128 characters, letters, digits and signs without spaces. A UUID is good."
)
_HOLD = (
    "INSERT INTO connectors_idempotencykey AS held"
    " (id, tenant_id, principal_id, customer_id, digest, arguments_digest, call_id, created_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (tenant_id, principal_id, customer_id, digest) DO UPDATE SET"
    " arguments_digest = excluded.arguments_digest, call_id = excluded.call_id, created_at = excluded.created_at,"
    " result = NULL, kept_at = NULL WHERE EXISTS (SELECT FROM connectors_toolcall c WHERE c.tenant_id = held.tenant_id"
    " AND c.id = held.call_id AND c.state IN ('refused', 'failed')) RETURNING true"
)
_NOTHING_DONE = (ToolCall.State.REFUSED, ToolCall.State.FAILED)


class KeyHeld(Exception):
    """Another call holds the name since it was looked at; nothing was written."""


@dataclasses.dataclass(frozen=True, slots=True)
class Earlier:
    """The call that was made under the same name, and what it has answered, if that is still there."""

    call_id: UUID
    structured: dict[str, Any] | None = None


def key_for(decision: Decision, told: Told) -> str | None:
    """What the call is to hold. Reading holds nothing, because it may be done again; nor does what is refused."""
    tool = decision.resolved.tool
    if told.confirmed and _passes(decision):  # what somebody said yes to is done once, whatever it is
        return told.key or told.confirmed
    return told.key if _passes(decision) and tool is not None and tool.risk is not Risk.READ else None


def _passes(decision: Decision) -> bool:
    return decision.refusal is None or decision.refusal.code == Code.APPROVAL_REQUIRED


def readable(decision: Decision, told: Told) -> Decision:
    """A name that is none is refused, and not ignored: its caller relies on it."""
    if told.key is None or _GOOD.fullmatch(told.key) or not _passes(decision):
        return decision
    return decision.refused_at(Gate.EVALUATE_POLICY, BAD_KEY)


def hold(db: Signed, call: ToolCall, key: str) -> Answer:
    """Queued; a row when the name is this call's from now on."""
    values = (call.tenant_id, call.principal_id, call.customer_id, _digest(key), call.arguments_digest, call.id)
    return db.ask(_HOLD, uuid7(), *values, datetime.now(UTC))


def held(seen: Seen, call: ToolCall, decision: Decision, key: str) -> tuple[Decision, Earlier | None]:
    """The decision as it is, or refused because there was a call under this name."""
    with acting_for(seen.context), transaction.atomic():
        kept = _named(call, key).first()
        before = ToolCall.objects.filter(id=kept.call_id).first() if kept else None
        answer = kept_answers.answer_of(before) if before else None
    if kept is None or before is None or before.state in _NOTHING_DONE:
        return decision, None
    if kept.arguments_digest != call.arguments_digest:
        return decision.refused_at(Gate.DISPATCH, _another(before)), None
    structured = (_opened(kept, key) or answer) if before.state == ToolCall.State.SUCCEEDED else None
    return decision.refused_at(Gate.DISPATCH, _refusal(before)), Earlier(before.id, structured)


def _another(before: ToolCall) -> Refusal:
    said = f"{KEY}: call {before.id} was made under this name, with other arguments."
    return Refusal(Code.KEY_REUSED, f"{said} Nothing was sent. Name each change differently.")


def _refusal(before: ToolCall) -> Refusal:
    if before.state == ToolCall.State.SUCCEEDED:
        return Refusal(
            Code.ALREADY_DONE, f"Call {before.id} has done this under the same name. Nothing was sent again."
        )
    if before.state == ToolCall.State.UNKNOWN:
        message = f"Nobody knows what became of call {before.id} under the same name. Nothing was sent again."
        return Refusal(Code.OUTCOME_UNKNOWN, message)
    return on_its_way(f"Call {before.id}")


def on_its_way(which: str) -> Refusal:
    message = f"{which} under the same name is on its way. Nothing was sent again."
    return Refusal(Code.ALREADY_RUNNING, message, True, 5)


def keep_result(seen: Seen, call: ToolCall, key: str, structured: Mapping[str, Any]) -> None:
    """So that the same change, asked for again, is answered as it was."""
    content = json.dumps(structured, separators=(",", ":")).encode()
    if len(content) > MOST_BYTES:
        return
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = nonce + _cipher(key, call.id).encrypt(nonce, content, None)
    with acting_for(seen.context), transaction.atomic():
        _named(call, key).filter(call_id=call.id).update(result=sealed, kept_at=datetime.now(UTC))


def _named(call: ToolCall, key: str) -> QuerySet[IdempotencyKey]:
    return IdempotencyKey.objects.filter(principal_id=call.principal_id, customer=call.customer, digest=_digest(key))


def _opened(kept: IdempotencyKey, key: str) -> dict[str, Any] | None:
    if kept.result is None or kept.kept_at is None or kept.kept_at < datetime.now(UTC) - RESULT_KEPT:
        return None
    sealed = bytes(kept.result)
    try:
        content = _cipher(key, kept.call_id).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
    except InvalidTag:  # the deployment's key is another one by now
        return None
    opened: dict[str, Any] = json.loads(content)
    return opened


def _cipher(key: str, call_id: UUID) -> AESGCM:
    """Of the deployment's key and the caller's name, for one call: a guessable name alone opens nothing."""
    material = derived_key(_KEPT_RESULT) + key.encode()
    return AESGCM(HKDF(SHA256(), 32, call_id.bytes, _KEPT_RESULT).derive(material))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def forget(now: datetime) -> None:
    """Of the acting tenant: results after a day, names after a week."""
    with transaction.atomic():
        IdempotencyKey.objects.filter(created_at__lt=now - KEPT).delete()
        IdempotencyKey.objects.filter(kept_at__lt=now - RESULT_KEPT, result__isnull=False).update(result=None)
