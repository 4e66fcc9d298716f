"""What an operation is called here: by its own id, or by method and path where it has none that is its alone."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

LONGEST = 60
LONGEST_ARGUMENT = 64
_NOT_OF_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_NOT_OF_ARGUMENTS = re.compile(r"[^A-Za-z0-9_.-]+")


class Names:
    """Whatever the order of the operations, each has the same name."""

    def __init__(self, operations: Iterable[tuple[str, str, Mapping[str, Any]]]) -> None:
        self._taken = Counter(_own(operation) for _, _, operation in operations)

    def of(self, method: str, path: str, operation: Mapping[str, Any]) -> str:
        own = _own(operation)
        return own if own and self._taken[own] == 1 else _by_place(method, path)


def argument(parts: Iterable[str]) -> str:
    """`filter[organization_id]` as filter_organization_id: what models and programs take for a name. May be empty."""
    name = "_".join(_NOT_OF_ARGUMENTS.sub("_", part).strip("_") for part in parts)
    return name if len(name) <= LONGEST_ARGUMENT else ""


def _own(operation: Mapping[str, Any]) -> str:
    said = operation.get("operationId")
    name = _NOT_OF_NAMES.sub("_", said).strip("_") if isinstance(said, str) else ""
    return name if len(name) <= LONGEST else ""


def _by_place(method: str, path: str) -> str:
    name = f"{method}_{_NOT_OF_NAMES.sub('_', path).strip('_')}".rstrip("_")
    if len(name) <= LONGEST:
        return name
    told = hashlib.sha256(f"{method} {path}".encode()).hexdigest()[:8]
    return f"{name[: LONGEST - 9].rstrip('_')}_{told}"
