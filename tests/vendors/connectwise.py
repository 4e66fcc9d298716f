from tests.vendors.case import Case

GUID = "1f2e3d4c-0000-4000-8000-00000000abcd"
CASE = Case(
    connector="connectwise",
    settings=lambda url, account: {
        "base_url": url, "company_id": "northwind", "public_key": account, "client_id": GUID
    },
    secret=lambda secret: {"private_key": secret},
    calls={
        "list_tickets": lambda _client: {"state": "all", "limit": 100},
        "get_ticket": lambda client: {"ticket_id": client * 1000 + 3},
        "list_notes": lambda client: {"ticket_id": client * 1000 + 3, "internal": True},
        "list_statuses": lambda client: {"ticket_id": client * 1000 + 3},
        "sla_times": lambda _client: {"limit": 100},
        "list_configurations": lambda _client: {"inactive": True},
        "get_configuration": lambda client: {"configuration_id": client * 1000 + 3},
        "list_contacts": lambda _client: {},
        "list_agreements": lambda _client: {},
        "list_agreement_additions": lambda client: {"agreement_id": client * 10 + 1},
        "list_time": lambda _client: {"since": "2026-11-01", "until": "2026-11-30"},
        "create_ticket": lambda client: {"summary": f"New {client}", "description": "Please look.", "board_id": 62},
        "update_ticket": lambda client: {"ticket_id": client * 1000 + 3, "status_id": 2, "owner_id": 150},
        "add_note": lambda client: {"ticket_id": client * 1000 + 3, "note": "Looked at."},
        "reply_to_customer": lambda client: {"ticket_id": client * 1000 + 3, "note": "It works again."},
    },
)  # fmt: skip
