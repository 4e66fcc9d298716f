"""What an event's body says, for people to read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from audit.models import Event

# Shown in places of their own.
_ELSEWHERE = frozenset({"actor_label", "address", "on_behalf_of_label", "requests", "subject_label", "verdicts"})


@dataclass(frozen=True, slots=True)
class Told:
    name: str
    value: str
    is_code: bool = False


def told_by(event: Event) -> list[Told]:
    return [_told(name, value) for name, value in _flat(event.facts) if value not in (None, "", [], {})]


def _flat(facts: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """`before` and `after` are told value by value."""
    for name, value in sorted(facts.items()):
        if name in _ELSEWHERE:
            continue
        if name in {"before", "after"} and isinstance(value, dict):
            yield from ((f"{name} {inner}", each) for inner, each in sorted(value.items()))
        else:
            yield name, value


def _told(name: str, value: Any) -> Told:
    label = name.replace("_", " ").capitalize()
    if isinstance(value, bool):
        return Told(label, "yes" if value else "no")
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return Told(label, ", ".join(value))
    if isinstance(value, dict | list):
        return Told(label, json.dumps(value, indent=2, ensure_ascii=False), is_code=True)
    return Told(label, str(value))
