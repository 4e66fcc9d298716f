"""A HaloPSA to develop and test against.

python -m connectors.vendors.halopsa.stub --port 8090 [--mode honest]
"""

from typing import Any

from connectors.stub.replies import Reply
from connectors.stub.server import give_token, main
from connectors.stub.world import CLIENTS, Ask, Route, Vendor, bearer, marker, website_of
from connectors.vendors.halopsa import stub_data as data


def _token(ask: Ask) -> Reply:
    form = ask.body or {}
    if form.get("grant_type") != "client_credentials":
        return Reply.json({"error": "unsupported_grant_type"}, status=400)
    return give_token(ask, form.get("client_id", ""), form.get("client_secret", ""))


def _paged(rows: list[dict[str, Any]], ask: Ask, plural: str) -> dict[str, Any]:
    size, number = int(ask.query.get("page_size", 50)), int(ask.query.get("page_no", 1))
    shown = rows[(number - 1) * size : number * size]
    return {"page_no": number, "page_size": size, "record_count": len(rows), plural: shown}


def _tickets(ask: Ask) -> dict[str, Any]:
    wanted, query = ask.query.get("client_id"), ask.query
    rows = [row for row in data.all_tickets() if ask.shows(row["client_id"], wanted)]
    if query.get("open_only") == "true":
        rows = [row for row in rows if row["dateclosed"] is None]
    if query.get("closed_only") == "true":
        rows = [row for row in rows if row["dateclosed"] is not None]
    if "search" in query:
        rows = [row for row in rows if query["search"].lower() in row["summary"].lower()]
    return _paged(rows, ask, "tickets")


def _ticket(ask: Ask) -> dict[str, Any] | None:
    row = _known_ticket(ask, int(ask.parts["id"]))
    return row if row and ask.shows(row["client_id"]) else None


def _known_ticket(ask: Ask, number: int) -> dict[str, Any] | None:
    made: dict[str, Any] | None = ask.state.made.get(("ticket", number))
    return made or data.detailed(number)


def _save_ticket(ask: Ask) -> Any:
    """An upsert, as in the real one: what brings an id is changed, and may even change hands."""
    given = ask.body[0]
    number = given.get("id") or 90_000 + len(ask.state.made)
    blank = {"client_id": given.get("client_id"), "status_id": 1, "dateclosed": None}
    row = {**(_known_ticket(ask, number) or blank), **given, "id": number}
    ask.state.made[("ticket", number)] = row
    return [row]


def _actions(ask: Ask) -> dict[str, Any]:
    wanted = int(ask.query.get("ticket_id", 0))
    rows = data.actions(wanted) if data.ticket(wanted) else []
    if not ask.honest:
        rows = [row for client in CLIENTS for row in data.actions(client * 1000 + 3)]
    if ask.query.get("excludeprivate") == "true":
        rows = [row for row in rows if not row["hiddenfromuser"]]
    return {"record_count": len(rows), "actions": rows}


def _save_action(ask: Ask) -> Any:
    given = ask.body[0]
    row = {**given, "id": 4, "who": "MSPlex API", "datetime": "2026-11-20T09:00:00"}
    return [row]


def _of_clients(make: Any, plural: str) -> Any:
    def answer(ask: Ask) -> dict[str, Any]:
        wanted = ask.query.get("client_id")
        return _paged([row for client in CLIENTS for row in make(client) if ask.shows(client, wanted)], ask, plural)

    return answer


def _asset(ask: Ask) -> dict[str, Any] | None:
    number = int(ask.parts["id"])
    rows = [row for client in CLIENTS for row in data.assets(client) if ask.shows(client)]
    return next((row for row in rows if row["id"] == number), None)


def _mixed(row: dict[str, Any]) -> dict[str, Any]:
    """Every nested thing of a ticket belongs to the next two clients as well."""
    clients = list(CLIENTS)
    place = clients.index(row["client_id"]) if row["client_id"] in clients else 0
    second, third = clients[(place + 1) % len(clients)], clients[(place + 2) % len(clients)]
    children = [data.ticket(client * 1000 + 7) for client in (clients[place], second, third)]
    anonymous = {"id": 1, "summary": f"no owner {marker(second)}"}
    return {
        **row,
        "site": {"id": second * 10, "client_id": second, "name": f"Depot {marker(second)}"},
        "site_name": f"Depot {marker(second)}",
        "user": {"id": third * 100, "client_id": str(third), "name": f"Someone {marker(third)}"},
        "user_name": f"Someone {marker(third)}",
        "lastaction": {"id": 2, "client_id": second, "who": "x", "note": f"Secret note {marker(second)}"},
        "child_tickets": [*children, anonymous],
        "child_ticket_ids": [child["id"] for child in children if child],
        "merged_into_id": second * 1000 + 9,
        "counts_by_client": {CLIENTS[second]: 41, CLIENTS[third]: 12},
        "related": {"deep": [{"deeper": [{"client_id": third, "summary": marker(third)}]}]},
    }


def _discovery(ask: Ask) -> dict[str, str]:
    return {"auth_url": f"http://{ask.host}/auth", "tenant_id": "stub"}


VENDOR = Vendor(
    name="HaloPSA",
    module="connectors.vendors.halopsa.stub",
    accounts=data.CREDENTIALS,
    identify=bearer,
    missing=Reply.json({"ClassName": "NotFoundException", "Message": "Ticket not found"}, status=404),
    throttled=Reply(429, b"API Rate limit exceeded: 300 per 5 minutes", "text/plain", ((b"retry-after", b"7"),)),
    routes=(
        Route("POST", "/auth/token", _token, is_open=True, is_sign_in=True),
        Route("GET", "/api/authinfo", _discovery, is_open=True),
        Route("GET", "/api/Agent/me", lambda _ask: {"id": 3, "name": "MSPlex API", "isagent": True}),
        Route("GET", "/api/Tickets", _tickets, "tickets", "client_id", _mixed),
        Route("GET", r"/api/Tickets/(?P<id>\d+)", _ticket, "", "client_id", _mixed),
        Route("POST", "/api/Tickets", _save_ticket, "", "client_id", _mixed, status=201),
        Route("GET", "/api/Actions", _actions, "actions", "ticket_id"),
        Route("POST", "/api/Actions", _save_action, "", "ticket_id", status=201),
        Route("GET", "/api/Asset", _of_clients(data.assets, "assets"), "assets", "client_id"),
        Route("GET", r"/api/Asset/(?P<id>\d+)", _asset, "", "client_id"),
        Route("GET", "/api/Users", _of_clients(data.users, "users"), "users", "client_id"),
        Route("GET", "/api/ClientContract", _of_clients(data.contracts, "contracts"), "contracts", "client_id"),
        Route("GET", "/api/Client", lambda ask: _paged(
            [{"id": client, "name": CLIENTS[client], "website": website_of(client)}
             for client in CLIENTS if ask.shows(client)], ask, "clients"
        )),
    ),
)  # fmt: skip

if __name__ == "__main__":
    main(VENDOR)
