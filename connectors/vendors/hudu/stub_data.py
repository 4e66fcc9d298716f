"""The small world of the stub: three clients each of two service providers, and what is written down of them."""

from typing import Any

from connectors.stub.world import CLIENTS, FABRIKAM, NORTHWIND, Account, marker, website_of

CREDENTIALS = {
    "northwind-api": Account("stub-hudu-northwind-7c20be914fd3", NORTHWIND),
    "fabrikam-api": Account("stub-hudu-fabrikam-51ea8d06c7b2", FABRIKAM),
}
_DATES = {"created_at": "2026-03-02T09:00:00.000Z", "updated_at": "2026-11-12T16:20:00.000Z"}
_TITLES = ("How to onboard a new starter", "Printer on the second floor", "VPN for home offices", "Backup and restore",
           "Who to call at night", "Firewall changes")  # fmt: skip


def company(client: int) -> dict[str, Any]:
    return {
        "id": client,
        "slug": f"company-{client}",
        "name": CLIENTS[client],
        "nickname": f"{CLIENTS[client].split()[0]} {marker(client)}",
        "company_type": "Customer",
        "website": website_of(client),
        "id_number": f"C-{client}",
        "address_line_1": "1 High Street",
        "city": "Springfield",
        "archived": False,
        "parent_company_id": None,
        "notes": f"Opening hours 8 to 17. {marker(client)}",
        "passwords_url": f"https://hudu.example/c/{client}/passwords",
        "integrations": [{"id": client * 7, "integrator_name": "halo", "sync_id": str(client)}],
        **_DATES,
    }


def articles(client: int) -> list[dict[str, Any]]:
    return [
        {
            "id": client * 1000 + position,
            "slug": f"article-{client}-{position}",
            "name": f"{title} ({marker(client)})",
            "content": f"<p>Step by step. {marker(client)}</p>",
            "draft": False,
            "folder_id": None,
            "enable_sharing": position == 1,
            "share_url": f"https://hudu.example/shared/CANARY-share-{client}-{position}",
            "company_id": client,
            "public_photos": [],
            **_DATES,
        }
        for position, title in enumerate(_TITLES, 1)
    ]


def assets(client: int) -> list[dict[str, Any]]:
    mark = marker(client)
    return [
        {
            "id": client * 1000 + position,
            "company_id": client,
            "company_name": f"{CLIENTS[client]} {mark}",
            "asset_layout_id": 3,
            "asset_type": "Server",
            "name": f"SRV-{position:02d} {mark}",
            "primary_serial": f"SN-{client}-{position}",
            "primary_mail": None,
            "primary_model": "R650",
            "primary_manufacturer": "Dell",
            "archived": False,
            "fields": [
                {"id": 1, "label": "CPU", "value": f"16 cores {mark}", "position": 1},
                {"id": 2, "label": "Local admin password", "value": f"CANARY-asset-{client}", "position": 2},
                {"id": 3, "label": "iDRAC_pwd", "value": f"CANARY-idrac-{client}", "position": 3},
                {"id": 4, "label": "Host", "value": '[{"id": 21003, "name": "CANARY-other"}]', "position": 4},
                {"id": 5, "label": "Virtual", "value": True, "position": 5},
            ],
            "cards": [{"id": 5, "integrator_name": "ninja", "sync_id": client * 10 + position, "sync_type": "device",
                       "data": {"apiKey": f"CANARY-card-{client}"}}],
            **_DATES,
        }
        for position in range(1, 13)
    ]  # fmt: skip


def procedures(client: int) -> list[dict[str, Any]]:
    return [
        {
            "id": client * 100 + position,
            "name": f"Quarterly review {position} {marker(client)}",
            "description": f"What we look at. {marker(client)}",
            "company_id": client,
            "company_name": f"{CLIENTS[client]} {marker(client)}",
            "total": 4,
            "completed": position,
            "completion_percentage": f"{position * 25}%",
            "process_type": "company",
            "status": "in_progress",
            "run": True,
            "share_url": f"https://hudu.example/p/CANARY-run-{client}",
            **_DATES,
        }
        for position in (1, 2)
    ]


def tasks(procedure: int) -> list[dict[str, Any]]:
    mark = marker(procedure // 100)
    return [
        {
            "id": procedure * 10 + position,
            "procedure_id": procedure,
            "name": f"Look at the backups {mark}",
            "description": f"All of them. {mark}",
            "position": position,
            "priority": "normal",
            "due_date": "2026-12-01",
            "completed": position == 1,
            "completion_notes": None,
            "first_assigned_user_name": "Robin Hale",
            "assigned_users": [3],
            "optional": False,
        }
        for position in (1, 2, 3, 4)
    ]


def networks(client: int) -> list[dict[str, Any]]:
    mark = marker(client)
    return [{"id": client * 10 + 1, "company_id": client, "name": f"Office LAN {mark}",
             "address": f"10.{client}.0.0/24", "network_type": 0, "vlan_id": client * 10 + 2,
             "description": mark, "notes": f"Flat. {mark}",
             "settings": {"snmp": f"CANARY-snmp-{client}"}, **_DATES}]  # fmt: skip


def addresses(client: int) -> list[dict[str, Any]]:
    return [{"id": client * 100 + last, "address": f"10.{client}.0.{last}", "status": "assigned",
             "fqdn": f"host{last}.client{client}.example", "description": f"Printer {marker(client)}", "notes": None,
             "asset_id": client * 1000 + 1, "network_id": client * 10 + 1, "company_id": client}
            for last in range(10, 14)]  # fmt: skip


def vlans(client: int) -> list[dict[str, Any]]:
    return [{"id": client * 10 + 2, "company_id": client, "name": f"Voice {marker(client)}", "vlan_id": 40,
             "description": None, "notes": None, "networks_count": 1, **_DATES}]  # fmt: skip


def expirations(client: int) -> list[dict[str, Any]]:
    kinds = (("domain", "Website"), ("ssl_certificate", "Website"), ("warranty", "Asset"))
    return [{"id": client * 10 + number, "company_id": client, "account_id": 1, "date": f"2026-12-{10 + number}",
             "expiration_type": kind, "expirationable_type": what, "expirationable_id": client * 1000 + number,
             "archived_at": None, "note": marker(client)} for number, (kind, what) in enumerate(kinds, 1)]  # fmt: skip


def websites(client: int) -> list[dict[str, Any]]:
    return [{"id": client * 10 + 5, "company_id": client, "name": f"https://client{client}.example {marker(client)}",
             "status": "ready", "monitoring_status": "up", "code": 200, "message": "OK", "paused": False,
             "headers": {"set-cookie": f"CANARY-cookie-{client}"}, "enable_dmarc_tracking": True,
             "enable_dkim_tracking": False, "enable_spf_tracking": True, "notes": None,
             "monitored_at": "2026-11-20T07:00:00.000Z"}]  # fmt: skip
