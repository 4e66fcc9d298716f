"""ConnectWise PSA's tools that change something.

Bodies and patches are built field by field. A patch replaces three things and nothing else: `company` is not one.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.arguments import schema, whole, words
from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Risk, Tier, Tool
from connectors.effects import Effect, Preview
from connectors.vendors.connectwise.client import ConnectWiseClient
from connectors.vendors.connectwise.reads import GET_TICKET, TICKET_OF_CUSTOMER, with_fields
from connectors.vendors.connectwise.shapes import NOTE, TICKET

_TEXT = words("Plain text.", most=10_000)
# Argument -> the path of the reference that is replaced.
_PATCHED = {"status_id": "status", "priority_id": "priority", "owner_id": "owner"}


def _create_ticket(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    ticket: dict[str, Any] = {
        "summary": arguments["summary"],
        "initialDescription": arguments["description"],
        "company": {"id": int(customer)},
        "processNotifications": False,
    }
    for name in ("board", "priority", "type"):
        if f"{name}_id" in arguments:
            ticket[name] = {"id": int(arguments[f"{name}_id"])}
    return Fetched([with_fields(ConnectWiseClient(connection).post("/service/tickets", ticket))])


def _update_ticket(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    operations = [
        {"op": "replace", "path": path, "value": {"id": int(arguments[name])}}
        for name, path in _PATCHED.items()
        if name in arguments
    ]
    path = f"/service/tickets/{int(arguments['ticket_id'])}"
    return Fetched([with_fields(ConnectWiseClient(connection).patch(path, operations))])


def _add_note(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    return _written(connection, arguments, {"internalAnalysisFlag": True, "detailDescriptionFlag": False})


def _reply(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    return _written(connection, arguments, {"internalAnalysisFlag": False, "detailDescriptionFlag": True})


def _written(connection: Connection, arguments: Mapping[str, Any], flags: Mapping[str, bool]) -> Fetched:
    notify = flags["detailDescriptionFlag"]
    note = {"text": arguments["note"], **flags, "resolutionFlag": False, "processNotifications": notify}
    path = f"/service/tickets/{int(arguments['ticket_id'])}/notes"
    return Fetched([ConnectWiseClient(connection).post(path, note)])


_LOOK = Preview(
    read=GET_TICKET,
    kind="Ticket",
    name="summary",
    by={"ticket_id": "ticket_id"},
    effects=(
        Effect("Status", "status_id", "status_id", named="status_name"),
        Effect("Priority", "priority_id", "priority_id", named="priority_name"),
        Effect("Assigned to", "owner", "owner_id"),
    ),
)
_NOTED = Preview(
    read=GET_TICKET,
    kind="Ticket",
    name="summary",
    by={"ticket_id": "ticket_id"},
    effects=(Effect("Status", "status_id", named="status_name"),),
    does="A note is added, which the customer does not see.",
)
_REPLIED = replace(_NOTED, does="A note is added that the customer sees, and may get by e-mail.")
CREATE_TICKET = Tool(
    name="create_ticket",
    title="Open a ticket",
    description=f"A new service ticket for the customer of this call, without notifications. {UNTRUSTED}",
    risk=Risk.WRITE,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "summary": words("One line.", most=100),
            "description": _TEXT,
            "board_id": whole("Id of the service board. Without one the vendor's default is taken."),
            "priority_id": whole("Id of the priority."),
            "type_id": whole("Id of the type; each board has its own."),
        },
        required=("summary", "description"),
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
            "status_id": whole("Id of the status; list_statuses names those of its board."),
            "priority_id": whole("Id of the priority."),
            "owner_id": whole("Id of the member it is assigned to."),
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
    description=f"A note on a ticket of the customer that the customer does not see; nobody is notified. {UNTRUSTED}",
    risk=Risk.WRITE,
    narrowing=Narrowing.PARENT,
    tier=Tier.PRODUCTION,
    input_schema=schema({"ticket_id": whole("Id of the ticket."), "note": _TEXT}, required=("ticket_id", "note")),
    output=Output("note", NOTE, many=False),
    run=_add_note,
    guard=TICKET_OF_CUSTOMER,
    preview=_NOTED,
)
REPLY = Tool(
    name="reply_to_customer",
    title="Write to the customer",
    description=f"A note that the customer sees, and may get by e-mail: it cannot be taken back. {UNTRUSTED}",
    risk=Risk.DESTRUCTIVE,
    narrowing=Narrowing.PARENT,
    tier=Tier.PRODUCTION,
    input_schema=schema({"ticket_id": whole("Id of the ticket."), "note": _TEXT}, required=("ticket_id", "note")),
    output=Output("note", NOTE, many=False),
    run=_reply,
    guard=TICKET_OF_CUSTOMER,
    preview=_REPLIED,
)
WRITES = (CREATE_TICKET, UPDATE_TICKET, ADD_NOTE, REPLY)
