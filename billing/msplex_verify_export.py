"""Does an export of usage say what the audit log says? Standard library only; nothing of MSPlex is needed.

    python3 msplex_verify_export.py usage.csv PACK.zip [PACK.zip ...]

Counts the calls of the export's month in the audit packs of one customer again, and makes the digest of that customer's
ledger again. Whether the packs themselves are authentic is what msplex_verify.py says: ask it first. A call at the edge
of a month can stand in the pack of the month beside it, so give that one too.

Exit: 0 the same, 1 not the same, 2 it could not be compared.
"""

import csv
import gzip
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

MOST = 2**30  # bytes of events in one pack
FINISHED = "gateway:call:finish"
Calls = dict[str, tuple[str, str]]  # call id -> day, connector


class Unreadable(Exception):
    """What it was given is no such file."""


def events_of(path: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Header and body of each event that a pack shows."""
    try:
        with zipfile.ZipFile(path) as pack:
            names = [name for name in pack.namelist() if name.endswith(".jsonl.gz")]
            if len(names) != 1:
                raise Unreadable(f"{path} is no audit pack: it has no events.")
            with pack.open(names[0]) as packed, gzip.open(packed) as lines:
                for line in lines.read(MOST).splitlines():
                    event = json.loads(line)
                    yield json.loads(event["header"]), json.loads(event["body"]) if event["body"] else {}
    except (OSError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise Unreadable(f"{path} cannot be read: {error}") from error


def calls_of(packs: Sequence[str], start: str, end: str) -> tuple[str, Calls]:
    """The customer, and every call that was billed from `start` to before `end`."""
    customers, calls = set(), {}
    for path in packs:
        for header, body in events_of(path):
            customers.add(header["customer"])
            if header["kind"] != FINISHED or not start[:19] <= header["occurred_at"][:19] < end[:19]:
                continue
            if "billed" not in body:
                raise Unreadable(f"{path} does not show the details of its calls: it is a handover.")
            if body["billed"]:
                calls[header["call"]["id"]] = (header["occurred_at"][:10], body["connector"])
    if len(customers) != 1:
        raise Unreadable("Give packs of one customer, with at least one event.")
    return str(customers.pop()), calls


def digest_of(calls: Calls) -> str:
    """sha256 over "day sha256" of each day, of sha256 over "call connector" of each call."""
    days: dict[str, list[str]] = {}
    for call in sorted(calls):
        day, connector = calls[call]
        days.setdefault(day, []).append(f"{call} {connector}\n")
    lines = [f"{day} {hashlib.sha256(''.join(days[day]).encode()).hexdigest()}\n" for day in sorted(days)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def rows_of(path: str) -> list[dict[str, str]]:
    try:
        with Path(path).open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise Unreadable(f"{path} cannot be read: {error}") from error
    if not rows or not {"meter", "customer_id", "ledger_digest", "quantity"} <= set(rows[0]):
        raise Unreadable(f"{path} is no export of usage, or has no rows.")
    return rows


def differences(export: str, packs: Sequence[str]) -> Iterator[str]:
    rows = rows_of(export)
    customer, calls = calls_of(packs, rows[0]["period_start"], rows[0]["period_end"])
    counted: dict[str, int] = {}
    for _, connector in calls.values():
        counted[connector] = counted.get(connector, 0) + 1
    ours = [row for row in rows if row["meter"] == "tool_calls" and row["customer_id"] == customer]
    billed: dict[str, int] = {}
    for row in ours:
        billed[row["connector"]] = billed.get(row["connector"], 0) + int(row["quantity"])
    for connector in sorted(set(counted) | set(billed)):
        there, here = counted.get(connector, 0), billed.get(connector, 0)
        if there != here:
            yield f"{connector}: the export has {here} calls, the audit log {there}."
    for digest in sorted({row["ledger_digest"] for row in ours} if ours else set()):
        if digest != digest_of(calls):
            yield f"The ledger's digest is {digest or 'missing'}, and that of the audit log {digest_of(calls)}."


def main(arguments: Sequence[str]) -> int:
    if len(arguments) < 2:  # noqa: PLR2004
        print(__doc__)
        return 2
    try:
        found = list(differences(arguments[0], arguments[1:]))
    except Unreadable as error:
        print(error, file=sys.stderr)
        return 2
    for line in found:
        print(line)
    print("NOT THE SAME" if found else "The same: the export bills the calls that the audit log has.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
