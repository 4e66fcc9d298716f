"""ConnectWise PSA's tools that read.

`conditions` is a grammar with `or` and brackets: it is built here from typed arguments, each a term that has to hold
beside the customer's. Nothing of the caller's is ever a piece of it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from connectors.arguments import END, choice, day, page_of, pages, schema, whole, words
from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Parent, Risk, Run, Tier, Tool
from connectors.custom_fields import labelled, with_custom_fields
from connectors.narrowing import Owner
from connectors.paging import listed
from connectors.shapes import Shape, at, integer
from connectors.vendors.connectwise.client import ConnectWiseClient, conditions, contains, moment
from connectors.vendors.connectwise.shapes import (
    ADDITION,
    AGREEMENT,
    CONFIGURATION,
    CONTACT,
    LISTED_CONFIGURATION,
    LISTED_TICKET,
    NOTE,
    OWNER,
    SLA_TIMES,
    STATUS,
    TICKET,
    TIME_ENTRY,
)

_ORDERS = {"newest": "id desc", "oldest": "id asc"}
_MOST_CHILDREN = 200
Arguments = Mapping[str, Any]
Terms = list[str]


def _list_of(path: str, shape: Shape, terms: Callable[[Arguments], Terms]) -> Run:
    def run(connection: Connection, arguments: Arguments, customer: str) -> Fetched:
        client = ConnectWiseClient(connection)
        asked = conditions(customer, *terms(arguments)) | {"orderBy": _ORDERS[arguments.get("order", "newest")]}
        page, limit = page_of(arguments)
        return listed(
            lambda number, size: client.page(path, asked, number=number, size=size),
            owner=Owner(customer),
            shape=shape,
            page=page,
            limit=limit,
        )

    return run


def _ticket_terms(arguments: Arguments) -> Terms:
    state = arguments.get("state", "open")
    terms = [] if state == "all" else [f"closedFlag={'true' if state == 'closed' else 'false'}"]
    terms += [f"{name}/id={int(arguments[f'{name}_id'])}" for name in _TICKET_REFERENCES if f"{name}_id" in arguments]
    return terms + _searched("summary", arguments)


def _searched(field: str, arguments: Arguments) -> Terms:
    return [contains(field, str(arguments["search"]))] if "search" in arguments else []


def _configuration_terms(arguments: Arguments) -> Terms:
    return _searched("name", arguments) + ([] if arguments.get("inactive") else ["activeFlag=true"])


def _contact_terms(arguments: Arguments) -> Terms:
    return _searched("lastName", arguments) + ([] if arguments.get("inactive") else ["inactiveFlag=false"])


def _agreement_terms(arguments: Arguments) -> Terms:
    return _searched("name", arguments) + ([] if arguments.get("cancelled") else ["cancelledFlag=false"])


def _time_terms(arguments: Arguments) -> Terms:
    terms = [f"timeStart>={moment(arguments['since'])}"] if "since" in arguments else []
    return terms + ([f"timeStart<={moment(arguments['until'], end=True)}"] if "until" in arguments else [])


def read_ticket(connection: Connection, arguments: Arguments, _customer: str) -> Fetched:
    row = ConnectWiseClient(connection).get(f"/service/tickets/{int(arguments['ticket_id'])}")
    return Fetched([with_fields(row)])


def with_fields(row: Any) -> Any:
    """With the service provider's own fields, and with the questions of a configuration's type."""
    if not isinstance(row, dict):
        return row
    asked = labelled(row.get("questions"), label="question", value="answer")
    return with_custom_fields(row, [*labelled(row.get("customFields"), label="caption"), *asked])


def _get_configuration(connection: Connection, arguments: Arguments, _customer: str) -> Fetched:
    number = int(arguments["configuration_id"])
    return Fetched([with_fields(ConnectWiseClient(connection).get(f"/company/configurations/{number}"))])


def _read_agreement(connection: Connection, arguments: Arguments, _customer: str) -> Fetched:
    return Fetched([ConnectWiseClient(connection).get(f"/finance/agreements/{int(arguments['agreement_id'])}")])


def _children(connection: Connection, path: str) -> Fetched:
    rows = ConnectWiseClient(connection).page(path, {"orderBy": "id asc"}, number=1, size=_MOST_CHILDREN)
    return Fetched(rows[:_MOST_CHILDREN], has_more=len(rows) >= _MOST_CHILDREN)


def _list_notes(connection: Connection, arguments: Arguments, _customer: str) -> Fetched:
    fetched = _children(connection, f"/service/tickets/{int(arguments['ticket_id'])}/notes")
    if arguments.get("internal"):
        return fetched
    # A note is internal unless the vendor says that it is not.
    seen = [row for row in fetched.rows if not isinstance(row, dict) or row.get("internalAnalysisFlag") is False]
    return Fetched(seen, has_more=fetched.has_more)


def _list_statuses(connection: Connection, arguments: Arguments, customer: str) -> Fetched:
    """Of the ticket's board. Whose ticket it is has been looked at: another's has no board here."""
    rows = read_ticket(connection, arguments, customer).rows
    board = integer(at(rows[0], "board.id"))
    return _children(connection, f"/service/boards/{board}/statuses") if board else Fetched([])


def _list_additions(connection: Connection, arguments: Arguments, _customer: str) -> Fetched:
    return _children(connection, f"/finance/agreements/{int(arguments['agreement_id'])}/additions")


_TICKET_REFERENCES = ("board", "status", "priority")
TICKET_OF_CUSTOMER = Parent(read=read_ticket, owner=OWNER)
_BOARD_OF_CUSTOMERS_TICKET = Parent(read=read_ticket, owner=OWNER, id="board.id")
_AGREEMENT_OF_CUSTOMER = Parent(read=_read_agreement, owner=OWNER)
# Without what means something in the grammar of conditions. See connectors.vendors.connectwise.client.UNQUOTABLE.
_SEARCH = words("Words to look for.", most=100) | {"pattern": r"""^[^"'\\\[\]()%*\u0000-\u001f]+""" + END}
_ORDER = choice(list(_ORDERS), "Order, by id.", default="newest")

LIST_TICKETS = Tool(
    name="list_tickets",
    title="List tickets",
    description=f"Service tickets of the customer of this call, newest first, a page at a time. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "state": choice(["open", "closed", "all"], "Which.", default="open"),
            "search": _SEARCH | {"description": "Words in the summary."},
            "board_id": whole("Id of the service board."),
            "status_id": whole("Id of the status; each board has its own."),
            "priority_id": whole("Id of the priority."),
            "order": _ORDER,
            **pages(),
        }
    ),
    output=Output("tickets", LISTED_TICKET, many=True),
    run=_list_of("/service/tickets", LISTED_TICKET, _ticket_terms),
)
GET_TICKET = Tool(
    name="get_ticket",
    title="Get a ticket",
    description=f"One ticket of the customer of this call; its text is in its first note. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.PRODUCTION,
    input_schema=schema({"ticket_id": whole("Id of the ticket.")}, required=("ticket_id",)),
    output=Output("ticket", TICKET, many=False),
    run=read_ticket,
)
LIST_NOTES = Tool(
    name="list_notes",
    title="List the notes of a ticket",
    description=f"The conversation of one ticket of the customer; internal notes only when asked for. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARENT,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "ticket_id": whole("Id of the ticket."),
            "internal": {
                "type": "boolean",
                "default": False,
                "description": "Notes that the customer does not see, too.",
            },
        },
        required=("ticket_id",),
    ),
    output=Output("notes", NOTE, many=True),
    run=_list_notes,
    guard=TICKET_OF_CUSTOMER,
)
LIST_STATUSES = Tool(
    name="list_statuses",
    title="List the statuses a ticket may have",
    description=f"Statuses of the board of one ticket of the customer, for a change of it. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARENT,
    tier=Tier.PRODUCTION,
    input_schema=schema({"ticket_id": whole("Id of the ticket.")}, required=("ticket_id",)),
    output=Output("statuses", STATUS, many=True),
    run=_list_statuses,
    guard=_BOARD_OF_CUSTOMERS_TICKET,
)
SLA_TIMES_OF_TICKETS = Tool(
    name="sla_times",
    title="Get the SLA times of open tickets",
    description=f"When open tickets of the customer have to be answered, planned and solved, as of now. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema({"order": _ORDER, **pages()}),
    output=Output("tickets", SLA_TIMES, many=True),
    run=_list_of("/service/tickets/calculateSla", SLA_TIMES, lambda _arguments: ["closedFlag=false"]),
)
LIST_CONFIGURATIONS = Tool(
    name="list_configurations",
    title="List configurations",
    description=f"Configurations (devices and services) of the customer of this call. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "search": _SEARCH | {"description": "Words in the name."},
            "inactive": {"type": "boolean", "default": False, "description": "Those that are not in use, too."},
            "order": _ORDER,
            **pages(),
        }
    ),
    output=Output("configurations", LISTED_CONFIGURATION, many=True),
    run=_list_of("/company/configurations", LISTED_CONFIGURATION, _configuration_terms),
)
GET_CONFIGURATION = Tool(
    name="get_configuration",
    title="Get a configuration",
    description=f"One configuration of the customer of this call, with its fields. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.PRODUCTION,
    input_schema=schema({"configuration_id": whole("Id of the configuration.")}, required=("configuration_id",)),
    output=Output("configuration", CONFIGURATION, many=False),
    run=_get_configuration,
)
LIST_CONTACTS = Tool(
    name="list_contacts",
    title="List the customer's people",
    description=f"Contacts of the customer of this call: personal data. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.IDENTITY,
    input_schema=schema(
        {
            "search": _SEARCH | {"description": "Part of the last name."},
            "inactive": {"type": "boolean", "default": False, "description": "Those who have left, too."},
            "order": _ORDER,
            **pages(),
        }
    ),
    output=Output("contacts", CONTACT, many=True),
    run=_list_of("/company/contacts", CONTACT, _contact_terms),
)
LIST_AGREEMENTS = Tool(
    name="list_agreements",
    title="List agreements",
    description=f"Agreements with the customer of this call: financial data. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "search": _SEARCH | {"description": "Words in the name."},
            "cancelled": {"type": "boolean", "default": False, "description": "Those that were cancelled, too."},
            "order": _ORDER,
            **pages(),
        }
    ),
    output=Output("agreements", AGREEMENT, many=True),
    run=_list_of("/finance/agreements", AGREEMENT, _agreement_terms),
)
LIST_ADDITIONS = Tool(
    name="list_agreement_additions",
    title="List what an agreement bills",
    description=f"Products and quantities of one agreement with the customer, without their cost. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARENT,
    tier=Tier.PRODUCTION,
    input_schema=schema({"agreement_id": whole("Id of the agreement.")}, required=("agreement_id",)),
    output=Output("additions", ADDITION, many=True),
    run=_list_additions,
    guard=_AGREEMENT_OF_CUSTOMER,
)
LIST_TIME = Tool(
    name="list_time",
    title="List time entries",
    description=f"Time that was spent for the customer of this call. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {"since": day("First day."), "until": day("Last day."), "order": _ORDER, **pages()},
    ),
    output=Output("time_entries", TIME_ENTRY, many=True),
    run=_list_of("/time/entries", TIME_ENTRY, _time_terms),
)
READS = (
    LIST_TICKETS, GET_TICKET, LIST_NOTES, LIST_STATUSES, SLA_TIMES_OF_TICKETS, LIST_CONFIGURATIONS, GET_CONFIGURATION,
    LIST_CONTACTS, LIST_AGREEMENTS, LIST_ADDITIONS, LIST_TIME,
)  # fmt: skip
