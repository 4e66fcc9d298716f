"""What the owner of a company reads of a month: who did what, what was approved, what was refused.

Counts everything, shows the first rows of each list (MOST), and never a word that is not in the events.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.kinds import EventKind
from audit.packs.controls import Evidence, evidence_of

MOST = 40  # rows of a list: the events themselves are in the pack, and a page costs seconds to set
APPROVALS = "approvals:"
SESSIONS = {EventKind.SIGNED_IN.value, EventKind.AGENT_CONNECTED.value}
CALLS = "gateway:call:"
ROUTINE = (CALLS, "connectors:credential:open", "identity:token:issue", "identity:mfa:confirm", APPROVALS)
OUTCOMES = {
    EventKind.CALL_FINISHED.value: {"ok": "done", "failed": "failed"},
    EventKind.CALL_REFUSED.value: {"refused": "refused"},
    EventKind.CALL_UNKNOWN.value: {"failed": "unknown", "ok": "unknown"},
}


@dataclass(frozen=True, slots=True)
class Row:
    """One event as a line of a list. Times are UTC, to the minute."""

    at: str
    what: str
    who: str
    about: str = ""
    result: str = ""
    note: str = ""


@dataclass(slots=True)
class Shown:
    """The first MOST rows of a list, and how many there are."""

    rows: list[Row] = field(default_factory=list)
    count: int = 0

    def add(self, row: Row) -> None:
        self.count += 1
        if len(self.rows) < MOST:
            self.rows.append(row)

    @property
    def more(self) -> int:
        return self.count - len(self.rows)


@dataclass(slots=True)
class Person:
    label: str
    kind: str
    events: int = 0
    calls: int = 0
    changes: int = 0
    refusals: int = 0


@dataclass(slots=True)
class Summary:
    """Filled event by event, in the order of the log."""

    month: str
    kinds: Counter[str] = field(default_factory=Counter)
    tools: dict[str, Counter[str]] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    approvals: Shown = field(default_factory=Shown)
    sessions: Shown = field(default_factory=Shown)
    changes: Shown = field(default_factory=Shown)
    denials: Shown = field(default_factory=Shown)
    denied: Counter[tuple[str, str]] = field(default_factory=Counter)
    amendments: Shown = field(default_factory=Shown)
    events: int = 0
    secrets_opened: int = 0
    instances: set[str] = field(default_factory=set)

    def add(self, header: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """`facts` is the body, or empty where it is not shown."""
        kind, row = str(header["kind"]), row_of(header, facts)
        self.events += 1
        self.kinds[kind] += 1
        self._count_person(header, facts, kind)
        self._count_call(header, facts, kind)
        if header["occurred_at"][:7] < self.month:
            self.amendments.add(row)
        if kind.startswith(APPROVALS):
            self.approvals.add(row)
        elif kind in SESSIONS:
            self.sessions.add(row)
        if header["result"] == "refused":
            self.denials.add(row)
            self.denied[(kind, str(facts.get("code") or facts.get("gate") or ""))] += 1
        elif is_change(kind):
            self.changes.add(row)

    def _count_person(self, header: Mapping[str, Any], facts: Mapping[str, Any], kind: str) -> None:
        actor = header["actor"]
        key = f"{actor['kind']} {actor['id']}"
        person = self.people.setdefault(key, Person("", actor["kind"]))
        person.label = person.label or who_of(header, facts)
        person.events += 1
        person.calls += kind == EventKind.CALL_INTENDED.value
        person.refusals += header["result"] == "refused"
        person.changes += is_change(kind) and header["result"] != "refused"

    def _count_call(self, header: Mapping[str, Any], facts: Mapping[str, Any], kind: str) -> None:
        call = header.get("call") or {}
        self.secrets_opened += kind == EventKind.CREDENTIAL_OPENED.value
        if call.get("instance"):
            self.instances.add(str(call["instance"]))
        outcome = OUTCOMES.get(kind, {}).get(header["result"])
        if outcome:
            tool = str(call.get("tool") or facts.get("subject_label") or "not named")
            self.tools.setdefault(tool, Counter())[outcome] += 1

    @property
    def everybody(self) -> list[Person]:
        found = sorted(self.people.values(), key=lambda person: (-person.events, person.label))
        return found[:MOST]

    @property
    def more_people(self) -> int:
        return max(0, len(self.people) - MOST)

    @property
    def tool_rows(self) -> list[tuple[str, Counter[str]]]:
        return sorted(self.tools.items(), key=lambda each: (-each[1].total(), each[0]))[:MOST]

    @property
    def more_tools(self) -> int:
        return max(0, len(self.tools) - MOST)

    @property
    def calls(self) -> Counter[str]:
        return sum(self.tools.values(), Counter())

    @property
    def denied_rows(self) -> list[tuple[tuple[str, str], int]]:
        return sorted(self.denied.items(), key=lambda each: (-each[1], each[0]))[:MOST]

    @property
    def controls(self) -> list[Evidence]:
        return evidence_of(self.kinds)


def is_change(kind: str) -> bool:
    return not kind.startswith(ROUTINE) and kind not in SESSIONS


def row_of(header: Mapping[str, Any], facts: Mapping[str, Any]) -> Row:
    return Row(
        at=minute(header["occurred_at"]),
        what=words(str(header["kind"])),
        who=who_of(header, facts),
        about=str(facts.get("subject_label") or (header.get("call") or {}).get("tool") or ""),
        result=str(header["result"]),
        note=note_of(facts),
    )


def who_of(header: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """The actor's name where the details are shown, and else the opaque id that the header has."""
    actor = header["actor"]
    name = str(facts.get("actor_label") or f"{actor['kind']} {str(actor['id'] or '')[-12:]}".strip())
    behalf = actor.get("on_behalf_of")
    if not behalf:
        return name
    return f"{name}, for {facts.get('on_behalf_of_label') or str(behalf['id'])[-12:]}"


def note_of(facts: Mapping[str, Any]) -> str:
    """The quorum of an approval, the code of a refusal, the reason of a change."""
    votes, need = facts.get("votes"), facts.get("quorum")
    if isinstance(votes, list) and votes:
        voters = ", ".join(
            str(vote.get("approver_label") or vote.get("approver") or "") for vote in votes if isinstance(vote, dict)
        )
        return f"via {quorum_of(need, len(votes))} quorum: {voters}"
    told = (str(facts[name]) for name in ("code", "reason", "because", "role", "method") if facts.get(name))
    return ", ".join(told)


def quorum_of(need: object, votes: int) -> str:
    """2-of-2: how many had to agree, and how many did."""
    if isinstance(need, Mapping):
        need = need.get("need")
    return f"{need if isinstance(need, int) else votes}-of-{votes}"


def words(kind: str) -> str:
    """identity:service_account:lock: service account, lock."""
    _, thing, verb = kind.split(":") if kind.count(":") == 2 else ("", kind, "")  # noqa: PLR2004 - area, thing and verb
    return f"{thing}: {verb}".replace("_", " ").strip(": ")


def minute(instant: str) -> str:
    return instant[:16].replace("T", " ")


def summarised(month: str, events: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Summary:
    made = Summary(month)
    for header, facts in events:
        made.add(header, facts)
    return made
