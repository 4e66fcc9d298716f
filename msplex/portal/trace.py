"""The way of a call through the log: who signed in, which token, each gate, which credential, each request to the
vendor, the outcome, and whether it was counted."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

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


_STAGES: dict[str, Stage] = {
    EventKind.AGENT_CONNECTED: Stage.SIGN_IN,
    EventKind.CALL_FINISHED: Stage.OUTCOME,
    EventKind.CALL_INTENDED: Stage.DECISION,
    EventKind.CALL_REFUSED: Stage.DECISION,
    EventKind.CALL_UNKNOWN: Stage.OUTCOME,
    EventKind.SIGNED_IN: Stage.SIGN_IN,
    EventKind.TOKEN_ISSUED: Stage.TOKEN,
}


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
    area, thing, _ = event.kind.split(":")
    by_thing = {"approvals": Stage.APPROVAL, "connectors:credential": Stage.CREDENTIAL}
    return _STAGES.get(event.kind) or by_thing.get(area) or by_thing.get(f"{area}:{thing}") or Stage.OTHER


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
    found = _by_call(call) if call else _of_request(request)
    calls = sorted({event.call_id for event in found if event.call_id})
    chosen = call or next(iter(calls), None)
    every = {event.pk: event for event in [*found[:MOST], *_origin(found, chosen)]}
    return Trace(
        request_id=next((event.request_id for event in found if event.request_id), request),
        call=_call(chosen),
        calls=calls,
        events=[every[key] for key in sorted(every)],
        counted=UsageEvent.objects.filter(id=chosen).exists() if chosen else False,
        more=len(found) > MOST,
    )


def _by_call(call: UUID) -> list[Event]:
    """With what its request did beside it: of other calls, nothing."""
    own = list(events_in_sight().filter(call_id=call)[: MOST + 1])
    request = next((event.request_id for event in own if event.request_id), "")
    return own + [event for event in _of_request(request) if event.call_id is None]


def _of_request(request: str) -> list[Event]:
    return list(events_in_sight().filter(request_id=request)[: MOST + 1]) if request else []


def _call(call: UUID | None) -> ToolCall | None:
    return ToolCall.objects.select_related("customer", "instance").filter(id=call).first() if call else None


def _origin(found: list[Event], call: UUID | None) -> list[Event]:
    """The token that the call came with, and how its holder came by it."""
    decisions = [each for each in found if stage_of(each) is Stage.DECISION and each.call_id == call]
    if not decisions:
        return []
    token, consent = _token(decisions[0]), _latest(EventKind.AGENT_CONNECTED, decisions[0], decisions[0].actor_id)
    sign_in = _signed_in(consent) if consent else None
    return [event for event in (token, consent, sign_in) if event]


def _token(decision: Event) -> Event | None:
    name, at = decision.facts.get("token"), uuid7_time(decision.pk)
    issued = events_in_sight().filter(kind=EventKind.TOKEN_ISSUED, subject_id=decision.actor_id, id__lt=decision.pk)
    lately = issued.filter(id__gte=uuid7_floor(at - LONGEST_TOKEN))[:TOKENS_LOOKED_AT]
    return next((event for event in lately if name and event.facts.get("token") == name), None)


def _latest(kind: EventKind, before: Event, subject_id: UUID | None) -> Event | None:
    return events_in_sight().filter(kind=kind, subject_id=subject_id, id__lt=before.pk).first()


def _signed_in(consent: Event) -> Event | None:
    """The person's last sign-in before it."""
    return events_in_sight().filter(kind=EventKind.SIGNED_IN, actor_id=consent.actor_id, id__lt=consent.pk).first()
