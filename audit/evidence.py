"""What a row of the log says, if a process of ours wrote it so: who can write to the database cannot make that up."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from audit.services import BODY_LABEL
from audit.streams import Mark, fits
from tenants.ids import uuid7_millisecond
from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import Signed, one

_A_DAY = 86_400_000 << 80  # among UUIDv7s
_INTENT = "SELECT id, header, body, writer, boot, n, mac, sealed, ended FROM border.call_intent(%s, %s, %s)"


class Forged(Exception):
    """There is a record that none of our processes wrote so."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`body` is empty if it was erased."""

    event: UUID
    header: dict[str, Any]
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Intent:
    """The record that a call was let through. `sealed`: in a signed checkpoint. `ended`: how it ended is on record."""

    evidence: Evidence
    sealed: bool
    ended: bool


def evidence(event: UUID, header: bytes, body: bytes, mark: Mark) -> Evidence:
    """Forged unless the MAC fits, the row is the header's, and the body is the one that the header commits to."""
    said = json.loads(header) if fits(mark, header) else {}
    is_ours = said.get("id") == str(event) and said.get("tenant") == str(acting_tenant())
    if not is_ours or (body and _commitment(body) != said["body_commit"]):
        raise Forged
    return Evidence(event, said, json.loads(body) if body else {})


def ask_intent(db: Signed, call_id: UUID) -> Any:
    """Of a call, directly after whose id it was made. For the broker; read with `intent_of`."""
    made = uuid7_millisecond(call_id)
    return db.ask(_INTENT, call_id, made, UUID(int=made.int + _A_DAY))


def intent_of(asked: Any) -> Intent | None:
    """None: there is none. Forged as `evidence`."""
    row = one(asked)
    if row is None:
        return None
    event, header, body, writer, boot, n, mac, sealed, ended = row
    found = evidence(event, bytes(header), bytes(body or b""), Mark(writer, boot, n, bytes(mac)))
    return Intent(found, sealed, ended)


def _commitment(body: bytes) -> str:
    return hashlib.sha256(BODY_LABEL + body).hexdigest()
