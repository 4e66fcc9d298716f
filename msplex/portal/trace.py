"""The way of a call through the log: who signed in, which token, each gate, which credential, each request to the vendor,
the outcome, and whether it was counted."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from audit.kinds import EventKind
from audit.models import Event
from audit.selectors import events_in_sight
from billing.models import UsageEvent
from connectors.models import ToolCall
from msplex.decision.verdicts import Gate
from msplex.portal.gates import Step, way_through
from tenants.ids import uuid7_floor, uuid7_time

MOST = 200  # events of one request that are shown
LONGEST_TOKEN = timedelta(hours=1)  # identity.tokens.MAXIMUM_SECONDS
TOKENS_LOOKED_AT = 500


class Stage(StrEnum):
    SIGN_IN = "sign_in"
    TOKEN = "token"  # noqa: S105 -- the name of a stage
    DECISION = "decision"
    APPROVAL = "approval"
    CREDENTIAL = "credential"
    VENDOR = "vendor"
    OUTCOME = "outcome"
    OTHER = "other"


_DECISIONS = {EventKind.CALL_INTENDED, EventKind.CALL_REFUSED}
_OUTCOMES = {EventKind.CALL_FINISHED, EventKind.CALL_UNKNOWN}


@dataclass(frozen=True, slots=True)
class Trace:
    """`events` oldest first; `more`: there are others of this request that are not among them."""

    request_id: str = ""
    call: ToolCall | None = None
    calls: list[UUID] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    counted: bool = False
    more: bool = False

    def at(self, stage: Stage) -> list[Event]:
        return [event for event in self.events if stage_of(event) is stage]

    @property
    def gates(self) -> list[Step]:
        return next((steps for event in self.at(Stage.DECISION) if (steps := gates_of(event))), [])

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [request for event in self.at(Stage.OUTCOME) for request in requests_of(event)]


def stage_of(event: Event) -> Stage:
    match event.kind:
        case EventKind.SIGNED_IN | EventKind.AGENT_CONNECTED:
            return Stage.SIGN_IN
        case EventKind.TOKEN_ISSUED:
            return Stage.TOKEN
        case kind if kind in _DECISIONS:
            return Stage.DECISION
        case kind if kind in _OUTCOMES:
            return Stage.OUTCOME
        case kind if kind.startswith("approvals:"):
            return Stage.APPROVAL
        case kind if kind.startswith("connectors:credential:"):
            return Stage.CREDENTIAL
    return Stage.OTHER


def gates_of(event: Event) -> list[Step]:
    """The verdicts that stand in the event of a call, if it is one."""
    told = event.facts.get("verdicts")
    if not isinstance(told, list):
        return []
    verdicts = (str(verdict).partition("=")[::2] for verdict in told)
    known = {gate.value for gate in Gate}
    return way_through(
        {"gate": gate, "ok": said == "ok", "code": "" if said == "ok" else said}
        for gate, said in verdicts
        if gate in known
    )


def requests_of(event: Event) -> list[dict[str, Any]]:
    told = event.facts.get("requests")
    return [request for request in told if isinstance(request, dict)] if isinstance(told, list) else []


def trace(*, call: UUID | None = None, request: str = "") -> Trace:
    """By a call, or by a request. Empty when there is no such thing within reach."""
    found = _newest(events_in_sight().filter(call_id=call)) if call else _newest(_of_request(request))
    request = request or next((event.request_id for event in found if event.request_id), "")
    if call and request:
        found |= _newest(_of_request(request).filter(call_id=None))
    calls = sorted({event.call_id for event in found.values() if event.call_id})
    chosen = call or (calls[0] if calls else None)
    more = len(found) > MOST
    found |= {event.pk: event for event in _before(found.values(), chosen)}
    return Trace(
        request_id=request,
        call=ToolCall.objects.select_related("customer", "instance").filter(id=chosen).first() if chosen else None,
        calls=calls,
        events=[found[key] for key in sorted(found)][-MOST:],
        counted=bool(chosen) and UsageEvent.objects.filter(id=chosen).exists(),
        more=more,
    )


def _of_request(request: str) -> QuerySet[Event]:
    return events_in_sight().filter(request_id=request) if request else events_in_sight().none()


def _newest(rows: QuerySet[Event]) -> dict[UUID, Event]:
    return {event.pk: event for event in rows[: MOST + 1]}


def _before(found: Iterable[Event], call: UUID | None) -> list[Event]:
    """The token that the call came with, and how its holder came by it."""
    decision = next((event for event in found if event.kind in _DECISIONS and event.call_id == call), None)
    if decision is None:
        return []
    token = _token(decision)
    consent = _latest(EventKind.AGENT_CONNECTED, decision, subject_id=decision.actor_id)
    sign_in = _latest(EventKind.SIGNED_IN, consent, actor_id=consent.actor_id) if consent else None
    return [event for event in (token, consent, sign_in) if event]


def _token(decision: Event) -> Event | None:
    name, at = decision.facts.get("token"), uuid7_time(decision.pk)
    issued = events_in_sight().filter(kind=EventKind.TOKEN_ISSUED, subject_id=decision.actor_id, id__lt=decision.pk)
    lately = issued.filter(id__gte=uuid7_floor(at - LONGEST_TOKEN))[:TOKENS_LOOKED_AT]
    return next((event for event in lately if name and event.facts.get("token") == name), None)


def _latest(kind: EventKind, before: Event, **about: Any) -> Event | None:
    return events_in_sight().filter(kind=kind, id__lt=before.pk, **about).first()
