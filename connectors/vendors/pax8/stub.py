"""A Pax8 to develop and test against.

python -m connectors.vendors.pax8.stub --port 8094 [--mode honest]
"""

from collections.abc import Callable
from typing import Any

from connectors.stub.replies import Reply
from connectors.stub.server import give_token, main
from connectors.stub.world import CLIENTS, Ask, Route, Vendor, bearer, uuid_of
from connectors.vendors.pax8 import stub_data as data
from connectors.vendors.pax8.client import AUDIENCE

Row = dict[str, Any]
_CLIENT_OF = {uuid_of(client): client for client in CLIENTS}


def _error(status: int, kind: str, message: str) -> Reply:
    body = {"type": kind, "message": message, "instance": "/v1", "status": status, "details": []}
    return Reply.json(body, status=status)


def _token(ask: Ask) -> Reply:
    """Takes JSON, and a form is no use."""
    given = ask.body if isinstance(ask.body, dict) else {}
    known = given.get("grant_type") == "client_credentials" and given.get("audience") == AUDIENCE
    reply = give_token(ask, given.get("client_id", ""), given.get("client_secret", "")) if known else None
    refused = {"error": "access_denied", "error_description": "Unauthorized"}
    return reply if reply and reply.status == 200 else Reply.json(refused, status=401)  # noqa: PLR2004


def _paged(rows: list[Row], ask: Ask) -> Row:
    size, number = int(ask.query.get("size", 10)), int(ask.query.get("page", 0))
    pages = -(-len(rows) // size)
    around = {"size": size, "totalElements": len(rows), "totalPages": pages, "number": number}
    return {"content": rows[number * size : (number + 1) * size], "page": around}


def _sees(ask: Ask, row: Row, *, filtered: bool = True) -> bool:
    wanted = _CLIENT_OF.get(ask.query["companyId"]) if filtered and "companyId" in ask.query else None
    return ask.shows(_CLIENT_OF[row["companyId"]], wanted)


def _of_clients(make: Callable[[int], list[Row]]) -> Callable[[Ask], Any]:
    def answer(ask: Ask) -> Any:
        wanted = _CLIENT_OF.get(ask.query.get("companyId", ""), 0)
        if ask.honest and "companyId" in ask.query and wanted not in ask.account.clients:
            return _error(403, "FORBIDDEN", "Invalid companyId")
        return _paged([row for client in CLIENTS for row in make(client) if _sees(ask, row)], ask)

    return answer


def _company(ask: Ask) -> Row | None:
    client = _CLIENT_OF.get(ask.parts["id"])
    return data.company(client) if client and ask.shows(client) else None


def _companies(ask: Ask) -> Row:
    return _paged([data.company(client) for client in CLIENTS if ask.shows(client)], ask)


def _subscriptions(ask: Ask) -> Any:
    return _of_clients(lambda client: [row for row in data.subscriptions(client) if _asked_for(ask, row)])(ask)


def _asked_for(ask: Ask, row: Row) -> bool:
    return all(row[name] == ask.query[name] for name in ("status", "billingTerm", "productId") if name in ask.query)


def _subscription(ask: Ask) -> Row | None:
    made: Row | None = ask.state.made.get(("subscription", ask.parts["id"]))
    row = made or next((row for row in data.every_subscription() if row["id"] == ask.parts["id"]), None)
    return row if row and _sees(ask, row, filtered=False) else None


def _history(ask: Ask) -> Row | None:
    row = _subscription(ask)
    if row is None:
        return None
    rows = [row, {**row, "quantity": 1}]
    foreign = [data.subscription(client, 1) for client in CLIENTS if uuid_of(client) != row["companyId"]]
    others = [] if ask.honest else foreign
    return {"content": [*rows, *others]}


def _change(ask: Ask) -> Row | None:
    """Whatever is given is taken, the company as well."""
    row = _subscription(ask)
    if row:
        ask.state.made[("subscription", row["id"])] = row = {**row, **ask.body}
    return row


def _cancel(ask: Ask) -> Reply | None:
    row = _subscription(ask)
    if row is None:
        return None
    ask.state.made[("subscription", row["id"])] = {**row, "status": "PendingCancel"}
    return Reply(204, b"", "text/plain")


def _order(ask: Ask) -> Any:
    if not ask.body.get("lineItems"):
        return _error(422, "UNPROCESSABLE_ENTITY", "lineItems must not be empty")
    placed = {} if ask.query.get("isMock") == "true" else {"id": uuid_of(99, len(ask.state.changes))}
    lines = [{key: value for key, value in line.items() if key != "lineItemNumber"} for line in ask.body["lineItems"]]
    return {**ask.body, **placed, "orderedBy": "Pax8 Partner", "isScheduled": False, "lineItems": lines}


def _items(ask: Ask) -> Row | None:
    """The shared invoice is of everybody whom the account sees."""
    rows = [row for client in CLIENTS for row in data.items(client) if _sees(ask, row)]
    return _paged(rows, ask) if ask.parts["id"] == data.SHARED_INVOICE else None


def _usage(ask: Ask) -> Any:
    row = _subscription(ask)
    client = _CLIENT_OF[row["companyId"]] if row else 0
    return (
        _of_clients(lambda other: data.usage(other) if other == client or not ask.honest else [])(ask) if row else None
    )


def _pricing(ask: Ask) -> Row:
    return {"content": data.pricing(ask.parts["id"]) if ask.honest else data.every_pricing()}


_ID = "(?P<id>[0-9a-f-]{36})"
VENDOR = Vendor(
    name="Pax8",
    module="connectors.vendors.pax8.stub",
    accounts=data.CREDENTIALS,
    identify=bearer,
    missing=_error(404, "NOT_FOUND", "Resource not found"),
    unknown=_error(401, "UNAUTHORIZED", "Unauthorized"),
    throttled=_error(429, "TOO_MANY_REQUESTS", "Too many requests"),
    routes=(
        Route("POST", "/v1/token", _token, is_open=True, is_sign_in=True),
        Route("GET", "/v1/companies", _companies),
        Route("GET", f"/v1/companies/{_ID}", _company, "", "id"),
        Route("GET", "/v1/subscriptions", _subscriptions, "content", "companyId"),
        Route("GET", f"/v1/subscriptions/{_ID}", _subscription, "", "companyId"),
        Route("PUT", f"/v1/subscriptions/{_ID}", _change, "", "companyId"),
        Route("DELETE", f"/v1/subscriptions/{_ID}", _cancel),
        Route("GET", f"/v1/subscriptions/{_ID}/history", _history, "content", "companyId"),
        Route("GET", f"/v1/subscriptions/{_ID}/usage-summaries", _usage, "content", "companyId"),
        Route("GET", f"/v1/products/{_ID}/pricing", _pricing, "content", "productId"),
        Route("GET", "/v1/orders", _of_clients(data.orders), "content", "companyId"),
        Route("POST", "/v1/orders", _order, "", "companyId"),
        Route("GET", "/v1/invoices", _of_clients(data.invoices), "content", "companyId"),
        Route("GET", "/v1/invoices/draftItems", _of_clients(data.items), "content", "companyId"),
        Route("GET", f"/v1/invoices/{_ID}/items", _items, "content", "companyId"),
    ),
)

if __name__ == "__main__":
    main(VENDOR)
