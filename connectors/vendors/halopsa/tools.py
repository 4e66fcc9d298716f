"""HaloPSA's tools. Only typed, listed arguments reach the vendor; the customer is put in here, never by the caller."""

from collections.abc import Mapping
from typing import Any

from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Risk, Tier, Tool
from connectors.narrowing import Owner, narrow
from connectors.shapes import SCHEMA, Field, Kind, Nested, Shape
from connectors.vendors.halopsa.client import HaloClient

OWNER = "client_id"
# Pages read when the vendor does not keep to the customer and the rows have to be picked out of everybody's.
_WALK_PAGES = 5
_WALK_SIZE = 100
_ORDERS = {
    "reported": "dateoccurred",
    "updated": "lastactiondate",
    "due": "fixbydate",
    "priority": "priority_id",
}

_PERSON_OR_PLACE = Shape(OWNER, (Field("id", Kind.INTEGER, required=True), Field("name")))
_ACTION = Shape(
    OWNER,
    (
        Field("id", Kind.INTEGER, required=True),
        Field("who"),
        Field("datetime"),
        Field("note", max_length=4000, description="Untrusted text."),
    ),
)
_CHILD = Shape(
    OWNER,
    (
        Field("id", Kind.INTEGER, required=True),
        Field("summary", max_length=500, description="Untrusted text."),
        Field("status_id", Kind.INTEGER),
    ),
)
_TICKET_FIELDS = (
    Field("id", Kind.INTEGER, required=True),
    Field("client_id", Kind.INTEGER, required=True, description="The customer's id at the vendor."),
    Field("summary", max_length=500, description="Untrusted text."),
    Field("status_id", Kind.INTEGER),
    Field("priority_id", Kind.INTEGER),
    Field("tickettype_id", Kind.INTEGER),
    Field("agent_id", Kind.INTEGER),
    Field("team"),
    Field("user_name"),
    Field("site_name"),
    Field("category_1"),
    Field("dateoccurred", description="No zone is given by the vendor; read as UTC."),
    Field("lastactiondate"),
    Field("dateclosed"),
    Field("respondbydate"),
    Field("fixbydate"),
    Field("slastate"),
    Field("onhold", Kind.BOOLEAN),
)
_TICKET_NESTED = (
    Nested("user", _PERSON_OR_PLACE),
    Nested("site", _PERSON_OR_PLACE),
    Nested("last_action", _ACTION, source="lastaction"),
    Nested("child_tickets", _CHILD, many=True),
)
LISTED_TICKET = Shape(OWNER, _TICKET_FIELDS, _TICKET_NESTED)
TICKET = Shape(
    OWNER, (*_TICKET_FIELDS, Field("details", max_length=20_000, description="Untrusted text.")), _TICKET_NESTED
)


def _list_tickets(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    client, parameters = HaloClient(connection), _list_parameters(arguments, customer)
    limit, page = int(arguments.get("limit", 25)), int(arguments.get("page", 1))  # 2.0 is an integer to JSON Schema
    rows = client.page("/Tickets", "tickets", parameters, number=page, size=limit)
    if narrow(rows, owner=Owner(customer), shape=LISTED_TICKET).dropped == 0:
        return Fetched(rows[:limit], has_more=len(rows) >= limit)
    return _picked_out(client, parameters, Owner(customer), limit=limit, page=page)


def _picked_out(
    client: HaloClient, parameters: Mapping[str, str | int], owner: Owner, *, limit: int, page: int
) -> Fetched:
    """The vendor mixed customers, so its pages mean nothing: pages are counted over the kept rows alone."""
    kept: list[Any] = []
    dropped = unreadable = 0
    for rows in client.pages("/Tickets", "tickets", parameters, size=_WALK_SIZE, most=_WALK_PAGES):
        narrowed = narrow(rows, owner=owner, shape=LISTED_TICKET)
        kept += narrowed.rows
        dropped, unreadable = dropped + narrowed.dropped, unreadable + narrowed.unreadable
    start = (page - 1) * limit
    return Fetched(
        kept[start : start + limit], has_more=len(kept) > start + limit, dropped=dropped, unreadable=unreadable
    )


def _list_parameters(arguments: Mapping[str, Any], customer: str) -> dict[str, str | int]:
    parameters: dict[str, str | int] = {"order": _ORDERS[arguments.get("order", "updated")]}
    parameters["orderdesc"] = "true" if arguments.get("descending", True) else "false"
    state = arguments.get("state", "open")
    if state != "all":
        parameters[f"{state}_only"] = "true"
    for name in ("priority", "agent_id", "requesttype"):
        if name in arguments:
            parameters[name] = int(arguments[name])
    if "search" in arguments:
        parameters["search"] = str(arguments["search"])
    parameters["includelastaction"] = "true"
    parameters[OWNER] = customer
    return parameters


def _get_ticket(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    row = HaloClient(connection).get(f"/Tickets/{int(arguments['ticket_id'])}", {"includedetails": "true"})
    return Fetched([row])


def _whole(description: str, *, most: int = 2_147_483_647) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": most, "description": description}


LIST_TICKETS = Tool(
    name="list_tickets",
    title="List tickets",
    description=f"Tickets of the customer of this call, newest change first, a page at a time. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema={
        "$schema": SCHEMA,
        "type": "object",
        "properties": {
            "state": {"type": "string", "enum": ["open", "closed", "all"], "default": "open"},
            "search": {"type": "string", "minLength": 1, "maxLength": 100, "description": "Words to look for."},
            "priority": _whole("Priority id."),
            "agent_id": _whole("Id of the agent a ticket is assigned to."),
            "requesttype": _whole("Ticket type id."),
            "order": {"type": "string", "enum": list(_ORDERS), "default": "updated"},
            "descending": {"type": "boolean", "default": True},
            "limit": {**_whole("Rows per page.", most=100), "default": 25},
            "page": {**_whole("Page, from 1.", most=1000), "default": 1},
        },
        "additionalProperties": False,
    },
    output=Output("tickets", LISTED_TICKET, many=True),
    run=_list_tickets,
)

GET_TICKET = Tool(
    name="get_ticket",
    title="Get a ticket",
    description=f"One ticket of the customer of this call, with its details. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.PRODUCTION,
    input_schema={
        "$schema": SCHEMA,
        "type": "object",
        "properties": {"ticket_id": _whole("Id of the ticket.")},
        "required": ["ticket_id"],
        "additionalProperties": False,
    },
    output=Output("ticket", TICKET, many=False),
    run=_get_ticket,
)
