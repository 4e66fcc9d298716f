"""NinjaOne's tools that read."""

from collections.abc import Mapping
from typing import Any

from connectors.arguments import choice, page_of, pages, schema, whole, words
from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Parent, Risk, Run, Tier, Tool
from connectors.custom_fields import labelled, with_custom_fields
from connectors.narrowing import Owner
from connectors.paging import gathered, of_one_answer
from connectors.shapes import Shape
from connectors.vendors.ninjaone import lists
from connectors.vendors.ninjaone.client import NinjaClient
from connectors.vendors.ninjaone.shapes import (
    ACTIVITY,
    ALERT,
    ANTIVIRUS,
    BACKUP_JOB,
    DOCUMENT,
    FULL_DEVICE,
    HEALTH,
    LISTED_DEVICE,
    OS_PATCH,
    OWNER,
    SOFTWARE,
    SOFTWARE_PATCH,
    THREAT,
)

_MOST_FOUND = 200
_MOST_ACTIVITIES = 1000
_ACTIVITY_NAMES = {"type": "type", "status": "status"}
DEVICE_ID = whole("Id of the device.")


def _word(description: str) -> dict[str, Any]:
    """A value of a list of the vendor's that is not published: a word, so that it cannot be more than a value."""
    return {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]{0,59}$", "description": description}


def _list_devices(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    page, limit = page_of(arguments)
    found = NinjaClient(connection).after(f"/v2/organization/{int(customer)}/devices")
    return gathered(found, owner=Owner(customer), shape=LISTED_DEVICE, page=page, limit=limit)


def read_device(connection: Connection, arguments: Mapping[str, Any], _customer: str) -> Fetched:
    return Fetched([_described(NinjaClient(connection).get(f"/v2/device/{int(arguments['device_id'])}"))])


def _described(row: Any) -> Any:
    if not isinstance(row, dict):
        return row
    found = row.get("ipAddresses")
    listed = [address for address in found if isinstance(address, str)] if isinstance(found, list) else []
    return {**row, "addresses": ", ".join(listed) or None}


def _list_documents(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    rows = NinjaClient(connection).rows(f"/v2/organization/{int(customer)}/documents")
    rows = [_with_fields(row) for row in rows]
    page, limit = page_of(arguments)
    return of_one_answer(rows, owner=Owner(customer), shape=DOCUMENT, page=page, limit=limit)


def _with_fields(row: Any) -> Any:
    return with_custom_fields(row, labelled(row.get("fields"), label="name") if isinstance(row, dict) else [])


def _activity_parameters(arguments: Mapping[str, Any]) -> lists.Parameters:
    asked: lists.Parameters = {name: str(arguments[name]) for name in _ACTIVITY_NAMES if name in arguments}
    return asked | {"class": "DEVICE", "pageSize": _MOST_ACTIVITIES}


def _alert_parameters(arguments: Mapping[str, Any]) -> lists.Parameters:
    return {"sourceType": str(arguments["source_type"])} if "source_type" in arguments else {}


def _search_parameters(arguments: Mapping[str, Any]) -> lists.Parameters:
    return {"q": str(arguments["search"]), "limit": _MOST_FOUND}


DEVICE_OF_CUSTOMER = Parent(read=read_device, owner=OWNER)


def _listing(
    name: str,
    rows: tuple[str, Shape],
    run: Run,
    arguments: dict[str, Any],
    *,
    title: str,
    description: str,
    narrowing: Narrowing = Narrowing.PARENT,
    tier: Tier = Tier.ENDPOINT,
) -> Tool:
    """By default of rows that hang on the organisation's devices."""
    return Tool(
        name=name,
        title=title,
        description=f"{description} {UNTRUSTED}",
        risk=Risk.READ,
        narrowing=narrowing,
        tier=tier,
        input_schema=schema({**arguments, **pages()}),
        output=Output(*rows, many=True),
        run=run,
        guard=lists.DEVICES_OF_CUSTOMER if narrowing is Narrowing.PARENT else None,
    )


LIST_DEVICES = _listing(
    "list_devices",
    ("devices", LISTED_DEVICE),
    _list_devices,
    {},
    title="List devices",
    description="Devices of the customer of this call.",
    narrowing=Narrowing.PARAMETER_AND_OWNER,
)
GET_DEVICE = Tool(
    name="get_device",
    title="Get a device",
    description=f"One device of the customer of this call, with its system, addresses and notes. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.ENDPOINT,
    input_schema=schema({"device_id": DEVICE_ID}, required=("device_id",)),
    output=Output("device", FULL_DEVICE, many=False),
    run=read_device,
)
SEARCH_DEVICES = Tool(
    name="search_devices",
    title="Search devices",
    description=f"Devices of the customer of this call among the first that the vendor finds. {UNTRUSTED}",
    risk=Risk.READ,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.ENDPOINT,
    input_schema=schema(
        {"search": words("A name, address, serial number or user.", most=100), **pages()}, required=("search",)
    ),
    output=Output("devices", LISTED_DEVICE, many=True),
    run=lists.whole("/v2/devices/search", "devices", LISTED_DEVICE, _search_parameters, shared=True),
)
LIST_ALERTS = _listing(
    "list_alerts",
    ("alerts", ALERT),
    lists.whole("/v2/alerts", "", ALERT, _alert_parameters),
    {"source_type": _word("For example AGENT_OFFLINE or CONDITION_AGENT_CVSS_SCORE.")},
    title="List alerts",
    description="Conditions that hold on the customer's devices now.",
)
DEVICE_HEALTH = _listing(
    "list_device_health",
    ("devices", HEALTH),
    lists.report("/v2/queries/device-health", HEALTH, {"health": "health"}),
    {"health": choice(("UNHEALTHY", "NEEDS_ATTENTION", "HEALTHY", "UNKNOWN"), "Only devices in this state.")},
    title="List the health of devices",
    description="Alerts, threats, patches and counts of vulnerabilities for each device of the customer.",
)
OS_PATCHES = _listing(
    "list_os_patches",
    ("patches", OS_PATCH),
    lists.report("/v2/queries/os-patches", OS_PATCH, {name: name for name in ("status", "type", "severity")}),
    {
        "status": _word("For example MANUAL, APPROVED, REJECTED or FAILED."),
        "type": _word("For example SECURITY_UPDATES."),
        "severity": _word("For example CRITICAL."),
    },
    title="List patches of operating systems",
    description="Patches that wait, failed or were refused on the customer's devices.",
)
SOFTWARE_PATCHES = _listing(
    "list_software_patches",
    ("patches", SOFTWARE_PATCH),
    lists.report("/v2/queries/software-patches", SOFTWARE_PATCH, {name: name for name in ("status", "type", "impact")}),
    {
        "status": _word("For example MANUAL, APPROVED, REJECTED or FAILED."),
        "type": _word("PATCH or INSTALLER."),
        "impact": _word("For example CRITICAL."),
    },
    title="List patches of other software",
    description="Patches of third parties' software that wait, failed or were refused on the customer's devices.",
)
ANTIVIRUS_STATUS = _listing(
    "list_antivirus",
    ("products", ANTIVIRUS),
    lists.report("/v2/queries/antivirus-status", ANTIVIRUS, {"state": "productState"}),
    {"state": _word("For example ON, OFF or EXPIRED.")},
    title="List antivirus products",
    description="Antivirus products on the customer's devices, and whether they are on and up to date.",
)
ANTIVIRUS_THREATS = _listing(
    "list_threats",
    ("threats", THREAT),
    lists.report("/v2/queries/antivirus-threats", THREAT, {}),
    {},
    title="List threats that were found",
    description="What antivirus products found on the customer's devices.",
)
LIST_SOFTWARE = _listing(
    "list_software",
    ("software", SOFTWARE),
    lists.report("/v2/queries/software", SOFTWARE, {}),
    {},
    title="List software",
    description="Software on the customer's devices.",
)
BACKUP_JOBS = _listing(
    "list_backup_jobs",
    ("jobs", BACKUP_JOB),
    lists.report("/v2/backup/jobs", BACKUP_JOB, {}, whose=lambda _connection, customer: Owner(customer)),
    {},
    title="List backup jobs",
    description="Backups of the customer's devices, and how they ended.",
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.BACKUP,
)
LIST_DOCUMENTS = _listing(
    "list_documents",
    ("documents", DOCUMENT),
    _list_documents,
    {},
    title="List documents",
    description="What is written down of the customer of this call, with fields; secrets by name are masked.",
    narrowing=Narrowing.PARAMETER_AND_OWNER,
    tier=Tier.PRODUCTION,
)
LIST_ACTIVITIES = _listing(
    "list_activities",
    ("activities", ACTIVITY),
    lists.whole("/v2/activities", "activities", ACTIVITY, _activity_parameters),
    {"type": _word("For example CONDITION or PATCH_MANAGEMENT."), "status": _word("For example TRIGGERED.")},
    title="List what happened on devices",
    description="The latest thousand things that happened on the customer's devices.",
)
READS = (
    LIST_DEVICES,
    GET_DEVICE,
    SEARCH_DEVICES,
    LIST_ALERTS,
    DEVICE_HEALTH,
    OS_PATCHES,
    SOFTWARE_PATCHES,
    ANTIVIRUS_STATUS,
    ANTIVIRUS_THREATS,
    LIST_SOFTWARE,
    BACKUP_JOBS,
    LIST_DOCUMENTS,
    LIST_ACTIVITIES,
)
