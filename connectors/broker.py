"""The only place where a stored credential is opened: in the broker process, for one call, on the record.

That it is opened is committed before anything is decrypted, and why is in the sealed log by then: of a call the record
that it was let through, of anything else the record of the opening. Only what the broker has adopted is opened. What
does not open is refused, recorded as an alert, and says nothing of why to the caller.
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
from audit.evidence import Forged, Intent
from audit.kinds import EventKind
from audit.services import queue_record
from audit.waiting import ask_sealed, await_seal
from connectors.adoption import adopt
from connectors.errors import SecretRefused
from connectors.keeping import Whose, opened, trouble_with
from connectors.keyring import KeyMissing
from connectors.metrics import OPENS
from connectors.models import AdoptedSecret, ConnectorInstance, Credential
from connectors.records import StoredRecord, ask_record, record_of
from connectors.sealing import SealBroken
from connectors.secret import SecretBundle
from connectors.selectors import adopted_secret, ask_adopted
from connectors.suites import KeyUnusable
from tenants.errors import Unavailable
from tenants.isolation.context import Context, acting_tenant
from tenants.isolation.statements import Signed, one, signed_transaction
from tenants.process import Process, current_process

NOT_ADOPTED, ABSENT = "not_adopted", "absent"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why a credential is opened, for the record. `intent`: of the call for which it is, if it is for one.

    `begun`: that it is opened is on record already, with the claim of the call, and the sealer was rung for.
    """

    actor: Actor
    action: str
    call: CallRef
    customer_id: UUID | None = None
    intent: Intent | None = None
    begun: "Begun | None" = None


@dataclass(frozen=True, slots=True)
class Opened:
    secrets: SecretBundle
    credential_ref: UUID


@dataclass(frozen=True, slots=True)
class Own:
    """A customer that may have a credential of its own. `client`: who it is at the vendor, for whom alone that is good.

    `required`: without one nothing is opened. With one, nothing else ever is, whatever becomes of it.
    """

    customer: UUID
    client: str
    required: bool


@contextmanager
def open_secret(instance: ConnectorInstance, purpose: Purpose, own: Own | None = None) -> Iterator[Opened]:
    """The current credential until the block ends, then it is wiped: the customer's own, or else the connection's.

    Not inside a transaction: the record of it is one, committed before anything is opened.
    """
    _check_process()
    found = purpose.begun or _begun_alone(instance, purpose, own)
    if found.trouble == NOT_ADOPTED:
        found.trouble = adopt(instance, found.customer)
        found = found if found.trouble else _begun_alone(instance, purpose, own)
    if found.trouble or not found.credential or not found.adopted or not found.awaited:
        _refuse(instance, found, purpose)
    if not found.sealed:
        await_seal([found.awaited], rings=purpose.begun is None)
    client = own.client if own and found.customer else None
    bundle = _unsealed(found.adopted, found.credential, instance, client)
    if isinstance(bundle, str):
        found.trouble = bundle
        _refuse(instance, found, purpose)
    OPENS.add("opened")
    with bundle:
        yield Opened(bundle, found.credential.id)


@dataclass(slots=True)
class Begun:
    """What there is of a credential. Without `trouble` it is on the record that it is opened.

    `awaited`: the event that is in a signed checkpoint before it is. `sealed`: it is there already.
    """

    customer: UUID | None
    credential: Credential | None
    adopted: AdoptedSecret | None
    trouble: str = ""
    awaited: UUID | None = None
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """Of a customer's own credential, or of that for all: what is kept, and what the log says."""

    customer: UUID | None
    adopted: Any
    record: Any


def _check_process() -> None:
    if current_process() is not Process.BROKER or not settings.BROKER_ROOT_KEY:
        message = "Credentials are opened by the broker process only."
        raise Unavailable(message, permanent=True, code="not_the_broker")


def _begun_alone(instance: ConnectorInstance, purpose: Purpose, own: Own | None) -> Begun:
    with signed_transaction() as db:
        return begin(db, instance, purpose, own)


def begin(db: Signed, instance: ConnectorInstance, purpose: Purpose, own: Own | None = None) -> Begun:
    """Puts the opening on record, in a transaction that ends with it; or finds what is in its way.

    Every customer's context sees the credential, only one with all of them what was recorded of it.
    """
    db.act_for(Context(acting_tenant()))
    asked = [_ask(db, instance, customer) for customer in _whose(own)]
    found = _chosen([_look(each, instance) for each in asked], own)
    if not found.trouble:
        _put_on_record(db, instance, found, purpose)
    return found


def _put_on_record(db: Signed, instance: ConnectorInstance, found: Begun, purpose: Purpose) -> None:
    event = queue_record(db, EventKind.CREDENTIAL_OPENED, **_event(instance, found, purpose), result="ok")
    intent = purpose.intent
    found.awaited = intent.evidence.event if intent else event.id
    sealed = ask_sealed(db, [found.awaited]) if intent and not intent.sealed else None
    event.confirm()
    found.sealed = one(sealed) == (True,) if sealed else intent is not None


def _whose(own: Own | None) -> list[UUID | None]:
    """In the order in which they come into question."""
    if own is None:
        return [None]
    return [own.customer] if own.required else [own.customer, None]


def _ask(db: Signed, instance: ConnectorInstance, customer: UUID | None) -> _Asked:
    return _Asked(customer, ask_adopted(db, instance, customer), ask_record(db, instance, customer))


def _chosen(found: list[Begun], own: Own | None) -> Begun:
    """The first that there is, in whatever state it is: one that is refused is not passed over."""
    there = next((each for each in found if each.trouble != ABSENT), None)
    if there:
        return there
    return Begun(own.customer if own else None, None, None, "no_own_credential")


def _look(asked: _Asked, instance: ConnectorInstance) -> Begun:
    row = adopted_secret(asked.adopted)
    found = Begun(asked.customer, row[0], row[1]) if row else Begun(asked.customer, None, None)
    try:
        record = record_of(asked.record, instance, asked.customer)
    except Forged:
        found.trouble = "record_forged"
    else:
        found.trouble = _trouble(found, record, instance)
    return found


def _trouble(found: Begun, record: StoredRecord | None, instance: ConnectorInstance) -> str:
    credential = found.credential
    if instance.tenant_id != acting_tenant():
        return "unknown"
    if found.customer and _is_absent(credential, record):
        return ABSENT
    if credential is None:  # a customer's own that the log knows of is not missing, but taken away
        return "rolled_back" if found.customer else "unknown"
    return _trouble_by(record, credential) or _trouble_kept(found.adopted, credential)


def _trouble_by(record: StoredRecord | None, credential: Credential) -> str:
    if record and record.version and record.version > credential.version:
        return "rolled_back"  # a newer one was stored, and is gone
    return "not_recorded" if record and record.removed else ""


def _trouble_kept(adopted: AdoptedSecret | None, credential: Credential) -> str:
    return trouble_with(adopted, Whose.of(credential)) if adopted else NOT_ADOPTED


def _is_absent(credential: Credential | None, record: StoredRecord | None) -> bool:
    """Never stored, or removed by a person: the log says so, and not that the row is gone."""
    if record is None or credential is None:
        return credential is None and (record is None or record.removed)
    return record.removed and (credential.id == record.credential or credential.version < (record.version or 0))


def _unsealed(
    stored: AdoptedSecret, credential: Credential, instance: ConnectorInstance, client: str | None
) -> SecretBundle | str:
    """The bundle, or what is wrong. What was sealed names where it may be sent: a changed address does not get it.

    Nor is a customer's own used when the customer is mapped to another `client` than it was given for.
    """
    try:
        content: dict[str, Any] = json.loads(opened(stored, Whose.of(credential)))
        if any(instance.settings.get(name) != value for name, value in content["bound"].items()):
            return "settings_changed"
        if content.get("client") != client:
            return "mapping_changed"
        return SecretBundle(content["secret"])
    except (KeyMissing, KeyUnusable):
        return "unknown_key"
    except (SealBroken, ValueError, KeyError, TypeError, AttributeError):
        return "seal_broken"


def _refuse(instance: ConnectorInstance, found: Begun, purpose: Purpose) -> NoReturn:
    """Recorded in a transaction of its own, which the refusal does not roll back."""
    event = _event(instance, found, purpose)
    with signed_transaction() as db:
        queue_record(db, EventKind.CREDENTIAL_REFUSED, **event, result="refused").confirm()
    logger.error("alert: the credential of connector instance %s was refused: %s", instance.id, found.trouble)
    OPENS.add("refused")
    raise SecretRefused


def _event(instance: ConnectorInstance, found: Begun, purpose: Purpose) -> dict[str, Any]:
    credential = found.credential
    body = {
        "action": purpose.action,
        "version": credential.version if credential else None,
    } | ({"own": True} if found.customer else {})
    return {
        "actor": purpose.actor,
        "subject": ("credential", credential.id if credential else None, instance.name),
        "customer_id": purpose.customer_id,
        "call": purpose.call,
        "body": body | ({"alert": True, "refused": found.trouble} if found.trouble else {}),
    }
