"""HaloPSA's tools that read.

Only typed, listed arguments reach the vendor; the customer is put in here, never by the caller.
"""

from collections.abc import Callable, Mapping
from typing import Any

from connectors.arguments import page_of, pages, schema, whole, words
from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Parent, Risk, Run, Tier, Tool
from connectors.narrowing import Owner
from connectors.paging import listed
from connectors.shapes import Shape
from connectors.vendors.halopsa.client import HaloClient
from connectors.vendors.halopsa.shapes import (
    ACTION,
    ASSET,
    CONTRACT,
    LISTED_ASSET,
    LISTED_TICKET,
    OWNER,
    TICKET,
    USER,
)

_ORDERS = {
    "reported": "dateoccurred",
    "updated": "lastactiondate",
    "due": "fixbydate",
    "priority": "priority_id",
}
_MOST_ACTIONS = 100
Parameters = dict[str, str | int]


def _list_of(path: str, plural: str, shape: Shape, parameters: Callable[[Mapping[str, Any]], Parameters]) -> Run:
    def run(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
        client, asked = HaloClient(connection), parameters(arguments) | {OWNER: customer}
        page, limit = page_of(arguments)
        return listed(
            lambda number, size: client.page(path, plural, asked, number=number, size=size),
            owner=Owner(customer),
            shape=shape,
            page=page,
            limit=limit,
        )

    return run


def _ticket_parameters(arguments: Mapping[str, Any]) -> Parameters:
    parameters: Parameters = {"order": _ORDERS[arguments.get("order", "updated")]}
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
    return parameters


def _search_and_inactive(arguments: Mapping[str, Any]) -> Parameters:
    parameters: Parameters = {"includeinactive": "true" if arguments.get("inactive") else "false"}
    return parameters | ({"search": str(arguments["search"])} if "search" in arguments else {})


def _search(arguments: Mapping[str, Any]) -> Parameters:
    return {"search": str(arguments["search"])} if "search" in arguments else {}


def read_ticket(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    return Fetched([HaloClient(connection).get(f"/Tickets/{int(arguments['ticket_id'])}", {"includedetails": "true"})])


def _get_asset(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    return Fetched([HaloClient(connection).get(f"/Asset/{int(arguments['asset_id'])}", {"includedetails": "true"})])


def _list_actions(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    asked: Parameters = {"ticket_id": int(arguments["ticket_id"]), "count": _MOST_ACTIONS, "excludesys": "true"}
    asked["excludeprivate"] = "false" if arguments.get("private") else "true"
    rows = HaloClient(connection).rows("/Actions", "actions", asked)
    return Fetched(rows[:_MOST_ACTIONS], has_more=len(rows) >= _MOST_ACTIONS)


TICKET_OF_CUSTOMER = Parent(read=read_ticket, owner=OWNER)

LIST_TICKETS = Tool(
    name="list_tickets",
    title="List tickets",
    description=f"Tickets of the customer of this call, newest change first, a page at a time. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "state": {"type": "string", "enum": ["open", "closed", "all"], "default": "open"},
            "search": words("Words to look for.", most=100),
            "priority": whole("Priority id."),
            "agent_id": whole("Id of the agent a ticket is assigned to."),
            "requesttype": whole("Ticket type id."),
            "order": {"type": "string", "enum": list(_ORDERS), "default": "updated"},
            "descending": {"type": "boolean", "default": True},
            **pages(),
        }
    ),
    output=Output("tickets", LISTED_TICKET, many=True),
    run=_list_of("/Tickets", "tickets", LISTED_TICKET, _ticket_parameters),
)
GET_TICKET = Tool(
    name="get_ticket",
    title="Get a ticket",
    description=f"One ticket of the customer of this call, with its details. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.PRODUCTION,
    input_schema=schema({"ticket_id": whole("Id of the ticket.")}, required=("ticket_id",)),
    output=Output("ticket", TICKET, many=False),
    run=read_ticket,
)
LIST_ACTIONS = Tool(
    name="list_actions",
    title="List what was done to a ticket",
    description=f"The conversation of one ticket of the customer; private notes only when asked for. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARENT,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "ticket_id": whole("Id of the ticket."),
            "private": {
                "type": "boolean",
                "default": False,
                "description": "Notes that the customer does not see, too.",
            },
        },
        required=("ticket_id",),
    ),
    output=Output("actions", ACTION, many=True),
    run=_list_actions,
    guard=TICKET_OF_CUSTOMER,
)
LIST_ASSETS = Tool(
    name="list_assets",
    title="List assets",
    description=f"Assets of the customer of this call. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema(
        {
            "search": words("Words to look for.", most=100),
            "inactive": {"type": "boolean", "default": False, "description": "Those that are not in use, too."},
            **pages(),
        }
    ),
    output=Output("assets", LISTED_ASSET, many=True),
    run=_list_of("/Asset", "assets", LISTED_ASSET, _search_and_inactive),
)
GET_ASSET = Tool(
    name="get_asset",
    title="Get an asset",
    description=f"One asset of the customer of this call, with its fields. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.PRODUCTION,
    input_schema=schema({"asset_id": whole("Id of the asset.")}, required=("asset_id",)),
    output=Output("asset", ASSET, many=False),
    run=_get_asset,
)
LIST_USERS = Tool(
    name="list_users",
    title="List the customer's people",
    description=f"Users of the customer of this call: personal data. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.IDENTITY,
    input_schema=schema(
        {
            "search": words("Words to look for.", most=100),
            "inactive": {"type": "boolean", "default": False, "description": "Those who have left, too."},
            **pages(),
        }
    ),
    output=Output("users", USER, many=True),
    run=_list_of("/Users", "users", USER, _search_and_inactive),
)
LIST_CONTRACTS = Tool(
    name="list_contracts",
    title="List contracts",
    description=f"Contracts with the customer of this call. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
    input_schema=schema({"search": words("Words to look for.", most=100), **pages()}),
    output=Output("contracts", CONTRACT, many=True),
    run=_list_of("/ClientContract", "contracts", CONTRACT, _search),
)
READS = (LIST_TICKETS, GET_TICKET, LIST_ACTIONS, LIST_ASSETS, GET_ASSET, LIST_USERS, LIST_CONTRACTS)
