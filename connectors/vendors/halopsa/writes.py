"""HaloPSA's tools that change something.

Bodies are built field by field: Halo's POST is an upsert, and takes an owner.
"""

from collections.abc import Mapping
from typing import Any

from connectors.arguments import schema, whole, words
from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Risk, Tier, Tool
from connectors.effects import Effect, Preview
from connectors.errors import VendorError
from connectors.vendors.halopsa.client import HaloClient
from connectors.vendors.halopsa.reads import GET_TICKET, TICKET_OF_CUSTOMER
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
    change = {name: int(arguments[name]) for name in ("status_id", "priority_id", "agent_id") if name in arguments}
    updated = HaloClient(connection).post("/Tickets", [{"id": int(arguments["ticket_id"]), **change}])
    return Fetched([_only(updated)])


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
WRITES = (CREATE_TICKET, UPDATE_TICKET, ADD_NOTE)
