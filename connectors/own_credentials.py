"""Credentials of single customers, where the vendor gives out such: entered, checked and removed.

Calls for a customer who has one are made with it and with no other (connectors.broker); the others' are made with that
of the connection, unless people or the vendor do not want it.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor, CallRef
from audit.kinds import EventKind
from audit.services import record
from connectors.catalogue import connector as catalogue_entry
from connectors.contract import Connector, OwnCredentials
from connectors.expiry import KEPT, Kept, set_expiry
from connectors.health import CHECKER, Checkup, examine
from connectors.lifecycle import Action
from connectors.models import ConnectorInstance, Credential, CustomerMapping, OwnCredential
from connectors.own_state import RETRY, check_wait
from connectors.selectors import LATE, askable, current_credential, lifecycle_of
from connectors.storing import end_own, store, validated
from connectors.tasks import check_own_credential
from tenants.errors import Conflict, Invalid, NotFound

FAILURES_UNTIL_FAILING = 3
State, Health = ConnectorInstance.State, ConnectorInstance.Health
_SEEN = ("health", "health_checked_at", "health_ok_at", "health_failures", "health_code")


@transaction.atomic
def store_own_credential(
    mapping: CustomerMapping, *, secret: Mapping[str, str], by: Actor, expires_on: date | Kept | None = KEPT
) -> Credential:
    """From now on calls for this customer are made with this, once a check has gone well. Again, it is replaced."""
    instance, mapping = _held(mapping)
    entry = _fenced(instance)
    lifecycle_of(instance, timezone.now()).require(Action.CONFIGURE)
    if instance.configured_at is None:
        raise Conflict("Configure the connection first.", code="instance_not_configured")
    known = {name: value for name, value in secret.items() if name in entry.secret_fields}
    settings, clean = validated(entry, {**instance.settings, **known})
    if missing := [name for name in entry.secret_fields if name not in clean]:
        raise Invalid("Enter the secret.", field=missing[0], code="secret_required")
    credential = store(entry, instance, settings, clean, by=by, mapping=mapping)
    if not isinstance(expires_on, Kept):
        set_expiry(credential, expires_on)
    _begin_anew(mapping)
    return credential


def _begin_anew(mapping: CustomerMapping) -> None:
    now = timezone.now()
    of: dict[str, Any] = {"instance_id": mapping.instance_id, "customer_id": mapping.customer_id, "mapping": mapping}
    anew = {
        "stored_at": now, "check_asked_at": now, "health": Health.UNKNOWN, "health_ok_at": None, "health_failures": 0,
        "health_code": "",
    }  # fmt: skip
    own, _ = OwnCredential.objects.update_or_create(**of, defaults=anew)
    check_own_credential.delay_on_commit(str(own.pk))


@transaction.atomic
def remove_own_credential(mapping: CustomerMapping, *, by: Actor) -> None:
    """What was sealed is destroyed. Calls for the customer are made with the connection's, or not any more."""
    _, mapping = _held(mapping)
    if not end_own(mapping, by=by):
        raise Conflict("This customer has no credential of its own.", code="no_own_credential")


@transaction.atomic
def request_own_check(mapping: CustomerMapping, *, by: Actor) -> None:
    lifecycle_of(mapping.instance, timezone.now()).require(Action.CHECK)
    own = OwnCredential.objects.select_for_update().filter(mapping=mapping).first()
    if own is None:
        raise Conflict("This customer has no credential of its own.", code="no_own_credential")
    own.check_asked_at = timezone.now()
    own.save(update_fields=["check_asked_at"])
    record(EventKind.OWN_CREDENTIAL_CHECK_REQUESTED, actor=by, **_about(own, mapping.instance))
    check_own_credential.delay_on_commit(str(own.pk))


@transaction.atomic
def require_own_credentials(instance: ConnectorInstance, *, only: bool, by: Actor) -> ConnectorInstance:
    """Whether customers without a credential of their own are reached at all."""
    instance = ConnectorInstance.objects.select_for_update().get(id=instance.pk)
    lifecycle_of(instance, timezone.now()).require(Action.MAP)
    if _fenced(instance).own_credentials is OwnCredentials.ONLY:
        raise Conflict("This connector knows no other credentials than customers' own.", code="own_credentials_only")
    if instance.own_credentials_only == only:
        return instance
    instance.own_credentials_only = only
    instance.save(update_fields=["own_credentials_only"])
    record(
        EventKind.INSTANCE_NARROWED,
        actor=by,
        subject=("connector_instance", instance.pk, instance.name),
        call=CallRef(None, instance.pk),
        body={"own_credentials_only": only},
    )
    return instance


def check_own(own_id: UUID) -> None:
    """In the broker process: look, without a transaction; then write down what was seen."""
    with transaction.atomic():
        own = OwnCredential.objects.select_related("mapping", "instance").filter(id=own_id).first()
        if own is None or not askable(timezone.now()).filter(id=own.instance_id).exists():
            return
    record_own_health(own, examine(own.instance, own.mapping))


def enqueue_due_own_checks(now: datetime) -> int:
    """Of the acting tenant. Of inactive connections only what somebody has asked for."""
    with transaction.atomic():
        found = OwnCredential.objects.filter(instance__in=askable(now)).select_related("instance")
        due = [str(own.pk) for own in found if _is_due(own, now)]
    for own_id in due:
        check_own_credential.delay(own_id)
    return len(due)


def _is_due(own: OwnCredential, now: datetime) -> bool:
    if own.awaits_check:
        return own.check_asked_at is not None and now - own.check_asked_at >= _lost(own, now)
    if own.instance.state == State.INACTIVE or own.health_checked_at is None:
        return False
    return now - own.health_checked_at >= check_wait(own)


def _lost(own: OwnCredential, now: datetime) -> Any:
    """A message that brought nothing in this time is sent again; one that was never answered, more rarely."""
    asked = own.check_asked_at or now
    return LATE if now - asked < RETRY else RETRY


@transaction.atomic
def record_own_health(own: OwnCredential, seen: Checkup) -> OwnCredential | None:
    """Write down a check; one of a credential that was replaced or removed meanwhile says nothing."""
    found = OwnCredential.objects.select_for_update().filter(id=own.pk, stored_at=own.stored_at).first()
    if found is None:
        return None
    before, now = found.health, timezone.now()
    found.health_failures = 0 if seen.ok else found.health_failures + 1
    found.health, found.health_checked_at = _health_after(seen, found.health_failures), now
    found.health_ok_at = now if seen.ok else found.health_ok_at
    found.health_code = seen.code
    found.save(update_fields=list(_SEEN))
    if found.health != before:
        body = {"before": before, "after": str(found.health), "code": seen.code}
        result = "ok" if seen.ok else "failed"
        about = _about(found, own.instance)
        record(EventKind.OWN_CREDENTIAL_HEALTH_CHANGED, actor=CHECKER, result=result, body=body, **about)
    return found


def _health_after(seen: Checkup, failures: int) -> str:
    if seen.ok:
        return Health.HEALTHY
    return Health.FAILING if seen.permanent or failures >= FAILURES_UNTIL_FAILING else Health.DEGRADED


def _held(mapping: CustomerMapping) -> tuple[ConnectorInstance, CustomerMapping]:
    """Locked: the connection is not retired meanwhile, nor the customer mapped to another client."""
    instance = ConnectorInstance.objects.select_for_update().get(id=mapping.instance_id)
    held = CustomerMapping.objects.select_for_update().filter(id=mapping.pk).first()
    if held is None:
        raise NotFound
    return instance, held


def _fenced(instance: ConnectorInstance) -> Connector:
    entry = catalogue_entry(instance.connector)
    if entry.own_credentials is OwnCredentials.NONE:
        raise Conflict(f"{entry.name} gives out no credentials that reach one client only.", code="no_own_credentials")
    return entry


def _about(own: OwnCredential, instance: ConnectorInstance) -> dict[str, Any]:
    credential = current_credential(instance, own.customer_id)
    return {
        "subject": ("credential", credential.pk if credential else None, instance.name),
        "customer_id": own.customer_id,
        "call": CallRef(None, instance.pk),
    }
