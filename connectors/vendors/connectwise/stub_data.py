"""The small world of the stub: made-up records of three clients each, that never change."""

from collections.abc import Iterator
from typing import Any

from connectors.stub.world import CLIENTS, FABRIKAM, NORTHWIND, Account, marker, website_of

RELEASE = "v2026_4"
TICKETS_PER_CLIENT = 30
_SUMMARIES = (
    "Scanner does not send to the share",
    "Mail is delayed by an hour",
    "Phone system drops calls",
    "Leaver: close the account on Friday",
    "Backup of the database server failed",
)
_PEOPLE = (("Robin", "Hale"), ("Sam", "Okafor"), ("Jo", "Lindqvist"))
# By public key; the private keys open nothing but the stub.
CREDENTIALS = {
    "NorthwindPublic1": Account("stubNorthwindKey9f2c", NORTHWIND),
    "FabrikamPublic01": Account("stubFabrikamKey3b7e", FABRIKAM),
}
STATUSES = {1: "New", 2: "In Progress", 3: "Waiting", 9: "Closed"}


def company(client: int) -> dict[str, Any]:
    name = CLIENTS[client]
    link = {"company_href": f"https://stub.example/company/companies/{client}"}
    return {"id": client, "identifier": name.split()[0], "name": name, "website": website_of(client), "_info": link}


def ticket(number: int) -> dict[str, Any] | None:
    client, position = number // 1000, number % 1000
    if client not in CLIENTS or not 1 <= position <= TICKETS_PER_CLIENT:
        return None
    mark, closed = marker(client), position % 5 == 0
    person = " ".join(_PEOPLE[position % len(_PEOPLE)])
    return {
        "id": number,
        "summary": f"{_SUMMARIES[position % len(_SUMMARIES)]} ({mark})",
        "recordType": "ServiceTicket",
        "board": {"id": board_of(client), "name": "Help Desk"},
        "status": {"id": 9 if closed else 1, "name": STATUSES[9 if closed else 1]},
        "priority": {"id": 1 + position % 4, "name": f"Priority {1 + position % 4}", "sort": position % 4},
        "company": company(client),
        "site": {"id": client * 10, "name": f"Main office {mark}"},
        "siteName": f"Main office {mark}",
        "contact": {"id": client * 100, "name": f"{person} {mark}"},
        "contactName": f"{person} {mark}",
        "owner": {"id": 150, "identifier": "tech1", "name": "Tech One"},
        "team": {"id": 20, "name": "Service Team"},
        "severity": "Medium",
        "impact": "Low",
        "closedFlag": closed,
        "isInSla": position % 3 != 0,
        "slaStatus": "Respond by Fri 11/20 12:00 PM",
        "sla": {"id": 1, "name": "Standard SLA"},
        "dateResolved": "2026-11-18T09:00:00Z" if closed else None,
        "respondMinutes": 14,
        "resPlanMinutes": 60,
        "resolveMinutes": 0,
        "actualHours": 1.5,
        "customFields": [
            {"id": 1, "caption": "Asset tag", "type": "Text", "entryMethod": "EntryField", "value": f"TAG {mark}"},
            {
                "id": 2,
                "caption": "Remote PIN",
                "type": "Text",
                "entryMethod": "EntryField",
                "value": f"CANARY-{client}",
            },
        ],
        "_info": {"lastUpdated": f"2026-11-{1 + position % 19:02d}T10:00:00Z", "updatedBy": "tech1"},
    }


def with_goals(row: dict[str, Any]) -> dict[str, Any]:
    goals = ("respondByGoalUTC", "resplanGoalUTC", "resolutionGoalUTC")
    return row | dict.fromkeys(goals, "2026-11-20T17:00:00Z")


def all_tickets() -> Iterator[dict[str, Any]]:
    numbers = (client * 1000 + position for position in range(1, TICKETS_PER_CLIENT + 1) for client in CLIENTS)
    return (row for row in map(ticket, numbers) if row is not None)


def board_of(client: int) -> int:
    return client + 50


def statuses(board: int) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "name": name,
            "board": {"id": board, "name": "Help Desk"},
            "closedStatus": number == 9,  # noqa: PLR2004
            "defaultFlag": number == 1,
            "inactive": False,
        }
        for number, name in STATUSES.items()
    ]


def notes(number: int) -> list[dict[str, Any]]:
    mark = marker(number // 1000)
    return [
        {
            "id": number * 10 + position,
            "ticketId": number,
            "text": f"Step {position}. {mark}",
            "detailDescriptionFlag": position != 3,  # noqa: PLR2004
            "internalAnalysisFlag": position == 3,  # noqa: PLR2004
            "resolutionFlag": False,
            "member": {"id": 150, "identifier": "tech1", "name": "Tech One"},
            "createdBy": "tech1",
            "dateCreated": f"2026-11-0{position}T09:00:00Z",
        }
        for position in (1, 2, 3)
    ]


def configurations(client: int) -> list[dict[str, Any]]:
    mark = marker(client)
    return [
        {
            "id": client * 1000 + position,
            "name": f"LAPTOP-{position} {mark}",
            "company": company(client),
            "type": {"id": 4, "name": "Workstation"},
            "status": {"id": 1, "name": "Active"},
            "site": {"id": client * 10, "name": f"Main office {mark}"},
            "contact": {"id": client * 100, "name": f"Robin Hale {mark}"},
            "serialNumber": f"SN-{client}-{position:03d}",
            "ipAddress": f"10.{client}.0.{position}",
            "osInfo": "Windows 11",
            "warrantyExpirationDate": "2027-06-01T00:00:00Z",
            "activeFlag": position % 4 != 0,
            "notes": f"Second drive bay is empty. {mark}",
            "questions": [
                {"questionId": 1, "question": "Rack", "answer": f"R{position} {mark}"},
                {"questionId": 2, "question": "Administrator Password", "answer": f"CANARY-question-{client}"},
            ],
            "customFields": [{"id": 3, "caption": "BitLocker key", "value": f"CANARY-bitlocker-{client}"}],
        }
        for position in range(1, 10)
    ]


def contacts(client: int) -> list[dict[str, Any]]:
    mark = marker(client)
    return [
        {
            "id": client * 100 + position,
            "firstName": first,
            "lastName": f"{last} {mark}",
            "company": company(client),
            "site": {"id": client * 10, "name": f"Main office {mark}"},
            "title": "Office manager",
            "portalPassword": f"CANARY-portal-{client}",
            "portalSecurityLevel": 6,
            "inactiveFlag": False,
            "defaultFlag": position == 0,
            "communicationItems": [
                {"id": 1, "type": {"id": 1, "name": "Email"}, "communicationType": "Email",
                 "value": f"person{position}@client{client}.example", "defaultFlag": True},
            ],
        }
        for position, (first, last) in enumerate(_PEOPLE)
    ]  # fmt: skip


def agreements(client: int) -> list[dict[str, Any]]:
    mark = marker(client)
    return [
        {
            "id": client * 10 + position,
            "name": f"Managed services {position} {mark}",
            "company": company(client),
            "type": {"id": 2, "name": "Managed"},
            "agreementStatus": "Active",
            "startDate": "2026-01-01T00:00:00Z",
            "endDate": "2026-12-31T00:00:00Z",
            "noEndingDateFlag": False,
            "cancelledFlag": False,
            "billAmount": 1250.0,
        }
        for position in (1, 2)
    ]


def additions(agreement: int) -> list[dict[str, Any]]:
    mark, quantity = marker(agreement // 10), float(agreement // 10)
    return [
        {
            "id": agreement * 100 + position,
            "agreementId": agreement,
            "product": {"id": 7, "identifier": "M365-BP"},
            "invoiceDescription": f"Seats {mark}",
            "quantity": quantity,
            "unitPrice": 22.0,
            "unitCost": 17.35,
            "extPrice": 22.0 * quantity,
            "extCost": 17.35 * quantity,
            "margin": 55.8,
            "billCustomer": "Billable",
            "effectiveDate": "2026-01-01T00:00:00Z",
            "agreementStatus": "Active",
        }
        for position in (1, 2)
    ]


def time_entries(client: int) -> list[dict[str, Any]]:
    mark = marker(client)
    return [
        {
            "id": client * 1000 + position,
            "company": company(client),
            "chargeToType": "ServiceTicket",
            "chargeToId": client * 1000 + position,
            "ticket": {"id": client * 1000 + position, "summary": f"Something {mark}"},
            "member": {"id": 150, "identifier": "tech1", "name": "Tech One"},
            "timeStart": f"2026-11-{position:02d}T08:00:00Z",
            "timeEnd": f"2026-11-{position:02d}T09:30:00Z",
            "actualHours": 1.5,
            "billableOption": "Billable",
            "notes": f"Worked on it. {mark}",
            "hourlyRate": 95.0,
        }
        for position in range(1, 8)
    ]
