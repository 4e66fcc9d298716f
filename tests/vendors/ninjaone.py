from connectors.stub.world import uuid_of
from tests.vendors.case import Case

CASE = Case(
    connector="ninjaone",
    tells_domains=False,
    settings=lambda url, account: {"base_url": url, "client_id": account, "script_ids": "7, 12"},
    secret=lambda secret: {"client_secret": secret},
    calls={
        "list_devices": lambda _client: {"limit": 100},
        "get_device": lambda client: {"device_id": client * 1000 + 3},
        "search_devices": lambda _client: {"search": "WS"},
        "list_alerts": lambda _client: {},
        "list_device_health": lambda _client: {},
        "list_os_patches": lambda _client: {},
        "list_software_patches": lambda _client: {},
        "list_antivirus": lambda _client: {},
        "list_threats": lambda _client: {},
        "list_software": lambda _client: {},
        "list_backup_jobs": lambda _client: {},
        "list_documents": lambda _client: {},
        "list_activities": lambda _client: {},
        "reset_alert": lambda client: {"alert_uid": uuid_of(client, 502)},
        "set_maintenance": lambda client: {
            "device_id": client * 1000 + 3,
            "features": ["ALERTS"],
            "minutes": 60,
            "reason": "Disk is changed.",
        },
        "run_script": lambda client: {"device_id": client * 1000 + 3, "script_id": 12},
        "reboot_device": lambda client: {"device_id": client * 1000 + 3, "reason": "Updates are waiting."},
    },
    faults={"html": "vendor_throttled"},
)
