"""How a vendor misbehaves: each mode takes the honest answer and spoils it, whatever the vendor is."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from connectors.narrowing import normalised
from connectors.shapes import at
from connectors.stub.replies import Reply
from connectors.stub.world import CLIENTS, INJECTION, Route, Vendor, marker

MODES = (
    "honest", "ignore_filter", "mix", "ownerless", "echo_key", "slow", "429", "500", "500_key", "html", "redirect",
    "truncated", "oversize", "drift", "drift_owner", "drift_list", "injection", "forbidden", "empty",
)  # fmt: skip
DISHONEST = frozenset({"ignore_filter", "mix", "ownerless"})
_OVERSIZE = 6 * 1024 * 1024
_NO_OWNERS: tuple[Any, ...] = (None, 0, -1, "", "*", [11, 12], {"id": 11}, True, "11,12")
_CANNED = {
    "500": Reply.json({"ClassName": "SqlException", "Message": "Timeout at MARK-12-BIRCH"}, status=500),
    "forbidden": Reply.json({"error": "forbidden"}, status=403),
    "html": Reply(200, b"<html><body>Please wait MARK-12-BIRCH</body></html>", "text/html"),
    "oversize": Reply(200, b'{"tickets": [], "padding": "' + b"x" * _OVERSIZE + b'"}'),
    "redirect": Reply(302, b"", "text/html", ((b"location", b"http://169.254.169.254/latest/meta-data/"),)),
    "truncated": Reply(200, b'{"record_count": 3, "tickets": [{"id": 12001, "client_id": 12, "summary": "MARK-12'),
}


def canned(mode: str, secret: str, vendor: Vendor) -> Reply | None:
    """Answers that do not depend on what was asked."""
    if mode == "429":
        return vendor.throttled
    if mode == "500_key":
        return Reply.json({"error": f"cannot bind for secret {secret}"}, status=500)
    return _CANNED.get(mode)


def spoiled(value: Any, *, mode: str, route: Route) -> Any:
    """The answer with its rows changed; what has no rows, such as a health check, stays as it is."""
    if not route.owner or mode not in _ROWS:
        return _listless(value, mode, route)
    rows = at(value, route.rows) if route.rows else value
    if isinstance(rows, dict):
        return _put(value, route.rows, _ROWS[mode](rows, route, 0))
    if not isinstance(rows, list):
        return value
    changed = [_ROWS[mode](row, route, number) for number, row in enumerate(rows)]
    return _surrounded(_put(value, route.rows, changed), mode)


def _surrounded(value: Any, mode: str) -> Any:
    """What is around the rows tells of others, too."""
    if mode != "mix" or not isinstance(value, dict):
        return value
    others = [{"id": client, "client_id": client, "name": name} for client, name in CLIENTS.items()]
    return {**value, "counts_by_client": dict.fromkeys(CLIENTS.values(), 40), "clients": others}


def _listless(value: Any, mode: str, route: Route) -> Any:
    rows = at(value, route.rows) if route.rows else value
    if not route.owner or not isinstance(rows, list):
        return {} if mode == "empty" and route.owner and value is None else value
    if mode == "empty":
        return {**_put(value, route.rows, []), "record_count": 9999} if route.rows else []
    return _put(value, route.rows, {"0": rows[0] if rows else {}}) if mode == "drift_list" else value


def _put(value: Any, path: str, new: Any) -> Any:
    """A copy of the value with something else at the end of the path."""
    if not path:
        return new
    head, _, rest = path.partition(".")
    return {**value, head: _put(value.get(head) if isinstance(value.get(head), dict) else {}, rest, new)}


def _mix(row: dict[str, Any], route: Route, _number: int) -> dict[str, Any]:
    if route.mixed:
        return route.mixed(row)
    mine = json.dumps(row)
    others = [client for client in CLIENTS if marker(client) not in mine]
    foreign = [_put({"id": client, "summary": marker(client)}, route.owner, client) for client in others]
    return {**row, "counts_by_client": {CLIENTS[client]: 41 for client in others}, "related": {"deep": foreign}}


def _ownerless(row: dict[str, Any], route: Route, number: int) -> dict[str, Any]:
    if number % 2:
        head = route.owner.partition(".")[0]
        return {key: value for key, value in row.items() if key != head}
    return dict(_put(row, route.owner, _NO_OWNERS[number % len(_NO_OWNERS)]))


def _drift(row: dict[str, Any], route: Route, _number: int) -> dict[str, Any]:
    """Every value of another type than before. The owner stays readable, as text."""
    changed = _beside(row, route.owner, _other_type, kept={"id", "uid"})
    return dict(_put(changed, route.owner, str(at(row, route.owner))))


def _beside(row: dict[str, Any], owner: str, change: Callable[[Any], Any], *, kept: set[str]) -> dict[str, Any]:
    """Everything changed but the owner, which may be inside: attributes.organization-id."""
    head, _, rest = owner.partition(".")
    changed = {key: value if key in kept else change(value) for key, value in row.items()}
    if head in row:
        inside = rest and isinstance(row[head], dict)
        changed[head] = _beside(row[head], rest, change, kept=kept) if inside else row[head]
    return changed


def _other_type(value: Any) -> Any:
    match value:
        case str():  # what something hangs on stays, or there is nothing to look at
            return value if _is_uuid(value) else {"text": value}
        case bool():
            return "no"
        case int():
            return str(value)
        case float():
            return [value]
        case list():
            return {"0": value}
    return value


def _is_uuid(value: str) -> bool:
    return "-" in value and normalised(value) is not None


def _drift_owner(row: dict[str, Any], route: Route, _number: int) -> dict[str, Any]:
    return dict(_put(row, route.owner, {"id": at(row, route.owner), "name": "x"}))


def _inject(row: dict[str, Any], route: Route, _number: int) -> dict[str, Any]:
    return _beside(row, route.owner, _injected, kept={"id", "uid", "site_name"})


def _injected(value: Any) -> Any:
    if isinstance(value, str) and not value.startswith("20") and not _is_uuid(value):  # dates stay dates
        return f"\u202e{INJECTION}\U000e0041"
    return {key: _injected(item) for key, item in value.items()} if isinstance(value, dict) else value


_ROWS: dict[str, Callable[[dict[str, Any], Route, int], dict[str, Any]]] = {
    "mix": _mix,
    "ownerless": _ownerless,
    "drift": _drift,
    "drift_owner": _drift_owner,
    "injection": _inject,
}


def echoed(value: Any, route: Route, secret: str, encoding: str) -> Any:
    """With the key in every text of it."""
    words = f"Your key is {_SPELLINGS[encoding](secret)} thanks"
    rows = at(value, route.rows) if route.rows else value
    if isinstance(rows, list):
        return _put(value, route.rows, [_with_words(row, words) for row in rows])
    return _with_words(value, words)


def _with_words(value: Any, words: str) -> Any:
    match value:
        case str():
            return value if value.startswith("20") or normalised(value) else words  # dates, and ids written as text
        case dict():
            return {"name": words, "summary": words} | {key: _with_words(item, words) for key, item in value.items()}
    return value


def _shifted(secret: str) -> str:
    return base64.b64encode(f"client:{secret}:end".encode()).decode()


_SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "token": str,
    "upper": str.upper,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64url": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    "base64_inside": _shifted,
    "hex": lambda secret: secret.encode().hex(),
    "hex_colons": lambda secret: secret.encode().hex(":").upper(),
    "url": lambda secret: quote(secret, safe=""),
    "percent": lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
    "json": lambda secret: json.dumps(secret)[1:-1],
}
