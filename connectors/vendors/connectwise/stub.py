"""A ConnectWise PSA to develop and test against.

python -m connectors.vendors.connectwise.stub --port 8092 [--mode honest]
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from connectors.shapes import at
from connectors.stub.replies import Reply
from connectors.stub.server import main
from connectors.stub.world import CLIENTS, Ask, Route, State, Vendor
from connectors.vendors.connectwise import stub_data as data

_API = f"/{data.RELEASE}/apis/3.0"
_TERM = re.compile(r'([A-Za-z/]+)\s*(>=|<=|=|>|<| contains )\s*("[^"]*"|\[[^\]]*\]|[A-Za-z0-9]+)\Z')
# An address that no client should follow.
_NEXT = ((b"link", b'<http://169.254.169.254/latest/meta-data/>; rel="next"'),)
Row = dict[str, Any]


def _identify(headers: Mapping[str, str], state: State) -> str | None:
    """Basic of company+public:private, and the clientId that every operation needs."""
    try:
        pair = base64.b64decode(headers.get("authorization", "").removeprefix("Basic "), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    names, _, private = pair.partition(":")
    account = state.accounts.get(names.partition("+")[2])
    known = account is not None and account.secret == private and headers.get("clientid")
    return names.partition("+")[2] if known else None


def _holds(row: Row, condition: str) -> bool:
    """`a and b or c`, without brackets; the real grammar has more of it."""
    return any(all(_term(row, term) for term in part.split(" and ")) for part in condition.split(" or "))


def _term(row: Row, term: str) -> bool:
    match = _TERM.match(term.strip())
    if match is None:
        return False
    found, wanted = at(row, match[1].replace("/", ".")), match[3].strip('"[]')
    match match[2].strip():
        case "contains":
            return wanted.lower() in str(found).lower()
        case "=":
            return str(found).lower() == wanted.lower()
        case ">" | ">=":
            return found is not None and _comparable(found) >= _comparable(wanted)
    return found is not None and _comparable(found) <= _comparable(wanted)


def _comparable(value: Any) -> str:
    return str(value).zfill(20) if str(value).isdigit() else str(value)


def _listed(rows: list[Row], ask: Ask) -> list[Row]:
    """A bare array; what an account may not see is not in it."""
    seen = [row for row in rows if ask.shows(at(row, "company.id"))]
    wanted = ask.query.get("conditions", "")
    if not ask.honest:  # what it ignores is the company, which comes first
        wanted = wanted.partition(" and ")[2]
    seen = [row for row in seen if not wanted or _holds(row, wanted)]
    seen.sort(key=lambda row: row["id"], reverse=ask.query.get("orderBy", "").endswith("desc"))
    return _paged(seen, ask)


def _paged(rows: list[Row], ask: Ask) -> list[Row]:
    size, number = int(ask.query.get("pageSize", 25)), int(ask.query.get("page", 1))
    return rows[(number - 1) * size : number * size]


def _of_clients(make: Callable[[int], list[Row]]) -> Callable[[Ask], list[Row]]:
    return lambda ask: _listed([row for client in CLIENTS for row in make(client)], ask)


def _one_of_clients(make: Callable[[int], list[Row]]) -> Callable[[Ask], Row | None]:
    def answer(ask: Ask) -> Row | None:
        rows = [row for client in CLIENTS for row in make(client) if ask.shows(client)]
        return next((row for row in rows if row["id"] == int(ask.parts["id"])), None)

    return answer


def _tickets(ask: Ask) -> list[Row]:
    return _listed(list(data.all_tickets()), ask)


def _sla(ask: Ask) -> list[Row]:
    return [data.with_goals(row) for row in _tickets(ask)]


def _known(ask: Ask, number: int) -> Row | None:
    made: Row | None = ask.state.made.get(("ticket", number))
    return made or data.ticket(number)


def _ticket(ask: Ask) -> Row | None:
    row = _known(ask, int(ask.parts["id"]))
    return row if row and ask.shows(row["company"]["id"]) else None


def _create_ticket(ask: Ask) -> Row:
    number = 900_000 + len(ask.state.made)
    row = {**ask.body, "id": number, "closedFlag": False, "status": {"id": 1, "name": "New"}}
    ask.state.made[("ticket", number)] = row
    return row


def _patch_ticket(ask: Ask) -> Row | None:
    """JSON Patch, as the vendor has it: whatever is named is replaced, the company too."""
    row = _ticket(ask)
    if row is None:
        return None
    changed = {**row, **{operation["path"].strip("/"): operation["value"] for operation in ask.body}}
    ask.state.made[("ticket", row["id"])] = changed
    return changed


def _notes(ask: Ask) -> list[Row]:
    number = int(ask.parts["id"])
    if ask.honest:
        return _paged(data.notes(number) if data.ticket(number) else [], ask)
    return [row for client in CLIENTS for row in data.notes(client * 1000 + 3)]


def _create_note(ask: Ask) -> Row:
    number = int(ask.parts["id"])
    return {**ask.body, "id": number * 10 + 9, "ticketId": number, "createdBy": "MSPlex"}


def _statuses(ask: Ask) -> list[Row]:
    boards = [int(ask.parts["id"])] if ask.honest else [data.board_of(client) for client in CLIENTS]
    return [row for board in boards for row in data.statuses(board)]


def _additions(ask: Ask) -> list[Row]:
    wanted = [int(ask.parts["id"])] if ask.honest else [client * 10 + 1 for client in CLIENTS]
    return [row for agreement in wanted for row in data.additions(agreement)]


def _companies(ask: Ask) -> list[Row]:
    rows = [{**data.company(client), "deletedFlag": False} for client in CLIENTS if ask.shows(client)]
    return _paged(rows, ask)


def _error(status: int, code: str, message: str) -> Reply:
    return Reply.json({"code": code, "message": message, "errors": None}, status=status)


_CONFIGURATION = _one_of_clients(data.configurations)
_TICKET = rf"{_API}/service/tickets/(?P<id>\d+)"
_COMPANY = {"CompanyID": "northwind", "CompanyName": "Northwind IT", "Codebase": f"{data.RELEASE}/", "IsCloud": True}
VENDOR = Vendor(
    name="ConnectWise PSA",
    module="connectors.vendors.connectwise.stub",
    accounts=data.CREDENTIALS,
    identify=_identify,
    missing=_error(404, "NotFound", "Entity not found"),
    unknown=_error(401, "Unauthorized", "Unauthorized"),
    throttled=Reply(
        429, b'{"code": "TooManyRequests", "message": "Slow down"}', headers=((b"retry-after", b"9"),)
    ),
    routes=(
        Route("GET", r"/login/companyinfo/(?P<company>[^/]+)", lambda _ask: _COMPANY, is_open=True),
        Route("GET", f"{_API}/system/info", lambda _ask: {"version": "v2026.4.1", "isCloud": True}),
        Route("GET", f"{_API}/service/tickets", _tickets, "", "company.id", headers=_NEXT),
        Route("GET", f"{_API}/service/tickets/calculateSla", _sla, "", "company.id", headers=_NEXT),
        Route("GET", _TICKET, _ticket, "", "company.id"),
        Route("POST", f"{_API}/service/tickets", _create_ticket, "", "company.id", status=201),
        Route("PATCH", _TICKET, _patch_ticket, "", "company.id"),
        Route("GET", f"{_TICKET}/notes", _notes, "", "ticketId"),
        Route("POST", f"{_TICKET}/notes", _create_note, "", "ticketId", status=201),
        Route("GET", rf"{_API}/service/boards/(?P<id>\d+)/statuses", _statuses, "", "board.id"),
        Route("GET", f"{_API}/company/configurations", _of_clients(data.configurations), "", "company.id"),
        Route("GET", rf"{_API}/company/configurations/(?P<id>\d+)", _CONFIGURATION, "", "company.id"),
        Route("GET", f"{_API}/company/contacts", _of_clients(data.contacts), "", "company.id"),
        Route("GET", f"{_API}/finance/agreements", _of_clients(data.agreements), "", "company.id"),
        Route("GET", rf"{_API}/finance/agreements/(?P<id>\d+)", _one_of_clients(data.agreements), "", "company.id"),
        Route("GET", rf"{_API}/finance/agreements/(?P<id>\d+)/additions", _additions, "", "agreementId"),
        Route("GET", f"{_API}/time/entries", _of_clients(data.time_entries), "", "company.id"),
        Route("GET", f"{_API}/company/companies", _companies),
    ),
)  # fmt: skip

if __name__ == "__main__":
    main(VENDOR)
