"""A tenant's tool policy, as values: which rule decides a call, and whether any call of a tool could pass.

The rules stand in an order, as in a firewall: of those that fit, the first decides, and says refuse, ask for approval
or let run. If none fits, what reads runs, what writes needs one approver, and what destroys needs two.
Everything here is pure, so that lists, calls, the broker, explanations and simulations cannot disagree.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from approvals.models import ToolRule

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DEFAULT_APPROVERS = {"read": 0, "write": 1, "destructive": 2}
_ABSENT = object()

Effect = ToolRule.Effect


class Comparison(StrEnum):
    """What can be asked of an argument. One that is not there, or of another type, fits nothing but `absent`."""

    IS = "is"
    IS_NOT = "is_not"
    CONTAINS = "contains"  # text, in any case; or an element of a list
    MORE_THAN = "more_than"  # a number
    LONGER_THAN = "longer_than"  # characters of a text, elements of a list
    PRESENT = "present"
    ABSENT = "absent"


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """`path`: keys of the arguments with dots, such as `ticket.priority`."""

    path: str
    test: Comparison
    value: Any = None

    def fits(self, arguments: Mapping[str, Any]) -> bool:
        return _FITS[self.test](_at(arguments, self.path), self.value)

    def fits_any(self, taken: Mapping[str, bool]) -> bool | None:
        """Of all calls of a tool that takes these arguments (name to required): True every, False none, None some."""
        name, _, rest = self.path.partition(".")
        if name not in taken:
            return self.test is Comparison.ABSENT
        if taken[name] and not rest and self.test in UNVALUED:
            return self.test is Comparison.PRESENT
        return None

    def __str__(self) -> str:
        said = self.test.value.replace("_", " ")
        return f"{self.path} is {said}" if self.test in UNVALUED else f"{self.path} {said} {self.value!r}"


UNVALUED = frozenset({Comparison.PRESENT, Comparison.ABSENT})


def _at(arguments: Any, path: str) -> Any:
    for key in path.split("."):
        arguments = arguments.get(key, _ABSENT) if isinstance(arguments, Mapping) else _ABSENT
    return arguments


def _is(found: Any, value: Any) -> bool:
    # 1 is not true, and "1" is not 1.
    return found is not _ABSENT and isinstance(found, bool) is isinstance(value, bool) and bool(found == value)


def _contains(found: Any, value: Any) -> bool:
    if isinstance(found, str):
        return str(value).casefold() in found.casefold()
    return isinstance(found, list) and any(_is(each, value) for each in found)


def _more(found: Any, value: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and bool(found > value)


_FITS: dict[Comparison, Callable[[Any, Any], bool]] = {
    Comparison.IS: _is,
    Comparison.IS_NOT: lambda found, value: found is not _ABSENT and not _is(found, value),
    Comparison.CONTAINS: _contains,
    Comparison.MORE_THAN: _more,
    Comparison.LONGER_THAN: lambda found, value: isinstance(found, str | list) and len(found) > value,
    Comparison.PRESENT: lambda found, _: found is not _ABSENT,
    Comparison.ABSENT: lambda found, _: found is _ABSENT,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """From `starts` to before `ends` of the clock there, over midnight where it ends earlier; on `days` it starts."""

    days: frozenset[int] = frozenset()
    starts: time | None = None
    ends: time | None = None
    timezone: str = "UTC"

    def covers(self, now: datetime) -> bool:
        there = now.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None)
        if self.starts is None or self.ends is None:
            return self._on(there)
        clock = there.time()
        if self.starts < self.ends:
            return self._on(there) and self.starts <= clock < self.ends
        return (self._on(there) and clock >= self.starts) or (self._on(there - timedelta(days=1)) and clock < self.ends)

    def _on(self, day: datetime) -> bool:
        return not self.days or day.weekday() in self.days

    def __str__(self) -> str:
        days = ", ".join(DAYS[day] for day in sorted(self.days))
        hours = f"{self.starts:%H:%M} to {self.ends:%H:%M}" if self.starts is not None else ""
        return " ".join(filter(None, [days, hours, self.timezone if days or hours else ""]))


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """What a rule looks at. `arguments` None: a list asks whether any call could pass. `taken`: see Condition."""

    tool: str
    connector: str
    risk: str
    tier: str
    customer_id: UUID
    roles: frozenset[str]
    caller: str
    now: datetime
    arguments: Mapping[str, Any] | None = None
    taken: Mapping[str, bool] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Rule:
    id: UUID
    position: int
    name: str
    effect: ToolRule.Effect
    approvers: int = 0
    risk: str = ""
    tier: str = ""
    connector: str = ""
    tool: str = ""
    role: str = ""
    caller: str = ""
    customer_id: UUID | None = None
    conditions: tuple[Condition, ...] = ()
    window: Window | None = None
    factors: tuple[str, ...] = ()  # roles, each of which another one of the approvers must have
    version: str = ""  # moves with every change of the rule

    @classmethod
    def of(cls, row: ToolRule) -> "Rule":
        conditions = tuple(Condition(c["path"], Comparison(c["test"]), c.get("value")) for c in row.conditions)
        bound = row.days or row.starts is not None
        window = Window(frozenset(row.days), row.starts, row.ends, row.timezone or "UTC") if bound else None
        return cls(
            row.pk, row.position, row.name, Effect(row.effect), row.approvers, row.risk, row.tier, row.connector,
            row.tool, row.role, row.caller, row.customer_id, conditions, window, tuple(row.factors),
            row.changed_at.isoformat(),
        )  # fmt: skip

    @cached_property
    def _selectors(self) -> tuple[tuple[str, Any], ...]:
        named = ("risk", "tier", "connector", "tool", "caller", "customer_id")
        return tuple((name, getattr(self, name)) for name in named if getattr(self, name))

    def fits(self, subject: Subject) -> bool:
        """But for its conditions."""
        return (
            all(getattr(subject, name) == value for name, value in self._selectors)
            and (not self.role or self.role in subject.roles)
            and (self.window is None or self.window.covers(subject.now))
        )

    def holds(self, subject: Subject) -> bool | None:
        """Its conditions. Of a list: None, if it depends on the arguments."""
        if subject.arguments is not None:
            return all(condition.fits(subject.arguments) for condition in self.conditions)
        answers = {condition.fits_any(subject.taken) for condition in self.conditions}
        return False if False in answers else None if None in answers else True


@dataclasses.dataclass(frozen=True, slots=True)
class Ruling:
    """What the policy says of a call. Without a rule it is what holds where none fits."""

    effect: ToolRule.Effect
    approvers: int = 0
    rule: Rule | None = None
    beside: tuple[str, ...] = ()  # factors of other rules, where it is about several calls

    @property
    def factors(self) -> tuple[str, ...]:
        own = self.rule.factors if self.rule else ()
        return tuple(dict.fromkeys((*own, *self.beside)))

    @property
    def confirms(self) -> bool:
        """The caller may say yes itself, where it can be asked; else `approvers` have to agree."""
        return self.effect == Effect.CONFIRM

    @property
    def refuses(self) -> bool:
        return self.effect == Effect.REFUSE


def ruling(rules: Iterable[Rule], subject: Subject) -> Ruling:
    """For a call; for a list (no arguments) the most that a call of this tool could get."""
    for rule in rules:
        holds = rule.fits(subject) and rule.holds(subject)
        # Where it depends on the arguments, the better outcome: others may pass, or some be let through.
        if holds or (holds is None and rule.effect != Effect.REFUSE):
            return Ruling(rule.effect, 1 if rule.effect == Effect.CONFIRM else rule.approvers, rule)
    return by_default(subject.risk)


def strictest(said: Sequence[Ruling]) -> Ruling:
    """Of several calls that are approved together: refused if one is, and as many people and roles as any needs."""
    if refused := next((each for each in said if each.refuses), None):
        return refused
    most = max(said, key=lambda each: each.approvers)
    return dataclasses.replace(most, beside=tuple(factor for each in said for factor in each.factors))


def by_default(risk: str) -> Ruling:
    approvers = DEFAULT_APPROVERS.get(risk, max(DEFAULT_APPROVERS.values()))
    return Ruling(Effect.APPROVAL if approvers else Effect.ALLOW, approvers)


def next_change(window: Window, now: datetime) -> datetime | None:
    """When a window that covers `now` ends, to the minute; None if it does not within eight days."""
    moment = now.astimezone(UTC).replace(second=0, microsecond=0)
    for _ in range(8 * 24 * 4):
        moment += timedelta(minutes=15 - moment.minute % 15)
        if not window.covers(moment):
            break
    else:
        return None
    while not window.covers(moment - timedelta(minutes=1)) and moment > now:
        moment -= timedelta(minutes=1)
    return moment
