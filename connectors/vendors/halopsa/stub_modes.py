"""How a vendor misbehaves: each mode takes the honest answer and spoils it."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from connectors.vendors.halopsa import stub_data as world

MODES = (
    "honest", "ignore_filter", "mix", "ownerless", "echo_key", "slow", "429", "500", "500_key", "html", "redirect",
    "truncated", "oversize", "drift", "drift_owner", "drift_list", "injection", "forbidden", "empty",
)  # fmt: skip
_OVERSIZE = 6 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def json(cls, value: Any, *, status: int = 200) -> "Reply":
        return cls(status, json.dumps(value).encode())


def rewrite(
    honest: Any, *, mode: str, path: str, asked: dict[str, str], canaries: tuple[str, str], encoding: str
) -> Reply:
    canned = _canned(mode, canaries[0])
    if canned is not None:
        return canned
    spoiled = _spoiled(honest, mode, path, asked)
    if spoiled is None:
        return Reply.json({"ClassName": "NotFoundException", "Message": "Ticket not found"}, status=404)
    if mode == "echo_key" and isinstance(spoiled, dict):
        spoiled = _echo(spoiled, canaries[1] if encoding == "token" else canaries[0], encoding)
    return Reply.json(spoiled)


def _canned(mode: str, secret: str) -> Reply | None:
    if mode == "500_key":
        return Reply.json({"error": f"cannot bind for secret {secret}"}, status=500)
    return _CANNED.get(mode)


_CANNED = {
    "429": Reply(429, b"API Rate limit exceeded: 300 requests per 5 minutes", "text/plain", ((b"retry-after", b"7"),)),
    "500": Reply.json({"ClassName": "SqlException", "Message": "Timeout at MARK-12-BIRCH"}, status=500),
    "forbidden": Reply.json({"error": "forbidden"}, status=403),
    "html": Reply(200, b"<html><body>Please wait MARK-12-BIRCH</body></html>", "text/html"),
    "oversize": Reply(200, b'{"tickets": [], "padding": "' + b"x" * _OVERSIZE + b'"}'),
    "redirect": Reply(302, b"", "text/html", ((b"location", b"http://169.254.169.254/latest/meta-data/"),)),
    "truncated": Reply(200, b'{"record_count": 3, "tickets": [{"id": 12001, "client_id": 12, "summary": "MARK-12'),
}


def _spoiled(honest: Any, mode: str, path: str, asked: dict[str, str]) -> Any:
    if path.startswith("/api/Tickets/"):
        return _spoiled_one(honest, mode, int(path.rpartition("/")[2]))
    if path != "/api/Tickets":
        return honest
    change = _LIST_CHANGES.get(mode)
    return change(honest, asked) if change else honest


def _spoiled_one(honest: Any, mode: str, number: int) -> Any:
    everyone = world.detailed(number)
    if mode == "ignore_filter":
        return everyone
    if everyone is None:
        return {} if mode == "empty" else None
    if mode == "mix":
        return _mixed(everyone)
    return _drifted(everyone, mode) if honest else None


def _everyone(_honest: Any, asked: dict[str, str]) -> Any:
    rows = world.tickets_of(tuple(world.CLIENTS))
    size, number = int(asked.get("page_size", 50)), int(asked.get("page_no", 1))
    shown = rows[(number - 1) * size : number * size]
    return {"page_no": number, "page_size": size, "record_count": len(rows), "tickets": shown}


def _mix(honest: Any, asked: dict[str, str]) -> Any:
    wrapper = _everyone(honest, asked)
    wrapper["tickets"] = [_mixed(row) for row in wrapper["tickets"]]
    wrapper["counts_by_client"] = dict.fromkeys(world.CLIENTS.values(), world.TICKETS_PER_CLIENT)
    wrapper["clients"] = [{"id": client, "client_id": client, "name": name} for client, name in world.CLIENTS.items()]
    return wrapper


def _mixed(row: dict[str, Any]) -> dict[str, Any]:
    """Every nested thing of a ticket belongs to the next two clients as well."""
    clients = list(world.CLIENTS)
    at = clients.index(row["client_id"])
    second, third = clients[(at + 1) % len(clients)], clients[(at + 2) % len(clients)]
    children = [world.ticket(client * 1000 + 7) for client in (row["client_id"], second, third)]
    anonymous = {"id": 1, "summary": f"no owner {world.marker(second)}"}
    return {
        **row,
        "site": {"id": second * 10, "client_id": second, "name": f"Depot {world.marker(second)}"},
        "site_name": f"Depot {world.marker(second)}",
        "user": {"id": third * 100, "client_id": str(third), "name": f"Someone {world.marker(third)}"},
        "user_name": f"Someone {world.marker(third)}",
        "lastaction": {"id": 2, "client_id": second, "who": "x", "note": f"Secret note {world.marker(second)}"},
        "child_tickets": [*children, anonymous],
        "child_ticket_ids": [child["id"] for child in children if child],
        "merged_into_id": second * 1000 + 9,
        "counts_by_client": {world.CLIENTS[second]: 41, world.CLIENTS[third]: 12},
        "related": {"deep": [{"deeper": [{"client_id": third, "summary": world.marker(third)}]}]},
    }


def _ownerless(honest: Any, asked: dict[str, str]) -> Any:
    wrapper = _everyone(honest, asked)
    owners: tuple[Any, ...] = (None, 0, -1, "", "*", [11, 12], {"id": 11}, True, "11,12")
    for position, row in enumerate(wrapper["tickets"]):
        row["client_id"] = owners[position % len(owners)]
        if position % 2:
            del row["client_id"]
    return wrapper


def _each(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any, dict[str, str]], Any]:
    return lambda honest, _asked: {**honest, "tickets": [change(row) for row in honest["tickets"]]}


def _drifted(row: dict[str, Any], mode: str) -> dict[str, Any]:
    if mode == "drift":
        changed = {
            "summary": {"text": row["summary"]},
            "status_id": "3",
            "onhold": "no",
            "client_id": str(row["client_id"]),
        }
        return {**row, **changed, "priority_id": [1]}
    if mode == "drift_owner":
        return {**row, "client_id": {"id": row["client_id"], "name": row["client_name"]}}
    if mode == "injection":
        note = {"id": 1, "client_id": row["client_id"], "who": "x", "note": world.INJECTION}
        return {**row, "summary": world.INJECTION, "details": f"\u202e{world.INJECTION}\U000e0041", "lastaction": note}
    return row


_LIST_CHANGES: dict[str, Callable[[Any, dict[str, str]], Any]] = {
    "ignore_filter": _everyone,
    "mix": _mix,
    "ownerless": _ownerless,
    "drift": _each(lambda row: _drifted(row, "drift")),
    "drift_owner": _each(lambda row: _drifted(row, "drift_owner")),
    "drift_list": lambda honest, _asked: {**honest, "tickets": {"0": honest["tickets"][0]}},
    "injection": _each(lambda row: _drifted(row, "injection")),
    "empty": lambda honest, _asked: {**honest, "tickets": [], "record_count": 9999},
}


def _echo(value: dict[str, Any], secret: str, encoding: str) -> dict[str, Any]:
    spelled = _SPELLINGS[encoding](secret)
    rows = value.get("tickets")
    if isinstance(rows, list):
        return {**value, "tickets": [{**row, "summary": f"Your key is {spelled} thanks"} for row in rows]}
    return {**value, "summary": f"Your key is {spelled} thanks", "name": spelled}


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
