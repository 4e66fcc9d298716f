"""The end of a connection: its tools and its credential go, its calls and mappings stay for the record."""

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor, CallRef
from audit.kinds import EventKind
from audit.services import record
from connectors.hooks import remove_hook
from connectors.lifecycle import Action
from connectors.models import ConnectorInstance, Credential, Hook
from connectors.selectors import lifecycle_of


@transaction.atomic
def retire_instance(instance: ConnectorInstance, *, by: Actor) -> ConnectorInstance:
    """For good: the database refuses any later change of the row.

    What is kept of its credentials, its customers' own too, is destroyed in the same transaction, by the database
    (migrations 0006 and 0012), because this process has no right to it. Who stored which version stays known.
    """
    instance = ConnectorInstance.objects.select_for_update().get(id=instance.pk)
    lifecycle_of(instance, timezone.now()).require(Action.RETIRE)
    instance.state = ConnectorInstance.State.RETIRED
    instance.retired_at, instance.retired_by = timezone.now(), by.label[:200]
    instance.noticed = ""
    instance.save(update_fields=["state", "retired_at", "retired_by", "noticed"])
    for hook in Hook.objects.filter(instance=instance).select_related("instance"):
        remove_hook(hook, by=by)
    destroyed = Credential.objects.filter(instance=instance).order_by("version")
    versions = list(destroyed.filter(customer=None).values_list("version", flat=True))
    customers = sorted(
        str(each) for each in set(destroyed.exclude(customer=None).values_list("customer_id", flat=True))
    )
    record(
        EventKind.INSTANCE_RETIRED,
        actor=by,
        subject=("connector_instance", instance.pk, instance.name),
        call=CallRef(None, instance.pk),
        body={
            "connector": instance.connector,
            "slug": instance.slug,
            "destroyed_credential_versions": versions,
            "destroyed_credentials_of": customers,
        },
    )
    return instance
