"""An IT Glue to develop and test against.

python -m connectors.vendors.itglue.stub --port 8093 [--mode honest]
"""

from collections.abc import Callable, Mapping
from typing import Any

from connectors.stub.replies import Reply
from connectors.stub.server import main
from connectors.stub.world import CLIENTS, Ask, Route, State, Vendor
from connectors.vendors.itglue import stub_data as data

ORGANIZATION = "organization-id"
OWNER = f"attributes.{ORGANIZATION}"
Rows = Callable[[int], list[dict[str, Any]]]


def _identify(headers: Mapping[str, str], state: State) -> str | None:
    return state.holder_of(headers.get("x-api-key", ""))


def _error(status: int, title: str) -> Reply:
    return Reply.json({"errors": [{"title": title, "detail": title, "status": str(status)}]}, status=status)


def _paged(rows: list[dict[str, Any]], ask: Ask) -> dict[str, Any]:
    size, number = int(ask.query.get("page[size]", 50)), int(ask.query.get("page[number]", 1))
    meta = {"current-page": number, "total-count": len(rows), "total-pages": -(-len(rows) // size)}
    return {"data": rows[(number - 1) * size : number * size], "meta": meta, "links": {}}


def _below(make: Rows, *filters: str) -> Callable[[Ask], Any]:
    def answer(ask: Ask) -> Any:
        rows = [row for client in CLIENTS if ask.shows(client, ask.parts["org"]) for row in make(client)]
        for name in filters:
            wanted = ask.query.get(f"filter[{name}]")
            if wanted is not None:
                rows = [row for row in rows if str(row["attributes"].get(name.replace("_", "-"))) == wanted]
        return _paged(_in_range(rows, ask), ask)

    return answer


def _in_range(rows: list[dict[str, Any]], ask: Ask) -> list[dict[str, Any]]:
    given = ask.query.get("filter[range][expiration_date]")
    if given is None:
        return rows
    first, last = (end.strip() for end in given.split(","))
    last = "9999" if last == "*" else last
    return [row for row in rows if ("" if first == "*" else first) <= row["attributes"]["expiration-date"] <= last]


def _single(make: Rows) -> Callable[[Ask], Any]:
    def answer(ask: Ask) -> Any:
        rows = (row for client in CLIENTS if ask.shows(client, ask.parts["org"]) for row in make(client))
        row = next((row for row in rows if row["id"] == ask.parts["id"]), None)
        return {"data": row} if row else None

    return answer


def _organizations(ask: Ask) -> Any:
    return _paged([data.organization(client) for client in CLIENTS if ask.shows(client)], ask)


def _organization(ask: Ask) -> Any:
    client = int(ask.parts["org"])
    return {"data": data.organization(client)} if client in CLIENTS and ask.shows(client) else None


def _types(ask: Ask) -> Any:
    return _paged(data.flexible_asset_types(), ask)


def _flexible_assets(ask: Ask) -> Any:
    kind, wanted = ask.query.get("filter[flexible-asset-type-id]"), ask.query.get(f"filter[{ORGANIZATION}]")
    if kind is None:
        return _error(422, "filter[flexible-asset-type-id] is required")
    rows = [row for client in CLIENTS if ask.shows(client, wanted) for row in data.flexible_assets(client)]
    return _paged([row for row in rows if str(row["attributes"]["flexible-asset-type-id"]) == kind], ask)


def _create(ask: Ask) -> Any:
    given = ask.body["data"]["attributes"]
    shown = {name.replace("_", "-"): value for name, value in given.items()}
    return {
        "data": {"id": "90001", "type": "configurations", "attributes": {ORGANIZATION: int(ask.parts["org"]), **shown}}
    }


_ORG = r"/organizations/(?P<org>\d+)"


def _nested(what: str, make: Rows, *filters: str) -> tuple[Route, Route]:
    path = f"{_ORG}/relationships/{what}"
    return (
        Route("GET", path, _below(make, *filters), "data", OWNER),
        Route("GET", rf"{path}/(?P<id>\d+)", _single(make), "data", OWNER),
    )


VENDOR = Vendor(
    name="IT Glue",
    module="connectors.vendors.itglue.stub",
    accounts=data.CREDENTIALS,
    identify=_identify,
    missing=_error(404, "Record not found"),
    unknown=_error(403, "API Key is not valid"),
    throttled=Reply(429, b"Retry later\n", "text/plain"),
    routes=(
        Route("GET", "/organizations", _organizations, "data", "id"),
        Route("GET", _ORG, _organization, "data", "id"),
        *_nested(
            "configurations", data.configurations, "name", "serial_number", "mac_address", "configuration_type_id"
        ),
        *_nested("contacts", data.contacts, "first_name", "last_name"),
        *_nested("locations", data.locations, "name", "city"),
        *_nested("domains", data.domains),
        *_nested("expirations", data.expirations),
        *_nested("documents", data.documents, "document_folder_id"),
        Route("GET", "/flexible_asset_types", _types),
        Route("GET", "/flexible_assets", _flexible_assets, "data", OWNER),
        Route("POST", f"{_ORG}/relationships/configurations", _create, "data", OWNER, status=201),
    ),
)

if __name__ == "__main__":
    main(VENDOR)
