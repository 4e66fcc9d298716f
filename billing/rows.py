"""Rows as text that others read: CSV as RFC 4180 has it, and JSON."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from audit.spreadsheets import cell

Row = Sequence[Any]


def as_csv(lines: Iterable[Row]) -> bytes:
    """RFC 4180, UTF-8."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows([cell(value) for value in line] for line in lines)
    return written.getvalue().encode()


def as_json(columns: Sequence[str], lines: Iterable[Row]) -> list[str]:
    """Each row as an object. Money is text, because a float is not exact; counts are numbers."""
    return [json.dumps(dict(zip(columns, map(_json_value, line), strict=True)), ensure_ascii=False) for line in lines]


def _json_value(value: Any) -> Any:
    return value if isinstance(value, int) or value is None else str(value)
