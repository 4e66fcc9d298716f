"""What a tool that changes something would change: declared beside it, and told of an object as a read has given it.

Values are the vendor's, as a read gives them out: data for people to look at, bounded, and never more than that.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.shapes import at

if TYPE_CHECKING:
    from connectors.contract import Tool

LONGEST = 200  # characters of one value
MOST_OBJECTS = 25


@dataclass(frozen=True, slots=True)
class Effect:
    """One field of the row that the read gives, and what it becomes: what an argument says, or always the same.

    With neither it is told beside the others and does not change. `named`: the row's field that says it in words.
    """

    label: str
    field: str
    argument: str = ""
    becomes: str = ""
    named: str = ""

    @property
    def changes(self) -> bool:
        return bool(self.argument or self.becomes)

    def applies(self, arguments: Mapping[str, Any]) -> bool:
        return not self.argument or at(arguments, self.argument) is not None

    def after(self, arguments: Mapping[str, Any]) -> Any:
        return _bounded(at(arguments, self.argument)) if self.argument else self.becomes


@dataclass(frozen=True, slots=True)
class Preview:
    """How to look at what a tool would change: by which read, with which of the arguments, and what of its row.

    `by`: argument of the tool -> argument of the read. The argument `each` is a list: the read is made for each of it.
    `does`: what comes of it that no field shows, in one sentence.
    """

    read: "Tool"
    kind: str
    name: str
    by: Mapping[str, str]
    effects: tuple[Effect, ...] = ()
    does: str = ""
    id: str = "id"
    each: str = ""

    def reads(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The arguments of each read that has to be made."""
        fixed = {to: arguments[of] for of, to in self.by.items() if of != self.each}
        if not self.each:
            return [fixed]
        return [{**fixed, self.by[self.each]: one} for one in dict.fromkeys(arguments[self.each])]

    def as_json(self) -> dict[str, Any]:
        """What decides which object is looked at and what has to stay as it is: a part of what the tool is."""
        effects = [[each.label, each.field, each.argument, each.becomes, each.named] for each in self.effects]
        return {"read": self.read.name, "by": dict(self.by), "each": self.each, "name": self.name, "effects": effects}


def seen(preview: Preview, arguments: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The object, and of each field that is told what it is now and what it would be."""
    told = [
        {"label": each.label, "now": _bounded(at(row, each.field)),
         **({"named": _bounded(at(row, each.named))} if each.named else {}),
         **({"after": each.after(arguments)} if each.changes else {})}
        for each in preview.effects if each.applies(arguments)
    ]  # fmt: skip
    return {"kind": preview.kind, "id": str(at(row, preview.id)), "name": str(_bounded(at(row, preview.name)) or ""),
            "found": True, "effects": told}  # fmt: skip


def not_seen(preview: Preview, asked: Mapping[str, Any]) -> dict[str, Any]:
    """One that is not there, or not the customer's."""
    told = ", ".join(str(_bounded(value)) for value in asked.values())
    return {"kind": preview.kind, "id": told, "name": "", "found": False, "effects": []}


def digest_of(objects: Sequence[Mapping[str, Any]]) -> str:
    """Of the objects as they are: what may not be otherwise when the change is made. Facts beside it may."""
    held = [
        [each["kind"], each["id"], each["name"], each["found"],
         [[one["label"], one["now"], one.get("named")] for one in each["effects"] if "after" in one]]
        for each in objects
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(held, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def differences(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    """Our words for what differs; nothing that a vendor said is in them."""
    found: dict[str, None] = {}
    for old, new in zip(before, now, strict=False):
        if digest_of([old]) == digest_of([new]):
            continue
        if (old["id"], old["name"], old["found"]) != (new["id"], new["name"], new["found"]):
            found[f"the {str(old['kind']).lower()} itself"] = None
        values = {one["label"]: (one["now"], one.get("named")) for one in new["effects"]}
        for one in old["effects"]:
            if "after" in one and values.get(one["label"]) != (one["now"], one.get("named")):
                found[one["label"].lower()] = None
    return list(found) or ["the set of objects"]


def _bounded(value: Any) -> Any:
    """A single value, as JSON has it; what is made of parts is text, and long text is cut.

    What was cut off is told by its digest, so that a change there is one too.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]} [cut, {hashlib.sha256(text.encode()).hexdigest()[:12]}]"
