"""The small world of the stub: two service providers, three clients each, made-up tickets that never change."""

from collections.abc import Iterator
from typing import Any

from connectors.stub.world import CLIENTS, FABRIKAM, NORTHWIND, Account, marker

TICKETS_PER_CLIENT = 40

_SUMMARIES = (
    "Printer on the second floor prints blank pages",
    "Mailbox is full and cannot send",
    "VPN drops every ten minutes",
    "New starter needs an account on Monday",
    "Backup of the file server failed last night",
    "Laptop does not wake from sleep",
    "Shared drive is read-only since the update",
    "Licence for the design suite has expired",
)
_PEOPLE = ("Robin Hale", "Sam Okafor", "Jo Lindqvist", "Lee Marsh")
CREDENTIALS = {
    "northwind-api": Account("stub-northwind-9f2c41d7a86be035", NORTHWIND),
    "fabrikam-api": Account("stub-fabrikam-3b7e90c2f51ad864", FABRIKAM),
}


def ticket(number: int) -> dict[str, Any] | None:
    client, position = number // 1000, number % 1000
    if client not in CLIENTS or not 1 <= position <= TICKETS_PER_CLIENT:
        return None
    person = _PEOPLE[position % len(_PEOPLE)]
    mark = marker(client)
    return {
        "id": number,
        "summary": f"{_SUMMARIES[position % len(_SUMMARIES)]} ({mark})",
        "client_id": client,
        "client_name": CLIENTS[client],
        "site_id": client * 10,
        "site_name": f"Main office {mark}",
        "user_id": client * 100 + position % len(_PEOPLE),
        "user_name": f"{person} {mark}",
        "status_id": 9 if position % 5 == 0 else 1 + position % 3,
        "priority_id": 1 + position % 4,
        "tickettype_id": 1,
        "agent_id": 3 + position % 2,
        "team": "Service Desk",
        "category_1": "Hardware>Desktop",
        "sla_id": 1,
        "slastate": "I",
        "onhold": False,
        "dateoccurred": f"2026-10-{1 + position % 28:02d}T08:{position % 60:02d}:00",
        "lastactiondate": f"2026-11-{1 + position % 19:02d}T10:{position % 60:02d}:00",
        "respondbydate": f"2026-11-{1 + position % 19:02d}T12:00:00",
        "fixbydate": f"2026-11-{1 + position % 19:02d}T17:00:00",
        "dateclosed": "2026-11-18T09:00:00" if position % 5 == 0 else None,
        "lastaction": {"id": 1, "client_id": client, "who": person, "note": f"Called back. {mark}"},
    }


def detailed(number: int) -> dict[str, Any] | None:
    row = ticket(number)
    if row is None:
        return None
    return {
        **row,
        "details": f"Reported by telephone. {marker(row['client_id'])}",
        "details_html": f"<p>Reported by telephone. {marker(row['client_id'])}</p>",
        "customfields": [],
        "child_ticket_ids": [],
        "child_tickets": [],
    }


def all_tickets() -> Iterator[dict[str, Any]]:
    numbers = (client * 1000 + position for position in range(1, TICKETS_PER_CLIENT + 1) for client in CLIENTS)
    return (row for row in map(ticket, numbers) if row is not None)


def actions(number: int) -> list[dict[str, Any]]:
    """The conversation of a ticket."""
    mark = marker(number // 1000)
    return [
        {
            "id": position,
            "ticket_id": number,
            "outcome": "Note" if position == 1 else "E-mail to the user",
            "who": _PEOPLE[position % len(_PEOPLE)],
            "datetime": f"2026-11-0{position}T09:00:00",
            "note": f"Step {position}. {mark}",
            "hiddenfromuser": position == 1,
            "timetaken": 0.25,
        }
        for position in (1, 2, 3)
    ]


def assets(client: int) -> list[dict[str, Any]]:
    mark = marker(client)
    return [
        {
            "id": client * 1000 + position,
            "client_id": client,
            "inventory_number": f"PC-{client}-{position:03d}",
            "key_field": f"laptop-{position} {mark}",
            "assettype_name": "Laptop",
            "site_name": f"Main office {mark}",
            "inactive": position % 7 == 0,
            "warranty_end": f"2027-0{1 + position % 9}-01T00:00:00",
            "teamviewerpassword": f"CANARY-{client}-{position}",
            "fields": [
                {"id": 1, "name": "CPU", "value": f"8 cores {mark}"},
                {"id": 2, "name": "Local admin password", "value": f"CANARY-field-{client}"},
            ],
        }
        for position in range(1, 13)
    ]


def users(client: int) -> list[dict[str, Any]]:
    mark = marker(client)
    return [
        {
            "id": client * 100 + position,
            "client_id": client,
            "name": f"{person} {mark}",
            "emailaddress": f"person{position}@client{client}.example",
            "site_name": f"Main office {mark}",
            "inactive": False,
            "new_password": "",
        }
        for position, person in enumerate(_PEOPLE)
    ]


def contracts(client: int) -> list[dict[str, Any]]:
    mark = marker(client)
    dates = {"start_date": "2026-01-01T00:00:00", "end_date": "2026-12-31T00:00:00"}
    return [{"id": client * 10 + 1, "client_id": client, "ref": f"MSA-{client} {mark}", **dates}]
