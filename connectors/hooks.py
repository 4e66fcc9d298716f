"""Webhooks: made, replaced and removed by people; called by vendors and by a tenant's own automation.

An unknown address, a wrong proof, one from another time, and a connection that is not active are one and the same.
"""

import secrets
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from audit.actors import Actor, CallRef, system
from audit.kinds import EventKind
from audit.services import record
from connectors.catalogue import connector as catalogue_entry
from connectors.hook_events import events_in, keep_told
from connectors.hook_proof import WINDOW, Delivery, Proven, proven, shown_secret
from connectors.lifecycle import Action
from connectors.models import ConnectorInstance, Hook, HookDelivery
from connectors.selectors import NUDGED_EVERY, called_hook, lifecycle_of
from connectors.tasks import pull_signals
from tenants.directory import forget_hook, register_hook, tenant_of
from tenants.errors import Conflict, Invalid, NotFound
from tenants.isolation.context import Context, acting_for

Way = Hook.Way
# A signature is good for a window before its time and one after. Who repeats a secret has it, and gains a look at most.
REMEMBERED = {Way.SIGNED.value: 3 * WINDOW, Way.SECRET.value: NUDGED_EVERY}
NOBODY = UUID(int=0)
CALLER = system("caller of a webhook")
_NOTHING: dict[str, Any] = {"delivered_at": None, "refused": 0, "refused_at": None}


@transaction.atomic
def make_hook(instance: ConnectorInstance, *, way: str, by: Actor) -> tuple[Hook, str]:
    """With its secret, which is not told again."""
    instance = ConnectorInstance.objects.select_for_update().get(id=instance.pk)
    lifecycle_of(instance, timezone.now()).require(Action.CONFIGURE)
    if way not in ways(instance):
        raise Invalid(f"Choose one of: {', '.join(ways(instance))}.", field="way")
    if Hook.objects.filter(instance=instance).exists():
        raise Conflict("This connection has a webhook already.", code="hook_exists")
    address = secrets.token_urlsafe(18)
    terms = {"address": address, "way": way, "created_by": by.label[:200], "generation": _generation()}
    hook = Hook.objects.create(instance=instance, **terms)
    register_hook(address)
    record(EventKind.HOOK_CREATED, actor=by, **_about(hook), body={"way": way})
    return hook, shown_secret(hook)


@transaction.atomic
def rotate_hook(hook: Hook, *, replaces: str, by: Actor) -> tuple[Hook, str]:
    """The old secret is good for nothing from now on. `replaces`: its mark, so that sent twice it is done once."""
    hook = _locked(hook)
    if replaces != mark_of(hook):
        raise Conflict("The secret was replaced meanwhile. Load the page again.", code="hook_rotated")
    hook.generation, hook.rotated_at = _generation(), timezone.now()
    for name, value in _NOTHING.items():
        setattr(hook, name, value)
    hook.save(update_fields=["generation", "rotated_at", *_NOTHING])
    record(EventKind.HOOK_ROTATED, actor=by, **_about(hook))
    return hook, shown_secret(hook)


@transaction.atomic
def remove_hook(hook: Hook, *, by: Actor) -> None:
    hook = _locked(hook)
    HookDelivery.objects.filter(hook=hook).delete()
    forget_hook(hook.address)
    record(EventKind.HOOK_REMOVED, actor=by, **_about(hook))
    hook.delete()


def ways(instance: ConnectorInstance) -> tuple[str, ...]:
    """How it may be called. With a secret alone where the vendor can send one and there is something to look at."""
    entry = catalogue_entry(instance.connector)
    return (Way.SIGNED.value, Way.SECRET.value) if entry.nudges and entry.signals else (Way.SIGNED.value,)


def address_of(hook: Hook) -> str:
    return f"{settings.PUBLIC_URL}/hooks/{hook.address}"


def mark_of(hook: Hook) -> str:
    """Tells one secret of the webhook from the next, and says nothing of it."""
    return hook.generation[:8]


def receive(address: str, delivery: Delivery, now: datetime) -> bool:
    """False: nobody's, for whatever reason. Invalid: it is who it has to be, and says what cannot be read.

    For an unknown address the same is looked up, computed and written, in the name of a tenant that there is not.
    """
    tenant = tenant_of("hook", address) or NOBODY
    with acting_for(Context(tenant)), transaction.atomic():
        hook = called_hook(address, now)
        proof = proven(hook or _stranger(tenant), delivery, now)
        if hook is None or proof is None:
            Hook.objects.filter(address=address).update(refused=F("refused") + 1, refused_at=now)
            return False
        return _taken(hook, proof, delivery, now)


def _taken(hook: Hook, proof: Proven, delivery: Delivery, now: datetime) -> bool:
    """One delivery of a webhook at a time; one that was here counts no more, and is answered as it was."""
    locked = _for_update().filter(id=hook.pk, generation=hook.generation).first()
    if locked is None:  # removed, or its secret replaced, since it was read
        return False
    HookDelivery.objects.filter(hook=locked, received_at__lte=now - REMEMBERED[locked.way]).delete()
    if not HookDelivery.objects.filter(hook=locked, digest=proof.digest).exists():
        HookDelivery.objects.create(hook=locked, digest=proof.digest, received_at=now)
        _done(locked, proof, delivery, now)
    return True


def _done(hook: Hook, proof: Proven, delivery: Delivery, now: datetime) -> None:
    """Signed events are kept; of anything else is believed only that it is time to look."""
    hook.delivered_at, counts = now, dict[str, int]()
    if hook.way == Way.SIGNED:
        counts = asdict(keep_told(hook.instance, *events_in(delivery.body), proof.sent_at))
        hook.kept, hook.unmapped, hook.unreadable = counts.values()
    else:
        hook.nudged_at = now
        pull_signals.delay_on_commit(str(hook.instance_id))
    hook.save(update_fields=["delivered_at", "nudged_at", "kept", "unmapped", "unreadable"])
    body = {"way": hook.way, "delivery": proof.digest, **counts}
    record(EventKind.HOOK_DELIVERED, actor=CALLER, **_about(hook), body=body)


def _stranger(tenant: UUID) -> Hook:
    return Hook(id=NOBODY, tenant_id=tenant, generation=NOBODY.hex, way=Way.SIGNED)


def _generation() -> str:
    return secrets.token_hex(16)


def _for_update() -> QuerySet[Hook]:
    return Hook.objects.select_related("instance").select_for_update(of=("self",))


def _locked(hook: Hook) -> Hook:
    found = _for_update().filter(id=hook.pk).first()
    if found is None:
        raise NotFound
    return found


def _about(hook: Hook) -> dict[str, Any]:
    instance = hook.instance
    return {"subject": ("connector_instance", instance.pk, instance.name), "call": CallRef(None, instance.pk)}
