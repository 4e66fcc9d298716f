"""The small world of the stub: three organisations each of two service providers, in JSON:API."""

from typing import Any

from connectors.stub.world import CLIENTS, FABRIKAM, NORTHWIND, Account, marker

CREDENTIALS = {
    "northwind-api": Account("ITG.stub-northwind-8d31c5f7a094", NORTHWIND),
    "fabrikam-api": Account("ITG.stub-fabrikam-27ae9b60d1fc", FABRIKAM),
}
TYPES = {5: "Network", 6: "Backup"}
_DATES = {"created-at": "2026-02-01T10:00:00.000Z", "updated-at": "2026-11-10T08:30:00.000Z"}


def organization(client: int) -> dict[str, Any]:
    held: dict[str, Any] = {
        "name": CLIENTS[client],
        "short-name": f"{client}",
        "organization-status-name": "Active",
        "organization-type-name": "Customer",
        "alert": f"Ask for the owner first. {marker(client)}",
        "quick-notes": f"<p>Closed on Fridays. {marker(client)}</p>",
        "parent-id": None,
        "ancestor-ids": [],
        **_DATES,
    }
    return {"id": str(client), "type": "organizations", "attributes": held, "relationships": {}}  # fmt: skip


def configurations(client: int) -> list[dict[str, Any]]:
    return [
        _row(client, client * 1000 + position, "configurations", {
            "name": f"SRV-{position:02d} {marker(client)}",
            "hostname": f"srv{position}.client{client}.example",
            "primary-ip": f"10.{client}.0.{position}",
            "mac-address": f"00:15:5d:00:{client}:{position:02d}",
            "serial-number": f"SN-{client}-{position}",
            "asset-tag": None,
            "configuration-type-id": 3,
            "configuration-type-name": "Server",
            "configuration-status-name": "Active",
            "operating-system-name": "Windows Server 2025",
            "warranty-expires-at": "2027-06-30",
            "archived": False,
            "notes": f"Boots slowly. {marker(client)}",
            "my-glue": False,
            "configuration-interfaces": [{"notes": f"CANARY-interface-{client}"}],
        })
        for position in range(1, 13)
    ]  # fmt: skip


def flexible_asset_types() -> list[dict[str, Any]]:
    return [{"id": str(number), "type": "flexible-asset-types", "attributes": {"name": name, "enabled": True}}
            for number, name in TYPES.items()]  # fmt: skip


def flexible_assets(client: int) -> list[dict[str, Any]]:
    mark = marker(client)
    return [
        _row(client, client * 100 + number, "flexible-assets", {
            "name": f"{name} {mark}",
            "flexible-asset-type-id": number,
            "flexible-asset-type-name": name,
            "archived": False,
            "resource-url": f"https://glue.example/{client}/assets/CANARY-url",
            "traits": {
                "subnet": f"10.{client}.0.0/24 {mark}",
                "vlan": 40,
                "admin-password": f"CANARY-trait-{client}",
                "wifi-key": f"CANARY-wifi-{client}",
                "contact": {"type": "Contacts", "values": [{"id": 1, "organization-name": "CANARY-linked"}]},
            },
        })
        for number, name in TYPES.items()
    ]  # fmt: skip


def contacts(client: int) -> list[dict[str, Any]]:
    people = (("Robin", "Hale"), ("Sam", "Okafor"), ("Jo", "Lindqvist"))
    return [
        _row(client, client * 100 + position, "contacts", {
            "name": f"{first} {last} {marker(client)}",
            "first-name": first,
            "last-name": last,
            "title": "Office manager",
            "contact-type-name": "Approver",
            "contact-emails": [
                {"primary": True, "value": f"{first.lower()}@client{client}.example", "label-name": "Work"},
            ],
            "contact-phones": [{"primary": True, "value": "5550100", "label-name": "Work"}],
            "important": position == 1,
            "notes": marker(client),
        })
        for position, (first, last) in enumerate(people, 1)
    ]  # fmt: skip


def locations(client: int) -> list[dict[str, Any]]:
    held = {"name": f"Main office {marker(client)}", "primary": True, "address-1": "1 High Street",
            "city": "Springfield", "postal-code": "12345", "country-name": "United States", "phone": "5550100",
            "notes": None}  # fmt: skip
    return [_row(client, client * 10 + 1, "locations", held)]


def domains(client: int) -> list[dict[str, Any]]:
    held = {"name": f"client{client}.example {marker(client)}", "registrar-name": "Acme Names",
            "expires-on": "2027-01-31", "notes": None}  # fmt: skip
    return [_row(client, client * 10 + 2, "domains", held)]


def expirations(client: int) -> list[dict[str, Any]]:
    return [
        _row(client, client * 10 + position, "expirations", {
            "expiration-date": f"2026-12-{position:02d}",
            "resource-id": client * 1000 + position,
            "resource-name": f"SRV-{position:02d} {marker(client)}",
            "resource-type-name": "Configuration",
            "resource-attribute-name": "warranty_expires_at",
        })
        for position in (1, 2, 3)
    ]  # fmt: skip


def documents(client: int) -> list[dict[str, Any]]:
    return [
        _row(client, client * 100 + position, "documents", {
            "name": f"Runbook {position} {marker(client)}",
            "document-folder-id": None,
            "public": False,
            "sections": [
                {"resource-type": "Document::Heading", "rendered-content": f"<h2>First {marker(client)}</h2>"},
                {"resource-type": "Document::Text", "rendered-content": f"<p>Then. {marker(client)}</p>"},
            ],
        })
        for position in (1, 2, 3)
    ]  # fmt: skip


def _row(client: int, number: int, kind: str, held: dict[str, Any]) -> dict[str, Any]:
    attributes = {"organization-id": client, "organization-name": CLIENTS[client], **held, **_DATES}
    return {"id": str(number), "type": kind, "attributes": attributes, "relationships": {}}
