"""The only place where a stored credential is opened: in the broker process, for one call, on the record.

The intent to open is committed before anything is decrypted. Only what the broker has adopted is opened. What does not
open is refused, recorded as an alert, and says nothing of why to the caller.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

from django.conf import settings

from audit.actors import Actor, CallRef
from audit.kinds import EventKind
from audit.services import queue_record
from audit.waiting import await_seal
from connectors.adoption import adopt
from connectors.errors import SecretRefused
from connectors.keeping import Whose, opened, trouble_with
from connectors.keyring import KeyMissing
from connectors.metrics import OPENS
from connectors.models import AdoptedSecret, ConnectorInstance, Credential
from connectors.records import Forged, ask_record, record_of
from connectors.sealing import SealBroken
from connectors.secret import SecretBundle
from connectors.selectors import adopted_secret
from connectors.suites import KeyUnusable
from tenants.errors import Unavailable
from tenants.isolation.context import Context, acting_tenant
from tenants.isolation.statements import signed_transaction
from tenants.process import Process, current_process

NOT_ADOPTED = "not_adopted"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why a credential is opened, for the record."""

    actor: Actor
    action: str
    call: CallRef
    customer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    secrets: SecretBundle
    credential_ref: UUID


@contextmanager
def open_secret(instance: ConnectorInstance, purpose: Purpose) -> Iterator[Opened]:
    """The instance's current credential until the block ends, then it is wiped.

    Not inside a transaction: the record of it is one, committed and sealed before anything is opened.
    """
    _check_process()
    found = _begun(instance, purpose)
    if found.trouble == NOT_ADOPTED:
        found.trouble = adopt(instance)
        found = found if found.trouble else _begun(instance, purpose)
    if found.trouble or not found.credential or not found.adopted or not found.intent:
        _refuse(instance, found, purpose)
    await_seal([found.intent])
    bundle = _unsealed(found.adopted, found.credential, instance)
    if isinstance(bundle, str):
        found.trouble = bundle
        _refuse(instance, found, purpose)
    OPENS.add("opened")
    with bundle:
        yield Opened(bundle, found.credential.id)


@dataclass(slots=True)
class _Found:
    """What there is of the instance's credential. Without `trouble` the intent to open it is on the record."""

    credential: Credential | None
    adopted: AdoptedSecret | None
    trouble: str
    intent: UUID | None = None


def _check_process() -> None:
    if current_process() is not Process.BROKER or not settings.BROKER_ROOT_KEY:
        message = "Credentials are opened by the broker process only."
        raise Unavailable(message, permanent=True, code="not_the_broker")


def _begun(instance: ConnectorInstance, purpose: Purpose) -> _Found:
    """Every customer's context sees the credential, only one with all of them what was recorded of it."""
    with signed_transaction(Context(acting_tenant())) as db:
        row, asked = adopted_secret(db, instance), ask_record(db, instance)
        found = _Found(row[0], row[1], "") if row else _Found(None, None, "unknown")
        found.trouble = found.trouble or _trouble(found, asked, instance)
        if not found.trouble:
            event = _event(instance, found, purpose)
            queued = queue_record(db, EventKind.CREDENTIAL_OPENED, **event, result="ok")
            queued.confirm()
            found.intent = queued.id
    return found


def _trouble(found: _Found, asked: Any, instance: ConnectorInstance) -> str:
    if found.credential is None or instance.tenant_id != acting_tenant():
        return "unknown"
    try:
        record = record_of(asked, instance)
    except Forged:
        return "record_forged"
    if record and record.version and record.version > found.credential.version:
        return "rolled_back"  # a newer one was stored, and is gone
    if found.adopted is None:
        return NOT_ADOPTED
    return trouble_with(found.adopted, Whose.of(found.credential))


def _unsealed(stored: AdoptedSecret, credential: Credential, instance: ConnectorInstance) -> SecretBundle | str:
    """The bundle, or what is wrong. What was sealed names where it may be sent: a changed address does not get it."""
    try:
        content: dict[str, Any] = json.loads(opened(stored, Whose.of(credential)))
        if any(instance.settings.get(name) != value for name, value in content["bound"].items()):
            return "settings_changed"
        return SecretBundle(content["secret"])
    except (KeyMissing, KeyUnusable):
        return "unknown_key"
    except (SealBroken, ValueError, KeyError, TypeError, AttributeError):
        return "seal_broken"


def _refuse(instance: ConnectorInstance, found: _Found, purpose: Purpose) -> NoReturn:
    """Recorded in a transaction of its own, which the refusal does not roll back."""
    event = _event(instance, found, purpose)
    with signed_transaction() as db:
        queue_record(db, EventKind.CREDENTIAL_REFUSED, **event, result="refused").confirm()
    logger.error("alert: the credential of connector instance %s was refused: %s", instance.id, found.trouble)
    OPENS.add("refused")
    raise SecretRefused


def _event(instance: ConnectorInstance, found: _Found, purpose: Purpose) -> dict[str, Any]:
    credential = found.credential
    body = {
        "action": purpose.action,
        "version": credential.version if credential else None,
    }
    return {
        "actor": purpose.actor,
        "subject": ("credential", credential.id if credential else None, instance.name),
        "customer_id": purpose.customer_id,
        "call": purpose.call,
        "body": body | ({"alert": True, "refused": found.trouble} if found.trouble else {}),
    }
