from tests.vendors.case import Case

CASE = Case(
    connector="hudu",
    settings=lambda url, _account: {"base_url": url},
    secret=lambda secret: {"api_key": secret},
    calls={
        "get_company": lambda _client: {},
        "search_articles": lambda _client: {},
        "get_article": lambda client: {"article_id": client * 1000 + 3},
        "list_assets": lambda _client: {"limit": 100},
        "get_asset": lambda client: {"asset_id": client * 1000 + 3},
        "list_procedures": lambda _client: {},
        "list_procedure_tasks": lambda client: {"procedure_id": client * 100 + 1},
        "list_networks": lambda _client: {},
        "list_ip_addresses": lambda _client: {},
        "list_vlans": lambda _client: {},
        "list_expirations": lambda _client: {},
        "list_websites": lambda _client: {},
        "create_article": lambda client: {"name": f"New {client}", "content": "<p>Text.</p>"},
        "create_asset": lambda client: {"name": f"SRV-{client}", "asset_layout_id": 3},
        "update_asset": lambda client: {
            "asset_id": client * 1000 + 3,
            "fields": [{"label": "Rack unit", "value": "4"}],
        },
    },
)
