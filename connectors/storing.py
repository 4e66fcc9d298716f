"""How a credential is stored: sealed in the request, on the record, for a connection or for one customer of it."""

import json
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from audit.actors import Actor, CallRef
from audit.kinds import EventKind
from audit.services import record
from connectors import sealing
from connectors.contract import Connector
from connectors.models import ConnectorInstance, Credential, CustomerMapping, OwnCredential, SealedSecret
from connectors.registry import intake_key
from connectors.selectors import current_credential
from connectors.tasks import check_own_credential
from tenants.errors import Invalid
from tenants.ids import uuid7
from tenants.isolation.context import acting_tenant


def validated(entry: Connector, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Settings and secret fields as the connector's form cleans them."""
    form = entry.settings_form(data=values)
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        raise Invalid(str(errors[0]), field=None if field == "__all__" else field, code="settings_invalid")
    return entry.split(form.cleaned_data)


def store(
    entry: Connector,
    instance: ConnectorInstance,
    settings: Mapping[str, Any],
    secret: Mapping[str, str],
    *,
    by: Actor,
    mapping: CustomerMapping | None = None,
) -> Credential:
    """In the transaction of whoever stores it. With a `mapping` it is that customer's own, for that client only."""
    key, customer = intake_key(timezone.now()), mapping.customer_id if mapping else None
    previous = current_credential(instance, customer)
    reference, version = uuid7(), previous.version + 1 if previous else 1
    place = sealing.Place(acting_tenant(), reference, version, customer)
    bound = {name: settings[name] for name in entry.bound_fields}
    content = {"secret": dict(secret), "bound": bound} | ({"client": mapping.external_id} if mapping else {})
    sealed = sealing.seal(json.dumps(content).encode(), key=key, place=place).to_bytes()
    credential = Credential.objects.create(
        id=reference, instance=instance, customer_id=customer, version=version, digest=sealing.digest(sealed),
        created_by=by.label,
    )  # fmt: skip
    SealedSecret.objects.create(credential=credential, suite=key.suite, kek_id=key.id, sealed=sealed)
    body = {"digest": credential.digest, "version": version, "kek": key.id}
    record(EventKind.CREDENTIAL_STORED, actor=by, body=body, **_about(credential, instance))
    return credential


def end_own(mapping: CustomerMapping, *, by: Actor) -> bool:
    """The customer has no credential of its own any more, if it had one: destroyed by the database, and on the record.

    The broker uses another credential for the customer only because this record says so.
    """
    if not OwnCredential.objects.filter(mapping=mapping).delete()[0]:
        return False
    credential = current_credential(mapping.instance, mapping.customer_id)
    if credential is not None:
        body = {"version": credential.version}
        record(EventKind.CREDENTIAL_REMOVED, actor=by, body=body, **_about(credential, mapping.instance))
    return True


def renew_own_checks(instance: ConnectorInstance) -> None:
    """What was seen of customers' own credentials is not known any more."""
    unknown = ConnectorInstance.Health.UNKNOWN
    found = OwnCredential.objects.filter(instance=instance)
    found.update(health=unknown, health_ok_at=None, health_failures=0, health_code="", check_asked_at=timezone.now())
    for own in found.values_list("id", flat=True):
        check_own_credential.delay_on_commit(str(own))


def _about(credential: Credential, instance: ConnectorInstance) -> dict[str, Any]:
    return {
        "subject": ("credential", credential.id, instance.name),
        "customer_id": credential.customer_id,
        "call": CallRef(None, instance.id),
    }
