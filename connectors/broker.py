"""The only place where a stored credential is opened: in the broker process, for one call, on the record.

The intent to open is committed before anything is decrypted. What does not open is refused, recorded as an alert, and
says nothing of why to the caller.
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
from audit.services import Queued, queue_record
from audit.waiting import await_seal
from connectors.errors import SecretRefused
from connectors.models import ConnectorInstance, SealedSecret
from connectors.sealing import Place, SealBroken, Sealed, digest, key_id, public_part, unseal
from connectors.secret import SecretBundle
from connectors.selectors import sealed_secret
from tenants.errors import Unavailable
from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import signed_transaction
from tenants.process import Process, current_process

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
    intent: Queued | None = None
    with signed_transaction() as db:
        stored = sealed_secret(db, instance)
        trouble = _trouble(stored)
        if stored is not None and not trouble:
            event = _event(instance, stored, purpose)
            intent = queue_record(db, EventKind.CREDENTIAL_OPENED, **event, result="ok")
            intent.confirm()
    if stored is None or intent is None:
        _refuse(instance, stored, purpose, trouble)
    await_seal([intent.id])
    bundle = _unsealed(stored, instance)
    if isinstance(bundle, str):
        _refuse(instance, stored, purpose, bundle)
    with bundle:
        yield Opened(bundle, stored.credential_id)


def _check_process() -> None:
    if current_process() is not Process.BROKER or not settings.INTAKE_PRIVATE_KEY:
        message = "Credentials are opened by the broker process only."
        raise Unavailable(message, permanent=True, code="not_the_broker")


def _trouble(stored: SealedSecret | None) -> str:
    if stored is None:
        return "unknown"
    if {stored.tenant_id, stored.credential.tenant_id} != {acting_tenant()}:
        return "other_tenant"
    if digest(bytes(stored.sealed)) != stored.credential.digest:
        return "digest_mismatch"
    return "" if stored.kek_id == key_id(public_part(settings.INTAKE_PRIVATE_KEY)) else "unknown_key"


def _unsealed(stored: SealedSecret, instance: ConnectorInstance) -> SecretBundle | str:
    """The bundle, or what is wrong. What was sealed names where it may be sent: a changed address does not get it."""
    credential = stored.credential
    place = Place(stored.tenant_id, credential.id, credential.version, stored.kek_id)
    try:
        sealed = Sealed.from_bytes(bytes(stored.sealed))
        content: dict[str, Any] = json.loads(unseal(sealed, private_key=settings.INTAKE_PRIVATE_KEY, place=place))
        if any(instance.settings.get(name) != value for name, value in content["bound"].items()):
            return "settings_changed"
        return SecretBundle(content["secret"])
    except (SealBroken, ValueError, KeyError, TypeError, AttributeError):
        return "seal_broken"


def _refuse(instance: ConnectorInstance, stored: SealedSecret | None, purpose: Purpose, trouble: str) -> NoReturn:
    """Recorded in a transaction of its own, which the refusal does not roll back."""
    event = _event(instance, stored, purpose, trouble)
    with signed_transaction() as db:
        queue_record(db, EventKind.CREDENTIAL_REFUSED, **event, result="refused").confirm()
    logger.error("alert: the credential of connector instance %s was refused: %s", instance.id, trouble)
    raise SecretRefused


def _event(
    instance: ConnectorInstance, stored: SealedSecret | None, purpose: Purpose, trouble: str = ""
) -> dict[str, Any]:
    body = {
        "action": purpose.action,
        "version": stored.credential.version if stored else None,
    }
    return {
        "actor": purpose.actor,
        "subject": ("credential", stored.credential_id if stored else None, instance.name),
        "customer_id": purpose.customer_id,
        "call": purpose.call,
        "body": body | ({"alert": True, "refused": trouble} if trouble else {}),
    }
