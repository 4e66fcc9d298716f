"""HaloPSA's tools that change something.

Bodies are built field by field: Halo's POST is an upsert, and takes an owner.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.arguments import schema, whole, words
from connectors.bulk import MOST, ids_of, one_by_one, outcomes
from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Parent, Risk, Tier, Tool
from connectors.effects import Effect, Preview
from connectors.errors import VendorError
from connectors.narrowing import normalised
from connectors.vendors.halopsa.client import HaloClient
from connectors.vendors.halopsa.reads import GET_TICKET, TICKET_OF_CUSTOMER, read_ticket
from connectors.vendors.halopsa.shapes import ACTION, OWNER, TICKET

# The outcome that Halo has built in for an internal note; without one it takes no action.
_INTERNAL_NOTE = 7
_SUMMARY = words("One line.", most=250)
_TEXT = words("Plain text.", most=10_000)


def _create_ticket(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    ticket = {"summary": arguments["summary"], "details": arguments["details"], OWNER: int(customer)}
    for name in ("tickettype_id", "priority_id"):
        if name in arguments:
            ticket[name] = int(arguments[name])
    created = HaloClient(connection).post("/Tickets", [ticket])
    return Fetched([_only(created)])


def _update_ticket(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    return Fetched([_changed(HaloClient(connection), int(arguments["ticket_id"]), arguments)])


def _changed(client: HaloClient, ticket: int, arguments: Mapping[str, Any]) -> Any:
    change = {name: int(arguments[name]) for name in ("status_id", "priority_id", "agent_id") if name in arguments}
    return _only(client.post("/Tickets", [{"id": ticket, **change}]))


def _update_tickets(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    """One request for each, although Halo takes a list: it does not say what it did with which, if it fails."""
    client, ids = HaloClient(connection), [int(each) for each in arguments["ticket_ids"]]

    def change(ticket: int) -> None:
        row = _changed(client, ticket, arguments)
        if not isinstance(row, dict) or normalised(row.get("id")) != str(ticket):
            raise VendorError("vendor_shape")

    return one_by_one(connection, "ticket_id", ids, change)


def _read_tickets(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    asked = ({"ticket_id": ticket} for ticket in arguments["ticket_ids"])
    return Fetched([row for each in asked for row in read_ticket(connection, each, customer).rows])


def _add_note(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    note = {
        "ticket_id": int(arguments["ticket_id"]),
        "outcome_id": _INTERNAL_NOTE,
        "note": arguments["note"],
        "hiddenfromuser": True,
        "sendemail": False,
    }
    return Fetched([_only(HaloClient(connection).post("/Actions", [note]))])


def _only(answer: Any) -> Any:
    """Halo takes a list, and answers with the object or with a list of it."""
    if isinstance(answer, list) and len(answer) != 1:
        raise VendorError("vendor_shape")
    return answer[0] if isinstance(answer, list) else answer


TICKETS_OF_CUSTOMER = Parent(read=_read_tickets, owner=OWNER)
_LOOK = Preview(
    read=GET_TICKET,
    kind="Ticket",
    name="summary",
    by={"ticket_id": "ticket_id"},
    effects=(
        Effect("Status", "status_id", "status_id"),
        Effect("Priority", "priority_id", "priority_id"),
        Effect("Assigned to", "agent_id", "agent_id"),
    ),
)
_NOTED = Preview(
    read=GET_TICKET,
    kind="Ticket",
    name="summary",
    by={"ticket_id": "ticket_id"},
    effects=(Effect("Status", "status_id"),),
    does="A note is added, which the customer does not see.",
)
CREATE_TICKET = Tool(
    name="create_ticket",
    title="Open a ticket",
    description=f"A new ticket for the customer of this call; the PSA may send e-mail about it. {UNTRUSTED}",
    risk=Risk.WRITE,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "summary": _SUMMARY,
            "details": _TEXT,
            "tickettype_id": whole("Ticket type id."),
            "priority_id": whole("Priority id."),
        },
        required=("summary", "details"),
    ),
    output=Output("ticket", TICKET, many=False),
    run=_create_ticket,
    creates=True,
)
UPDATE_TICKET = Tool(
    name="update_ticket",
    title="Change a ticket",
    description=f"Status, priority or assignee of a ticket of the customer. Closing one stops its SLA. {UNTRUSTED}",
    risk=Risk.WRITE,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "ticket_id": whole("Id of the ticket."),
            "status_id": whole("Status id."),
            "priority_id": whole("Priority id."),
            "agent_id": whole("Id of the agent it is assigned to."),
        },
        required=("ticket_id",),
        minProperties=2,
    ),
    output=Output("ticket", TICKET, many=False),
    run=_update_ticket,
    guard=TICKET_OF_CUSTOMER,
    preview=_LOOK,
)
ADD_NOTE = Tool(
    name="add_note",
    title="Write an internal note",
    description=f"A note on a ticket of the customer that the customer does not see; no e-mail is sent. {UNTRUSTED}",
    risk=Risk.WRITE,
    narrowing=Narrowing.PARENT,
    tier=Tier.PRODUCTION,
    input_schema=schema({"ticket_id": whole("Id of the ticket."), "note": _TEXT}, required=("ticket_id", "note")),
    output=Output("action", ACTION, many=False),
    run=_add_note,
    guard=TICKET_OF_CUSTOMER,
    preview=_NOTED,
)
UPDATE_TICKETS = Tool(
    name="update_tickets",
    title="Change several tickets",
    description=(
        f"Status, priority or assignee of up to {MOST} tickets of the customer, the same for each; it says of each what"
        f" became of it. {UNTRUSTED}"
    ),
    risk=Risk.DESTRUCTIVE,
    narrowing=Narrowing.PARENT,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "ticket_ids": ids_of("Ids of the tickets."),
            "status_id": whole("Status id."),
            "priority_id": whole("Priority id."),
            "agent_id": whole("Id of the agent they are assigned to."),
        },
        required=("ticket_ids",),
        minProperties=2,
    ),
    output=Output("tickets", outcomes("ticket_id"), many=True),
    run=_update_tickets,
    guard=TICKETS_OF_CUSTOMER,
    preview=replace(_LOOK, by={"ticket_ids": "ticket_id"}, each="ticket_ids"),
)
WRITES = (CREATE_TICKET, UPDATE_TICKET, UPDATE_TICKETS, ADD_NOTE)
