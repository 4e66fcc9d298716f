"""A stand-in for somebody's API with an OpenAPI description, in every mood of the vendors' stand-ins.

python -m connectors.imported.openapi.stub --port 8097 [--mode honest]
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from connectors.imported import stub_data as data
from connectors.imported.openapi.stub_description import description
from connectors.stub.replies import Reply
from connectors.stub.server import main
from connectors.stub.world import CLIENTS, NORTHWIND, Account, Ask, Route, State, Vendor

Row = dict[str, Any]
_V = "/v2"


def _identify(headers: Mapping[str, str], state: State) -> str | None:
    return state.holder_of(headers.get("x-api-key") or _shown(headers.get("authorization", "")))


def _shown(authorization: str) -> str:
    way, _, value = authorization.partition(" ")
    if way != "Basic":
        return value
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _tickets(ask: Ask, wanted: Any) -> Row:
    clients = [client for client in CLIENTS if ask.shows(client, wanted)]
    rows = [data.ticket(client, number) for client in clients for number in range(1, data.TICKETS + 1)]
    return {"tickets": rows, "total": data.TICKETS * len(CLIENTS)}


def _list(ask: Ask) -> Row:
    return _tickets(ask, ask.query.get("client_id"))


def _search(ask: Ask) -> Row:
    return _tickets(ask, ask.body["client_id"])


def _get(ask: Ask) -> Row | None:
    client, number = divmod(int(ask.parts["id"]), 1000)
    there = client in CLIENTS and 0 < number <= data.TICKETS
    return data.ticket(client, number) if there and ask.shows(client) else None


def _change(ask: Ask) -> Row | None:
    row = _get(ask)
    return {**row, **(ask.body or {})} if row else None


def _create(ask: Ask) -> Row:
    client = ask.body["client_id"] if ask.honest else data.OTHER
    return data.ticket(client, 99) | {"summary": ask.body["summary"]}


def _notes(ask: Ask) -> Row:
    ticket = int(ask.parts["id"])
    of = [ticket] if ask.honest else [ticket, *(client * 1000 + 1 for client in CLIENTS)]
    return {"notes": [data.note(each) for each in of], "total": len(of)}


def _add_note(ask: Ask) -> Row:
    ticket = int(ask.parts["id"])
    return {"id": ticket * 10 + 9, "ticket_id": ticket, "text": ask.body["text"]}


def _file(ask: Ask) -> Row:
    return {"name": ask.parts["name"], "client_id": NORTHWIND[0]}


def _described(ask: Ask) -> Reply:
    return Reply.json(description(ask.state.mode))


ROUTES = (
    Route("GET", r"/openapi\.json", _described, is_open=True),
    Route("GET", _V + r"/me", lambda _: {"name": "me"}),
    Route("GET", _V + r"/tickets", _list, rows="tickets", owner="client_id"),
    Route("POST", _V + r"/tickets", _create, owner="client_id", status=201),
    Route("GET", _V + r"/tickets/(?P<id>\d+)", _get, owner="client_id"),
    Route("PATCH", _V + r"/tickets/(?P<id>\d+)", _change, owner="client_id"),
    Route("DELETE", _V + r"/tickets/(?P<id>\d+)", _get, owner="client_id"),
    Route("GET", _V + r"/tickets/(?P<id>\d+)/notes", _notes, rows="notes", owner="ticket_id"),
    Route("POST", _V + r"/tickets/(?P<id>\d+)/notes", _add_note, owner="ticket_id"),
    Route("POST", _V + r"/search", _search, rows="tickets", owner="client_id"),
    Route("GET", _V + r"/files/(?P<name>[^/]+)", _file, owner="client_id"),
)
STUB = Vendor(
    name="API",
    module="connectors.imported.openapi.stub",
    routes=ROUTES,
    accounts={"northwind": Account("stub-openapi-key-northwind", NORTHWIND)},
    identify=_identify,
)

if __name__ == "__main__":
    main(STUB)
