"""Set-up of connections: entitlement first, then settings and credential, then a health check, then activation."""

import contextlib
import re
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
from connectors.checks import forget_old_checks
from connectors.contract import Connector, OwnCredentials
from connectors.expiry import KEPT, Kept, set_expiry
from connectors.health import CHECKER, Checkup, examine
from connectors.lifecycle import Action
from connectors.models import ConnectorInstance, Credential, CustomerMapping, HealthCheck
from connectors.narrowing import normalised
from connectors.readiness import is_entitled
from connectors.selectors import (
    askable,
    client_name,
    current_credential,
    due_for_check,
    entitlement_for,
    lifecycle_of,
)
from connectors.storing import end_own, renew_own_checks, store, validated
from connectors.tasks import check_instance
from identity.services.uniqueness import conflict_if_taken
from tenants.errors import Conflict, Invalid, NotAllowed, NotFound
from tenants.models import KEY_PATTERN, Customer, key_validator

FAILURES_UNTIL_FAILING = 3
NAME_LENGTH = 200
ATTEMPTS = 3
_RESET = ("health", "health_ok_at", "health_failures", "health_detail", "health_code")
State, Health = ConnectorInstance.State, ConnectorInstance.Health


@transaction.atomic
def start_instance(connector: str, *, by: Actor, name: str = "", slug: str = "") -> ConnectorInstance:
    """A draft. Nothing is asked of a tenant that may not use the connector."""
    entry = catalogue_entry(connector)
    require_entitlement(connector)
    _check_names(slug, name)
    instance = _add(entry, slug, name or entry.name) if slug else _add_numbered(entry, name or entry.name)
    record(EventKind.INSTANCE_CREATED, actor=by, **_about(instance), body={"connector": entry.key})
    return instance


def require_entitlement(connector: str) -> None:
    if not is_entitled(connector, entitlement_for(connector), timezone.now()):
        raise NotAllowed("Your subscription does not include this connector.", code="connector_not_entitled")


@transaction.atomic
def configure_instance(
    instance: ConnectorInstance,
    *,
    settings: Mapping[str, Any],
    secret: Mapping[str, str],
    by: Actor,
    expires_on: date | Kept | None = KEPT,
) -> ConnectorInstance:
    """Check, seal, store, then have the connection examined. An empty `secret` keeps the stored one.

    `expires_on`: the credential's last day at the vendor; KEPT leaves what is known of a credential that stays.
    """
    entry, instance = catalogue_entry(instance.connector), _locked(instance)
    lifecycle_of(instance, timezone.now()).require(Action.CONFIGURE)
    clean_settings, clean_secret = validated(entry, {**settings, **secret})
    credential = current_credential(instance)
    _require_secret(entry, instance, clean_settings, clean_secret, stored=credential is not None)
    if any(instance.settings.get(name) != clean_settings.get(name) for name in entry.bound_fields):
        renew_own_checks(instance)  # what customers have was given for another address
    if clean_secret:
        credential = store(entry, instance, clean_settings, clean_secret, by=by)
    if credential is not None and not isinstance(expires_on, Kept):
        set_expiry(credential, expires_on)
    instance.settings, instance.configured_at = clean_settings, timezone.now()
    instance.check_asked_at = instance.configured_at
    instance.health, instance.health_ok_at, instance.health_failures = Health.UNKNOWN, None, 0
    instance.health_detail = instance.health_code = ""
    instance.save(update_fields=["settings", "configured_at", "check_asked_at", *_RESET])
    record(EventKind.INSTANCE_CONFIGURED, actor=by, **_about(instance), body=_configured(clean_settings, credential))
    check_instance.delay_on_commit(str(instance.id))
    return instance


def _configured(settings: Mapping[str, Any], credential: Credential | None) -> dict[str, Any]:
    expires_on = credential.expires_on if credential else None
    return {
        "settings": settings,
        "credential": str(credential.id) if credential else None,
        "credential_expires_on": expires_on.isoformat() if expires_on else None,
    }


@transaction.atomic
def request_health_check(instance: ConnectorInstance, *, by: Actor) -> None:
    """Written down as well as sent: while the queue is away, the next sweep after its return sends it."""
    instance = _locked(instance)
    lifecycle_of(instance, timezone.now()).require(Action.CHECK)
    instance.check_asked_at = timezone.now()
    instance.save(update_fields=["check_asked_at"])
    record(EventKind.INSTANCE_CHECK_REQUESTED, actor=by, **_about(instance))
    check_instance.delay_on_commit(str(instance.id))


@transaction.atomic
def activate_instance(instance: ConnectorInstance, *, by: Actor) -> ConnectorInstance:
    """Only ever by a person: what was switched off, or never on, stays so whatever its health is."""
    instance = _locked(instance)
    lifecycle_of(instance, timezone.now()).require(Action.ACTIVATE)
    instance.state, instance.activated_at, instance.activated_by = State.ACTIVE, timezone.now(), by.label
    instance.save(update_fields=["state", "activated_at", "activated_by"])
    record(EventKind.INSTANCE_ACTIVATED, actor=by, **_about(instance))
    return instance


@transaction.atomic
def deactivate_instance(instance: ConnectorInstance, *, by: Actor) -> ConnectorInstance:
    instance = _locked(instance)
    lifecycle_of(instance, timezone.now()).require(Action.DEACTIVATE)
    instance.state = State.INACTIVE
    instance.save(update_fields=["state"])
    record(EventKind.INSTANCE_DEACTIVATED, actor=by, **_about(instance))
    return instance


@transaction.atomic
def map_customer(
    instance: ConnectorInstance, *, customer: Customer, external_id: str, by: Actor, external_name: str = ""
) -> CustomerMapping:
    """Say which client of the vendor's system a customer is; again with another id moves it, and destroys what
    credential of its own it had: that was for the client before."""
    external = normalised(external_id)
    if external is None or not catalogue_entry(instance.connector).external_ids.fits(external):
        raise Invalid("Give the client's id in the vendor's system.", field="external_id")
    instance = _locked(instance)
    lifecycle_of(instance, timezone.now()).require(Action.MAP)
    taken = CustomerMapping.objects.filter(instance=instance, external_id=external).exclude(customer=customer)
    if taken.exists():
        raise Conflict("Another customer is mapped to this client already.", code="external_id_taken")
    values = {"external_id": external, "external_name": external_name or client_name(instance, external)}
    mapping = CustomerMapping.objects.select_for_update().filter(instance=instance, customer=customer).first()
    if mapping:
        if mapping.external_id != external:
            end_own(mapping, by=by)
        mapping.external_id, mapping.external_name = values["external_id"], values["external_name"]
        mapping.save(update_fields=list(values))
    else:
        mapping = CustomerMapping.objects.create(instance=instance, customer=customer, **values)
    about = _mapped(customer, instance.id)
    record(EventKind.CUSTOMER_MAPPED, actor=by, customer_id=customer.id, body={"external_id": external}, **about)
    return mapping


@transaction.atomic
def unmap_customer(mapping: CustomerMapping, *, by: Actor) -> None:
    customer, body = mapping.customer, {"external_id": mapping.external_id}
    lifecycle_of(mapping.instance, timezone.now()).require(Action.MAP)
    held = CustomerMapping.objects.select_for_update().filter(id=mapping.id).first()
    if held is None:  # somebody was faster
        raise NotFound
    end_own(held, by=by)
    held.delete()
    about = _mapped(customer, mapping.instance_id)
    record(EventKind.CUSTOMER_UNMAPPED, actor=by, customer_id=customer.id, body=body, **about)


def check_health(instance_id: UUID) -> None:
    """In the broker process: look, without a transaction; then write down what was seen."""
    with transaction.atomic():
        instance = askable(timezone.now()).filter(id=instance_id).first()
    if instance is not None:
        record_health(instance, examine(instance))
        forget_old_checks(instance, timezone.now())


def enqueue_due_checks(now: datetime) -> int:
    with transaction.atomic():
        due = [str(instance.id) for instance in due_for_check(now)]
    for instance_id in due:
        check_instance.delay(instance_id)
    return len(due)


@transaction.atomic
def record_health(instance: ConnectorInstance, seen: Checkup) -> ConnectorInstance:
    """Write down a check of these settings; one of settings that have been replaced meanwhile says nothing."""
    configured_at, instance = instance.configured_at, _locked(instance)
    if instance.configured_at != configured_at or instance.state == State.RETIRED:
        return instance
    before, now = instance.health, timezone.now()
    instance.health_failures = 0 if seen.ok else instance.health_failures + 1
    instance.health, instance.health_checked_at = _health_after(seen, instance.health_failures), now
    instance.health_ok_at = now if seen.ok else instance.health_ok_at
    instance.health_detail, instance.health_code = seen.detail, seen.code
    instance.save(update_fields=["health_checked_at", *_RESET])
    HealthCheck.objects.create(instance=instance, milliseconds=seen.milliseconds, code=seen.code)
    if instance.health != before:
        body = {"before": before, "after": str(instance.health), "code": seen.code}
        result = "ok" if seen.ok else "failed"
        record(EventKind.INSTANCE_HEALTH_CHANGED, actor=CHECKER, **_about(instance), result=result, body=body)
    return instance


def _health_after(seen: Checkup, failures: int) -> str:
    """A vendor that hiccups is degraded; one that refuses us, or is silent for long, is failing."""
    if seen.ok:
        return Health.HEALTHY
    return Health.FAILING if seen.permanent or failures >= FAILURES_UNTIL_FAILING else Health.DEGRADED


def _locked(instance: ConnectorInstance) -> ConnectorInstance:
    return ConnectorInstance.objects.select_for_update().get(id=instance.id)


def _about(instance: ConnectorInstance) -> dict[str, Any]:
    """Subject and place of an event about the connection."""
    return {"subject": _subject(instance), "call": CallRef(None, instance.id)}


def _mapped(customer: Customer, instance_id: UUID) -> dict[str, Any]:
    return {"subject": ("customer", customer.id, customer.name), "call": CallRef(None, instance_id)}


def _subject(instance: ConnectorInstance) -> tuple[str, Any, str]:
    return ("connector_instance", instance.id, instance.name)


def _check_names(slug: str, name: str) -> None:
    if slug and not re.match(KEY_PATTERN, slug):
        raise Invalid(str(key_validator.message), field="slug")
    if len(name) > NAME_LENGTH:
        raise Invalid("Choose a shorter name.", field="name")


def _add(entry: Connector, slug: str, name: str) -> ConnectorInstance:
    with conflict_if_taken(f"The short name {slug} is taken.", code="slug_taken"):
        return ConnectorInstance.objects.create(connector=entry.key, slug=slug, name=name)


def _add_numbered(entry: Connector, name: str) -> ConnectorInstance:
    """Under the next free short name; looked for again when somebody has just taken it."""
    for _ in range(ATTEMPTS):
        with contextlib.suppress(Conflict):
            return _add(entry, _free_slug(entry.key), name)
    return _add(entry, _free_slug(entry.key), name)


def _free_slug(key: str) -> str:
    taken = set(ConnectorInstance.objects.filter(slug__startswith=key).values_list("slug", flat=True))
    return next(slug for slug in (key, *(f"{key}-{n}" for n in range(2, len(taken) + 3))) if slug not in taken)


def _require_secret(
    entry: Connector,
    instance: ConnectorInstance,
    settings: Mapping[str, Any],
    secret: Mapping[str, str],
    *,
    stored: bool,
) -> None:
    """A stored secret is not sent to an address it was not given for."""
    if entry.own_credentials is OwnCredentials.ONLY:
        if secret:
            message = "Every customer has a credential of its own here: enter it with the customer."
            raise Invalid(message, field=next(iter(secret)), code="own_credentials_only")
        return
    missing = [name for name in entry.secret_fields if name not in secret]
    if not missing:
        return
    moved = any(instance.settings.get(name) != settings.get(name) for name in entry.bound_fields)
    if secret or not stored or moved:
        again = " again, because the address or the application changed" if moved and stored else ""
        raise Invalid(f"Enter the secret{again}.", field=missing[0], code="secret_required")
