"""The small world of the stub: three organisations each of two service providers, twelve devices in each."""

from typing import Any

from connectors.stub.world import CLIENTS, FABRIKAM, NORTHWIND, Account, marker, uuid_of

CREDENTIALS = {
    "northwind-api": Account("stub-ninja-northwind-4e1f7a90c82d", NORTHWIND),
    "fabrikam-api": Account("stub-ninja-fabrikam-b06d23f9e714", FABRIKAM),
}
LONGEST_PAGE = 1000
DEVICES = 12
_SEEN = 1764230400.0


def organization(client: int) -> dict[str, Any]:
    return {"id": client, "name": CLIENTS[client], "description": marker(client), "nodeApprovalMode": "AUTOMATIC",
            "userData": {}}  # fmt: skip


def devices(client: int) -> list[dict[str, Any]]:
    return [
        {
            "id": client * 1000 + position,
            "uid": uuid_of(client, position),
            "organizationId": client,
            "locationId": client * 10,
            "nodeClass": "WINDOWS_WORKSTATION",
            "approvalStatus": "APPROVED",
            "offline": position % 5 == 0,
            "displayName": f"Desk {position} {marker(client)}",
            "systemName": f"WS-{client}-{position:03d}",
            "dnsName": f"ws{position}.client{client}.example",
            "created": 1700000000.0,
            "lastContact": _SEEN + position,
            "userData": {"localAdminPassword": f"CANARY-laps-{client}"},
            "tags": [marker(client)],
            "references": {
                "organization": {"id": client, "name": CLIENTS[client]},
                "warranty": {"startDate": 1700000000.0, "endDate": 1800000000.0},
            },
        }
        for position in range(1, DEVICES + 1)
    ]


def described(row: dict[str, Any]) -> dict[str, Any]:
    mark = marker(row["organizationId"])
    return {
        **row,
        "ipAddresses": [f"10.{row['organizationId']}.0.{row['id'] % 1000}", "fe80::1"],
        "publicIP": "198.51.100.7",
        "deviceType": "WORKSTATION",
        "notes": [{"text": f"Third floor. {mark}"}],
        "os": {"name": "Windows 11 Professional Edition", "needsReboot": True},
        "system": {"manufacturer": "Lenovo", "model": "T14", "serialNumber": f"SN-{row['id']}"},
        "bitlocker": {"recoveryKey": f"CANARY-bitlocker-{row['id']}"},
    }


def alerts(client: int) -> list[dict[str, Any]]:
    kinds = ("AGENT_OFFLINE", "CONDITION_AGENT_DISK_FREE_SPACE", "CONDITION_AGENT_CVSS_SCORE")
    return [
        {
            "uid": uuid_of(client, 500 + position),
            "deviceId": client * 1000 + position,
            "message": f"Look at it. {marker(client)}",
            "subject": f"Something is wrong on WS-{client}-{position:03d}",
            "createTime": _SEEN,
            "updateTime": _SEEN + 60,
            "sourceType": kind,
            "severity": "MAJOR",
            "priority": "HIGH",
            "conditionName": f"Condition {position}",
            "conditionHealthStatus": "UNHEALTHY",
            "device": {"id": client * 1000 + position, "displayName": f"Desk {position} {marker(client)}"},
        }
        for position, kind in enumerate(kinds, 1)
    ]


def health(client: int) -> list[dict[str, Any]]:
    return _on_each(client, {"healthStatus": "NEEDS_ATTENTION", "offline": False, "alertCount": 1,
                             "activeThreatsCount": 0, "pendingOSPatchesCount": 3, "failedOSPatchesCount": 1,
                             "criticalVulnerabilityCount": 2, "highVulnerabilityCount": 5,
                             "pendingRebootReason": marker(client), "avInstallStatus": "INSTALLED"})  # fmt: skip


def os_patches(client: int) -> list[dict[str, Any]]:
    return _on_each(client, {"id": uuid_of(client, 700), "name": f"Cumulative update {marker(client)}",
                             "severity": "CRITICAL", "status": "FAILED", "type": "SECURITY_UPDATES",
                             "kbNumber": "KB5068861", "installedAt": None, "timestamp": _SEEN})  # fmt: skip


def software_patches(client: int) -> list[dict[str, Any]]:
    return _on_each(client, {"id": uuid_of(client, 701), "title": f"Browser 143 {marker(client)}", "impact": "CRITICAL",
                             "status": "MANUAL", "type": "PATCH", "timestamp": _SEEN})  # fmt: skip


def antivirus(client: int) -> list[dict[str, Any]]:
    return _on_each(client, {"productName": f"Defender {marker(client)}", "productState": "ON",
                             "definitionStatus": "Up-to-Date", "version": "4.18", "timestamp": _SEEN})  # fmt: skip


def threats(client: int) -> list[dict[str, Any]]:
    return _on_each(client, {"name": f"Trojan.Gen {marker(client)}", "level": "HIGH", "status": "QUARANTINED",
                             "type": "FILE", "category": "TROJAN", "timestamp": _SEEN})[:2]  # fmt: skip


def software(client: int) -> list[dict[str, Any]]:
    return _on_each(client, {"name": f"Design suite {marker(client)}", "version": "26.1", "publisher": "Acme",
                             "productCode": f"CANARY-licence-{client}", "isSystemComponent": False,
                             "installDate": "2026-04-01T00:00:00Z"})  # fmt: skip


def backup_jobs(client: int) -> list[dict[str, Any]]:
    return [{"jobId": uuid_of(client, 800 + position), "organizationId": client, "deviceId": client * 1000 + position,
             "jobStatus": "COMPLETED", "planName": f"Nightly {marker(client)}", "planType": "FILE_FOLDER",
             "jobStartTime": _SEEN, "jobEndTime": _SEEN + 600, "totalStoredBytes": 1_000_000}
            for position in range(1, 4)]  # fmt: skip


def documents(client: int) -> list[dict[str, Any]]:
    mark = marker(client)
    fields = [{"name": "Firewall", "value": f"FortiGate {mark}"}, {"name": "wifiPassword", "value": f"CANARY-{client}"},
              {"name": "Contacts", "value": {"entityId": 21, "name": "CANARY-linked"}}]  # fmt: skip
    return [{"documentId": client * 10 + 1, "organizationId": client, "documentName": f"Network {mark}",
             "documentDescription": mark, "documentTemplateName": "Network", "documentUpdateTime": _SEEN,
             "fields": fields}]  # fmt: skip


def activities(client: int) -> list[dict[str, Any]]:
    return [{"id": client * 100_000 + position, "deviceId": client * 1000 + position, "activityTime": _SEEN,
             "activityType": "CONDITION", "statusCode": "TRIGGERED", "status": "Condition Triggered",
             "activityResult": "SUCCESS", "severity": "MAJOR", "priority": "HIGH",
             "subject": f"Disk space {marker(client)}", "message": f"Below ten percent. {marker(client)}",
             "data": {"message": {"token": f"CANARY-{client}"}}} for position in range(1, 9)]  # fmt: skip


def _on_each(client: int, row: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**row, "deviceId": client * 1000 + position} for position in range(1, DEVICES + 1)]
