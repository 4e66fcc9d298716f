import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def json(cls, value: Any, *, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> "Reply":
        return cls(status, json.dumps(value).encode(), headers=headers)
