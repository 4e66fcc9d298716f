"""What is written down of each request to a vendor: enough to find it in the vendor's own log, and nothing of what was
sent or answered."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

MOST = 32  # of one call; how many there were is counted beside them
LONGEST_PATH = 160
_WORD = re.compile(r"(?:v\d{1,2}|[A-Za-z](?:[A-Za-z_.-]{0,38}[A-Za-z])?)\Z")
_NAME = re.compile(r"[A-Za-z$_][A-Za-z0-9$_.\[\]-]{0,39}\Z")


@dataclass(frozen=True, slots=True)
class Exchange:
    """`status` 0: no answer came, and `trouble` says why. `path` is a template (see `template`)."""

    method: str
    path: str
    status: int
    milliseconds: int
    trouble: str = ""

    def as_json(self) -> dict[str, Any]:
        told = {"method": self.method, "ms": self.milliseconds, "path": self.path, "status": self.status}
        return told | {"trouble": self.trouble} if self.trouble else told


def template(url: str) -> str:
    """The path with every part that is not a word replaced by {}, and the names of the query's parameters.

    Ids, keys and whatever else a vendor puts into a path stay out of the record, and so do all values.
    """
    parts = urlsplit(url)
    path = "/".join(part if not part or _WORD.match(part) else "{}" for part in parts.path.split("/"))
    names = sorted({name if _NAME.match(name) else "{}" for name, _ in parse_qsl(parts.query, keep_blank_values=True)})
    return (path + (f"?{','.join(names)}" if names else ""))[:LONGEST_PATH]


def as_facts(exchanges: Iterable[Exchange]) -> list[dict[str, Any]]:
    return [exchange.as_json() for exchange in exchanges]
