from tests.vendors.case import Case

CASE = Case(
    connector="halopsa",
    settings=lambda url, account: {"base_url": url, "client_id": account},
    secret=lambda secret: {"client_secret": secret},
    calls={
        "list_tickets": lambda _client: {"state": "all", "limit": 100},
        "get_ticket": lambda client: {"ticket_id": client * 1000 + 3},
        "list_actions": lambda client: {"ticket_id": client * 1000 + 3, "private": True},
        "list_assets": lambda _client: {"limit": 100, "inactive": True},
        "get_asset": lambda client: {"asset_id": client * 1000 + 3},
        "list_users": lambda _client: {},
        "list_contracts": lambda _client: {},
        "create_ticket": lambda client: {"summary": f"New {client}", "details": "Please look."},
        "update_ticket": lambda client: {"ticket_id": client * 1000 + 3, "status_id": 2},
        "update_tickets": lambda client: {"ticket_ids": [client * 1000 + 3], "status_id": 2},
        "add_note": lambda client: {"ticket_id": client * 1000 + 3, "note": "Looked at."},
    },
)
