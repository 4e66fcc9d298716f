"""Tells of what nobody does: a check that was not made is no event, and neither is a day that comes.

A sweep asks of each connection that people have switched on whether its tools are listed, says once that they are not,
and once that they are again. Of a credential that ends it warns twice.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.actors import CallRef, system
from audit.kinds import EventKind
from audit.services import record
from connectors.lifecycle import Lifecycle, Listed, Reason, State
from connectors.models import ConnectorInstance, Credential, OwnCredential
from connectors.own_state import Owned, OwnState
from connectors.selectors import current_credential, current_credentials, lifecycle_of

WATCH = system("connector watch")
# Days before the last one on which it is good, the nearest first.
WARNINGS = {1: EventKind.CREDENTIAL_ENDS_TOMORROW, 14: EventKind.CREDENTIAL_ENDS_SOON}
_On = ConnectorInstance.State.ACTIVE


def notice(now: datetime) -> int:
    """Of the acting tenant; how many events were written. Each connection in a transaction of its own."""
    with transaction.atomic():
        instances = list(ConnectorInstance.objects.filter(state=_On).values_list("pk", flat=True))
        expiring = list(_expiring(now))
        owned = list(OwnCredential.objects.filter(instance__state=_On).values_list("pk", flat=True))
    told = sum(_notice_withdrawal(instance, now) for instance in instances)
    told += sum(_notice_own(own, now) for own in owned)
    return told + sum(_warn_of_expiry(credential, now) for credential in expiring)


@transaction.atomic
def _notice_withdrawal(pk: UUID, now: datetime) -> bool:
    instance = ConnectorInstance.objects.select_for_update().filter(pk=pk, state=_On).first()
    if instance is None:
        return False
    found = lifecycle_of(instance, now)
    trouble = found.state.value if found.listed is Listed.NONE else ""
    if trouble == instance.noticed or _was_not_in_the_plan(instance, found):
        return False
    before, instance.noticed = instance.noticed, trouble
    instance.save(update_fields=["noticed"])
    _tell(instance, found, before)
    return True


@transaction.atomic
def _notice_own(pk: UUID, now: datetime) -> bool:
    """One customer's tools, for its own credential alone: what its connection lacks is told of that."""
    own = OwnCredential.objects.select_for_update(of=("self",)).select_related("instance").filter(pk=pk).first()
    if own is None or lifecycle_of(own.instance, now).listed is Listed.NONE:
        return False
    kept = Owned(own, current_credential(own.instance, own.customer_id))
    state = kept.state(now)
    trouble = "" if state in {OwnState.IN_ORDER, OwnState.CHECKING} else state.value
    if trouble == own.noticed or (state is OwnState.CHECKING and own.noticed):  # not news, or not known yet
        return False
    before, own.noticed = own.noticed, trouble
    own.save(update_fields=["noticed"])
    _tell_of_own(kept, before)
    return True


def _tell_of_own(kept: Owned, before: str) -> None:
    own, withdrawn = kept.own, bool(kept.own.noticed)
    record(
        EventKind.OWN_CREDENTIAL_WITHDRAWN if withdrawn else EventKind.OWN_CREDENTIAL_RECOVERED,
        actor=WATCH,
        subject=("credential", kept.credential.pk if kept.credential else None, own.instance.name),
        customer_id=own.customer_id,
        result="failed" if withdrawn else "ok",
        body={"alert": withdrawn, "before": before, "state": own.noticed},
        call=CallRef(None, own.instance_id),
    )


def _was_not_in_the_plan(instance: ConnectorInstance, found: Lifecycle) -> bool:
    """Nobody checked it meanwhile, so it is stale until the check that the renewal brings: no news."""
    return instance.noticed == State.NOT_ENTITLED and found.reason is Reason.STALE


def _tell(instance: ConnectorInstance, found: Lifecycle, before: str) -> None:
    """`why` is for those who read the alert: what is wrong, and what to do."""
    withdrawn = found.listed is Listed.NONE
    record(
        EventKind.INSTANCE_WITHDRAWN if withdrawn else EventKind.INSTANCE_RECOVERED,
        actor=WATCH,
        subject=("connector_instance", instance.pk, instance.name),
        result="failed" if withdrawn else "ok",
        body={"alert": withdrawn, "before": before, "state": found.state.value, "reason": found.reason.value},
        call=CallRef(None, instance.pk),
    )


def _expiring(now: datetime) -> list[Credential]:
    """Current ones whose end is near and that were not warned of so near to it."""
    last = now.date() + timedelta(days=max(WARNINGS))
    found = current_credentials().exclude(instance__state=ConnectorInstance.State.RETIRED)
    found = found.filter(expires_on__isnull=False, expires_on__lte=last)
    return [credential for credential in found if _nearness(credential, now) is not None]


def _nearness(credential: Credential, now: datetime) -> int | None:
    """The warning that is due and was not given; None, if none is."""
    if credential.expires_on is None:
        return None
    left = (credential.expires_on - now.date()).days
    due = next((days for days in WARNINGS if left <= days), None)
    if due is None or (credential.warned_days is not None and credential.warned_days <= due):
        return None
    return due


@transaction.atomic
def _warn_of_expiry(credential: Credential, now: datetime) -> bool:
    found = Credential.objects.select_for_update(of=("self",)).select_related("instance").get(pk=credential.pk)
    due = _nearness(found, now)
    if due is None or found.expires_on is None or found.instance.state == ConnectorInstance.State.RETIRED:
        return False
    found.warned_days = due
    found.save(update_fields=["warned_days"])
    record(
        WARNINGS[due],
        actor=WATCH,
        subject=("credential", found.pk, found.instance.name),
        customer_id=found.customer_id,
        body={"alert": True, "expires_on": found.expires_on.isoformat(), "days": (found.expires_on - now.date()).days},
        call=CallRef(None, found.instance_id),
    )
    return True
