"""What one event means for people: a notification, the end of one, or nothing."""

from collections.abc import Collection, Sequence
from uuid import UUID

from django.db.models import Q

from approvals.models import ApprovalRequest
from approvals.notifications.declared import (
    ENDS_REQUESTS,
    MENDS,
    OF_ALERTS,
    OF_CALLS,
    OF_REQUESTS,
    Kind,
    Place,
    Told,
    Who,
    alert_of,
)
from approvals.notifications.models import Severity
from approvals.notifications.people import people_for
from approvals.notifications.telling import Matter, end_by_keys, tell
from audit.alerts import HEADLINES, REMEDIES, RULES, Per, Rule, key_of
from audit.kinds import EventKind
from audit.models import Alert, Event

SEVERAL = 2  # what needs as many people is as urgent as can be


def meaningful(events: Sequence[Event]) -> list[Event]:
    """Without the calls that nobody had to approve and that raise no alert, which is nearly all that a log has: each
    costs nothing more than having been read."""
    of_calls = [event for event in events if event.call_id and _ends_call(event)]
    approved = _approved({event.call_id for event in of_calls if event.call_id})
    nothing = {event.pk for event in of_calls if event.call_id not in approved and not _alerts(event)}
    return [event for event in events if event.pk not in nothing]


def _ends_call(event: Event) -> bool:
    return (EventKind(event.kind), event.result == "ok") in OF_CALLS


def _alerts(event: Event) -> bool:
    """Also one that cannot be read: it is said of by who takes it."""
    try:
        return alert_of(EventKind(event.kind), event.facts) is not None
    except (AttributeError, LookupError, TypeError, ValueError):
        return True


def _approved(calls: Collection[UUID]) -> set[UUID]:
    """Those of them that were made under an approval."""
    if not calls:
        return set()
    made, fired = "call_id", "held_grants__fired__call_id"
    rows = ApprovalRequest.objects.filter(Q(call_id__in=calls) | Q(held_grants__fired__call_id__in=calls))
    return {call for row in rows.values_list(made, fired) for call in row if call}


def take(event: Event) -> None:
    kind = EventKind(event.kind)
    if kind in OF_REQUESTS or kind in ENDS_REQUESTS:
        _request(event, kind)
    elif kind is EventKind.ALERT_ACKNOWLEDGED:
        _acknowledged(event)
    elif kind in MENDS:
        end_by_keys([_alert_key(event, RULES[MENDS[kind]])], by="", at=event.occurred_at)
    else:
        _call(event, kind)
        _alert(event, kind)


def _request(event: Event, kind: EventKind) -> None:
    request = ApprovalRequest.objects.select_related("customer", "instance").get(id=_subject(event))
    told = OF_REQUESTS.get(kind)
    _end(request, told.ends if told else ENDS_REQUESTS[kind], event)
    if told and (told.who is not Who.APPROVERS or request.state == ApprovalRequest.State.PENDING):
        _tell_of_request(event, request, told)


def _call(event: Event, kind: EventKind) -> None:
    """The call that was made under an approval; of any other, nothing."""
    told = OF_CALLS.get((kind, event.result == "ok"))
    if told is None or event.call_id is None:
        return
    by_grant = Q(held_grants__fired__call_id=event.call_id)  # what a host has done with a grant that it held
    rows = ApprovalRequest.objects.select_related("customer", "instance")
    request = rows.filter(Q(call_id=event.call_id) | by_grant).first()
    if request:
        _end(request, told.ends, event)
        _tell_of_request(event, request, told)


def _tell_of_request(event: Event, request: ApprovalRequest, told: Told) -> None:
    several = told.who is Who.APPROVERS and request.need >= SEVERAL
    matter = Matter(
        kind=told.kind.value, severity=Severity.CRITICAL if several else told.severity,
        key=_request_key(request.pk, told.kind), shared=False, title=_title(request, told), text=_about(request),
        customer_id=request.customer_id, place=Place.APPROVAL, place_id=request.pk, event_id=event.pk,
        at=event.occurred_at,
    )  # fmt: skip
    tell(matter, people_for(told.who, request))


def _title(request: ApprovalRequest, told: Told) -> str:
    """A grant that is held in advance is not run by who asked: its host gets it."""
    return "Approved: its host gets the grant" if request.terms and told.kind is Kind.APPROVAL_GIVEN else told.title


def _about(request: ApprovalRequest) -> str:
    """What it is about, and no argument of it: those are shown to who has signed in."""
    asked = f"{request.instance.slug}_{request.tool} for {request.customer.name}, asked by {request.requester_label}"
    because = f": {request.because}" if request.because else ""
    reason = f". Reason: {request.reason}" if request.reason and not because else ""
    return f"{asked}{reason}{because}"


def _end(request: ApprovalRequest, kinds: tuple[Kind, ...], event: Event) -> None:
    by = str(event.facts.get("actor_label", ""))
    end_by_keys([_request_key(request.pk, kind) for kind in kinds], by=by, at=event.occurred_at)


def _request_key(request: UUID, kind: Kind) -> str:
    return f"request:{request}:{kind}"


def _alert(event: Event, kind: EventKind) -> None:
    rule = alert_of(kind, event.facts)
    if rule is None:
        return
    key = _alert_key(event, rule)
    raised = Alert.objects.filter(key=bytes.fromhex(key.partition(":")[2])).order_by("-id").first()
    subject = str(event.facts.get("subject_label", ""))
    matter = Matter(
        kind=rule.alert.value, severity=OF_ALERTS[rule.alert], key=key, shared=True, title=HEADLINES[rule.alert],
        text=f"{subject}. {REMEDIES[rule.alert]}" if subject else REMEDIES[rule.alert], customer_id=event.customer_id,
        place=Place.ALERT, place_id=raised.pk if raised else None, event_id=event.pk, at=event.occurred_at,
    )  # fmt: skip
    tell(matter, people_for(Who.ADMINS))


def _acknowledged(event: Event) -> None:
    alert = Alert.objects.filter(id=_subject(event)).first()
    if alert:
        by = str(event.facts.get("actor_label", ""))
        end_by_keys([f"alert:{bytes(alert.key).hex()}"], by=by, at=event.occurred_at)


def _subject(event: Event) -> UUID:
    if event.subject_id is None:
        raise LookupError("an event about nothing")
    return event.subject_id


def _alert_key(event: Event, rule: Rule) -> str:
    """That of the alert itself, so that both are about the same."""
    subject = event.subject_id or event.facts.get("subject_label", "")
    about = {Per.ACTOR: event.actor_id, Per.INSTANCE: event.instance_id, Per.SUBJECT: subject, Per.TOOL: event.tool}
    return f"alert:{key_of(rule, event.customer_id, about).hex()}"
