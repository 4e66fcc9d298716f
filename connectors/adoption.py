"""Taking over what the portal has sealed: checked against the record, under a storage key, signed. In the broker.

HPKE does not say who sealed something, so a credential as such proves nothing: whoever can write to the table can
seal one. Only what a process of ours has recorded as stored is adopted, and nothing else is ever used.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from audit.actors import CallRef, system
from audit.evidence import Forged
from audit.kinds import EventKind
from audit.services import queue_record
from audit.waiting import await_seal
from connectors.keeping import UNREADABLE, Whose
from connectors.keyring import Purpose, ring
from connectors.models import AdoptedSecret, ConnectorInstance, SealedSecret
from connectors.records import StoredRecord, ask_record, record_of
from connectors.registry import ask_storage_key, storage_key
from connectors.sealing import Place, SealBroken, Sealed, digest, rewrapped
from connectors.selectors import sealed_secret
from connectors.suites import WrappingKey
from tenants.isolation.context import Context, acting_tenant
from tenants.isolation.statements import insertion, one, signed_transaction, values_of

BROKER = system("secrets broker")
_INSERT = insertion(AdoptedSecret).replace(" RETURNING", " ON CONFLICT DO NOTHING RETURNING")
_OF = "c.instance_id = %s AND c.customer_id IS NOT DISTINCT FROM %s AND c.version"
_REMOVE_SEALED = (
    "DELETE FROM connectors_sealedsecret s USING connectors_credential c WHERE s.tenant_id = %s"  # noqa: S608
    f" AND c.tenant_id = s.tenant_id AND c.id = s.credential_id AND {_OF} <= %s RETURNING true"
)
# What was replaced is not kept: nobody goes back to it, and it would only wait to be stolen.
_REMOVE_OLDER = (
    "DELETE FROM connectors_adoptedsecret a USING connectors_credential c WHERE a.tenant_id = %s"  # noqa: S608
    f" AND c.tenant_id = a.tenant_id AND c.id = a.credential_id AND {_OF} < %s RETURNING true"
)

_REMOVED = (_REMOVE_SEALED, _REMOVE_OLDER)
# Held until the end: who retires the connection comes before, and nothing is adopted, or after, and it is destroyed.
_HOLD = (
    "SELECT true FROM connectors_connectorinstance WHERE tenant_id = %s AND id = %s AND state <> 'retired' FOR SHARE"
)
# Of a customer's own the same: who removes it, or ends the mapping, takes this row away.
_HOLD_OWN = (
    "SELECT true FROM connectors_owncredential WHERE tenant_id = %s AND instance_id = %s AND customer_id = %s FOR SHARE"
)


def adopt(instance: ConnectorInstance, customer: UUID | None = None) -> str:
    """Adopt the newest credential of the connection, or the customer's own; empty, or why it may not be.

    Not inside a transaction.
    """
    context = Context(acting_tenant())
    with signed_transaction(context) as db:
        stored, asked = sealed_secret(db, instance, customer), ask_record(db, instance, customer)
        try:
            record = record_of(asked, instance, customer)
        except Forged:
            return "record_forged"
    if stored is None:
        return "unknown"
    if trouble := _trouble(stored, record):
        return trouble
    if record:
        await_seal([record.event])  # the sealer has believed it too, and nobody can take it out again
    return _take_over(stored, instance, context)


def _trouble(stored: SealedSecret, record: StoredRecord | None) -> str:
    credential = stored.credential
    if {stored.tenant_id, credential.tenant_id} != {acting_tenant()}:
        return "other_tenant"
    if record is None or record.removed or record.credential != credential.id:
        return "not_recorded"
    recorded = record.digest, record.version, record.kek_id
    if recorded != (credential.digest, credential.version, stored.kek_id):
        return "not_recorded"
    return "" if digest(bytes(stored.sealed)) == credential.digest else "digest_mismatch"


def _take_over(stored: SealedSecret, instance: ConnectorInstance, context: Context) -> str:
    whose = Whose.of(stored.credential)
    with signed_transaction(context) as db:
        held, key = db.ask(_HOLD, acting_tenant(), instance.id), storage_key(ask_storage_key(db))
        if not one(held):
            return "retired"
        if whose.customer and not one(db.ask(_HOLD_OWN, acting_tenant(), instance.id, whose.customer)):
            return "removed"
        row = _adopted(stored, whose, WrappingKey(key.suite, ring().key(key.id, Purpose.STORAGE).wrapping.raw))
        if isinstance(row, str):
            return row
        written = one(db.ask(_INSERT, *values_of(row)))
        of = acting_tenant(), instance.id, whose.customer, whose.version
        removed = [db.ask(statement, *of) for statement in _REMOVED]
        if written:  # else somebody was faster
            queue_record(db, EventKind.CREDENTIAL_ADOPTED, **_event(row, instance, whose)).confirm()
        for each in removed:
            each.fetchall()
    return ""


def _adopted(stored: SealedSecret, whose: Whose, to: WrappingKey) -> AdoptedSecret | str:
    try:
        kept = _rewrapped(stored, whose.place, to)
    except UNREADABLE as error:
        return "seal_broken" if isinstance(error, SealBroken) else "unknown_key"
    now = datetime.now(UTC)
    row = AdoptedSecret(
        credential=stored.credential,
        suite=to.suite,
        kek_id=to.id,
        payload=kept.payload,
        wrapped_key=kept.wrapped_key,
        rev=1,
        intake_kek_id=stored.kek_id,
        adopted_at=now,
        data_key_at=stored.created_at,
    )
    return whose.signs(row)


def _rewrapped(stored: SealedSecret, place: Place, to: WrappingKey) -> Sealed:
    key = ring().key(stored.kek_id, Purpose.INTAKE)
    return rewrapped(Sealed.from_bytes(bytes(stored.sealed)), key=key, to=to, place=place)


def _event(row: AdoptedSecret, instance: ConnectorInstance, whose: Whose) -> dict[str, Any]:
    return {
        "actor": BROKER,
        "subject": ("credential", whose.credential, instance.name),
        "customer_id": whose.customer,
        "result": "ok",
        "call": CallRef(None, instance.id),
        "body": {"digest": whose.digest, "kek": row.kek_id, "suite": row.suite, "version": whose.version},
    }
