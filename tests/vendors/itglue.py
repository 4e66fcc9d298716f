from tests.vendors.case import Case

CASE = Case(
    connector="itglue",
    tells_domains=False,
    settings=lambda url, _account: {"base_url": url},
    secret=lambda secret: {"api_key": secret},
    calls={
        "get_organization": lambda _client: {},
        "list_configurations": lambda _client: {"limit": 100},
        "get_configuration": lambda client: {"configuration_id": client * 1000 + 3},
        "list_flexible_assets": lambda _client: {"type_id": 5},
        "list_contacts": lambda _client: {},
        "list_locations": lambda _client: {},
        "list_domains": lambda _client: {},
        "list_expirations": lambda _client: {},
        "list_documents": lambda _client: {},
        "get_document": lambda client: {"document_id": client * 100 + 2},
        "create_configuration": lambda client: {"name": f"SRV-{client}", "configuration_type_id": 3},
    },
)
