"""A Hudu to develop and test against.

python -m connectors.vendors.hudu.stub --port 8091 [--mode honest]
"""

from collections.abc import Callable, Mapping
from typing import Any

from connectors.stub.replies import Reply
from connectors.stub.server import main
from connectors.stub.world import CLIENTS, Ask, Route, State, Vendor
from connectors.vendors.hudu import stub_data as data

OWNER = "company_id"
# What a key of one company gets that writes to another. Reading, it finds nothing of others.
FORBIDDEN = Reply.json({"error": "Forbidden"}, status=403)
Rows = Callable[[int], list[dict[str, Any]]]


def _identify(headers: Mapping[str, str], state: State) -> str | None:
    return state.holder_of(headers.get("x-api-key", ""))


def _wanted(make: Rows, ask: Ask, *filters: str) -> list[dict[str, Any]]:
    """Filters that are not among those named are ignored, as in the real one."""
    rows = [row for client in CLIENTS if ask.shows(client, ask.query.get(OWNER)) for row in make(client)]
    for name in filters:
        if name in ask.query:
            rows = [row for row in rows if str(row[name]).casefold() == ask.query[name].casefold()]
    words = ask.query.get("search", "").casefold()
    return [row for row in rows if words in str(row.get("name", "")).casefold()]


def _paged(rows: list[dict[str, Any]], ask: Ask) -> list[dict[str, Any]]:
    size, number = int(ask.query.get("page_size", 25)), int(ask.query.get("page", 1))
    return rows[(number - 1) * size : number * size]


def _listing(make: Rows, plural: str, *filters: str, paged: bool = True) -> Callable[[Ask], Any]:
    """Under its plural, or bare without one: Hudu does both."""

    def answer(ask: Ask) -> Any:
        rows = _wanted(make, ask, *filters)
        rows = _paged(rows, ask) if paged else rows
        return {plural: rows} if plural else rows

    return answer


def _single(make: Rows, name: str) -> Callable[[Ask], Any]:
    def answer(ask: Ask) -> Any:
        row = _found(make, ask)
        return {name: row} if row and name else row

    return answer


def _found(make: Rows, ask: Ask) -> dict[str, Any] | None:
    client = ask.parts.get("company")
    rows = (row for number in CLIENTS if ask.shows(number, client) for row in make(number))
    return next((row for row in rows if row["id"] == int(ask.parts["id"])), None)


def _companies(ask: Ask) -> Any:
    rows = [data.company(client) for client in CLIENTS if ask.shows(client)]
    return {"companies": _paged(rows, ask)}


def _company(ask: Ask) -> Any:
    client = int(ask.parts["id"])
    return {"company": data.company(client)} if client in CLIENTS and ask.shows(client) else None


def _tasks(ask: Ask) -> Any:
    wanted = int(ask.query.get("procedure_id", 0))
    clients = [client for client in CLIENTS if ask.shows(client)]
    tasks = [task for client in clients for row in data.procedures(client) for task in data.tasks(row["id"])]
    return {"procedure_tasks": [task for task in tasks if not ask.honest or task["procedure_id"] == wanted]}


def _create_article(ask: Ask) -> Any:
    """What comes without a company is for everybody, as in the real one."""
    given = ask.body["article"]
    if given.get(OWNER) is not None and not ask.shows(given[OWNER]):
        return FORBIDDEN
    return {"article": {"id": 90_001, OWNER: None, "draft": False, **given}}


def _create_asset(ask: Ask) -> Any:
    if not ask.shows(int(ask.parts["company"])):
        return FORBIDDEN
    given = {**ask.body["asset"], OWNER: int(ask.parts["company"])}
    return {**given, "id": 90_002, "fields": _as_fields(given.pop("custom_fields", []))}


def _update_asset(ask: Ask) -> Any:
    row = _found(data.assets, ask)
    given = dict(ask.body["asset"])
    fields = _as_fields(given.pop("custom_fields", []))
    return {"asset": {**row, **given, "fields": [*row["fields"], *fields]}} if row else None


def _as_fields(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"label": label, "value": value} for pair in given for label, value in pair.items()]


_ROOT = "/api/v1"
_ASSET = rf"{_ROOT}/companies/(?P<company>\d+)/assets/(?P<id>\d+)"
VENDOR = Vendor(
    name="Hudu",
    module="connectors.vendors.hudu.stub",
    accounts=data.CREDENTIALS,
    identify=_identify,
    missing=Reply.json({"error": "Record not found"}, status=404),
    unknown=Reply.json({"error": "Unauthorized"}, status=401),
    throttled=Reply(429, b"Retry later\n", "text/plain"),
    routes=(
        Route("GET", f"{_ROOT}/api_info", lambda _ask: {"version": "2.44.0", "date": "2026-07-01"}),
        Route("GET", f"{_ROOT}/companies", _companies, "companies", "id"),
        Route("GET", rf"{_ROOT}/companies/(?P<id>\d+)", _company, "company", "id"),
        Route("GET", f"{_ROOT}/articles", _listing(data.articles, "articles", "name"), "articles", OWNER),
        Route("GET", rf"{_ROOT}/articles/(?P<id>\d+)", _single(data.articles, "article"), "article", OWNER),
        Route("POST", f"{_ROOT}/articles", _create_article, "article", OWNER),
        Route("GET", f"{_ROOT}/assets", _listing(data.assets, "assets", "primary_serial", "asset_layout_id"), "assets",
              OWNER),
        Route("GET", _ASSET, _single(data.assets, ""), "", OWNER),
        Route("PUT", _ASSET, _update_asset, "asset", OWNER),
        Route("POST", rf"{_ROOT}/companies/(?P<company>\d+)/assets", _create_asset, "", OWNER, status=201),
        Route("GET", f"{_ROOT}/procedures", _listing(data.procedures, "procedures", "name"), "procedures", OWNER),
        Route("GET", rf"{_ROOT}/procedures/(?P<id>\d+)", _single(data.procedures, "procedure"), "procedure", OWNER),
        Route("GET", f"{_ROOT}/procedure_tasks", _tasks, "procedure_tasks", "procedure_id"),
        Route("GET", f"{_ROOT}/networks", _listing(data.networks, "", "name", "address", paged=False), "", OWNER),
        Route("GET", f"{_ROOT}/ip_addresses", _listing(data.addresses, "", "address", "network_id", paged=False), "",
              OWNER),
        Route("GET", f"{_ROOT}/vlans", _listing(data.vlans, "", "name", "vlan_id", paged=False), "", OWNER),
        Route("GET", f"{_ROOT}/expirations", _listing(data.expirations, "", "expiration_type"), "", OWNER),
        Route("GET", f"{_ROOT}/websites", _listing(data.websites, "", "name"), "", OWNER),
    ),
)  # fmt: skip

if __name__ == "__main__":
    main(VENDOR)
