"""NinjaOne's tools that change something: each reads first whose device it is.

The vendor does not say what it answers to a change, so what is given out is the object itself: as it is afterwards
where it shows the change, and as it was before where it cannot.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.arguments import schema, uuid, whole
from connectors.contract import UNTRUSTED, Connection, Fetched, Narrowing, Output, Parent, Risk, Tier, Tool
from connectors.effects import Effect, Preview
from connectors.errors import ArgumentsInvalid
from connectors.vendors.ninjaone.client import NinjaClient
from connectors.vendors.ninjaone.lists import device_filter, devices_of
from connectors.vendors.ninjaone.reads import DEVICE_ID, DEVICE_OF_CUSTOMER, GET_DEVICE, read_device
from connectors.vendors.ninjaone.shapes import DEVICE, FULL_DEVICE, OWNER, RESET_ALERT

_FEATURES = ("ALERTS", "PATCHING", "AVSCANS", "TASKS")
_RUN_AS = "system"
_WEEK = 7 * 24 * 60
# One line of what people write: no control characters, which a shell might take for an end.
_REASON = {"type": "string", "pattern": "^[^\\x00-\\x1f\\x7f]{1,300}$", "description": "Why, for the vendor's log."}
_PARAMETERS = {
    "type": "string",
    "pattern": "^[A-Za-z0-9 ._:/@=,+-]{0,500}$",
    "description": "Parameters of the script: letters, digits, spaces and . _ : / @ = , + -",
}


def _find_alert(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    """There is no alert by its id: it is looked for among the organisation's. An alert is its device's owner's."""
    wanted = str(arguments["alert_uid"]).lower()
    alerts = NinjaClient(connection).rows("/v2/alerts", "", device_filter(customer))
    found = [row for row in alerts if isinstance(row, dict) and str(row.get("uid")).lower() == wanted]
    devices = (
        {str(row.get("id")): row.get(OWNER) for row in _objects(devices_of(connection, customer))} if found else {}
    )
    return Fetched([{**row, OWNER: devices.get(str(row.get(DEVICE)))} for row in found])


def _objects(rows: list[Any]) -> list[dict[str, Any]]:
    return [row for row in rows if isinstance(row, dict)]


def _reset_alert(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    before = _find_alert(connection, arguments, customer)
    NinjaClient(connection).change("DELETE", f"/v2/alert/{str(arguments['alert_uid']).lower()}")
    return before


def _set_maintenance(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    now = int(time.time())
    window = {"start": now, "end": now + int(arguments["minutes"]) * 60, "reasonMessage": arguments["reason"]}
    body = {"disabledFeatures": sorted(set(arguments["features"])), **window}
    NinjaClient(connection).change("PUT", f"/v2/device/{int(arguments['device_id'])}/maintenance", body)
    return read_device(connection, arguments, customer)


def _run_script(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    script = int(arguments["script_id"])
    if script not in allowed_scripts(connection.settings):
        raise ArgumentsInvalid
    before = read_device(connection, arguments, customer)
    body = {"type": "SCRIPT", "id": script, "parameters": arguments.get("parameters", ""), "runAs": _RUN_AS}
    NinjaClient(connection).change("POST", f"/v2/device/{int(arguments['device_id'])}/script/run", body)
    return before


def allowed_scripts(settings: Mapping[str, Any]) -> frozenset[int]:
    """The scripts that an admin of the tenant has listed in the connection's settings; none is the default."""
    return frozenset(int(number) for number in re.findall(r"[0-9]+", str(settings.get("script_ids") or "")))


def _reboot(connection: Connection, arguments: Mapping[str, Any], customer: str) -> Fetched:
    before = read_device(connection, arguments, customer)
    path = f"/v2/device/{int(arguments['device_id'])}/reboot/NORMAL"
    NinjaClient(connection).change("POST", path, {"reason": arguments["reason"]})
    return before


ALERT_OF_CUSTOMER = Parent(read=_find_alert, owner=OWNER, id="uid")

_LOOK = Preview(
    read=GET_DEVICE,
    kind="Device",
    name="systemName",
    by={"device_id": "device_id"},
    effects=(
        Effect("Out of reach", "offline"),
        Effect("Needs a restart", "needsReboot"),
        Effect("In maintenance", "maintenanceStatus"),
        Effect("System", "osName"),
    ),
)
_PAUSED = replace(
    _LOOK,
    effects=(Effect("In maintenance", "maintenanceStatus", becomes="From now, for the minutes that are asked for"),),
)
_SCRIPTED = replace(_LOOK, does="A script runs on it as the system; what it does, the script says.")
_RESTARTED = replace(_LOOK, does="It restarts, and whoever works on it is interrupted.")

RESET = Tool(
    name="reset_alert",
    title="Reset an alert",
    description=f"Takes an alert of the customer off the list; a cause that lasts may be hidden by it. {UNTRUSTED}",
    risk=Risk.WRITE,
    narrowing=Narrowing.PARENT,
    tier=Tier.ENDPOINT,
    input_schema=schema({"alert_uid": uuid("The alert's uid.")}, required=("alert_uid",)),
    output=Output("alert", RESET_ALERT, many=False),
    run=_reset_alert,
    guard=ALERT_OF_CUSTOMER,
)
MAINTENANCE = Tool(
    name="set_maintenance",
    title="Put a device into maintenance",
    description=f"Alerts, patching, scans or tasks of a device of the customer pause for a time. {UNTRUSTED}",
    risk=Risk.WRITE,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.ENDPOINT,
    input_schema=schema(
        {
            "device_id": DEVICE_ID,
            "features": {
                "type": "array",
                "items": {"type": "string", "enum": list(_FEATURES)},
                "minItems": 1,
                "maxItems": len(_FEATURES),
                "description": "What pauses.",
            },
            "minutes": whole("For how long.", most=_WEEK, least=5),
            "reason": _REASON,
        },
        required=("device_id", "features", "minutes", "reason"),
    ),
    output=Output("device", FULL_DEVICE, many=False),
    run=_set_maintenance,
    guard=DEVICE_OF_CUSTOMER,
    preview=_PAUSED,
)
RUN_SCRIPT = Tool(
    name="run_script",
    title="Run a script on a device",
    description=(
        "Runs one of the scripts that the connection's settings list, as the system, on a device of the customer. "
        f"It says that it was started, not how it ended: look for that in the activities. {UNTRUSTED}"
    ),
    risk=Risk.DESTRUCTIVE,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.ENDPOINT,
    input_schema=schema(
        {"device_id": DEVICE_ID, "script_id": whole("Id of a listed script."), "parameters": _PARAMETERS},
        required=("device_id", "script_id"),
    ),
    output=Output("device", FULL_DEVICE, many=False),
    run=_run_script,
    guard=DEVICE_OF_CUSTOMER,
    preview=_SCRIPTED,
)
REBOOT = Tool(
    name="reboot_device",
    title="Restart a device",
    description=f"Restarts a device of the customer in the orderly way, never by force. {UNTRUSTED}",
    risk=Risk.DESTRUCTIVE,
    narrowing=Narrowing.OWNER_ONLY,
    tier=Tier.ENDPOINT,
    input_schema=schema({"device_id": DEVICE_ID, "reason": _REASON}, required=("device_id", "reason")),
    output=Output("device", FULL_DEVICE, many=False),
    run=_reboot,
    guard=DEVICE_OF_CUSTOMER,
    preview=_RESTARTED,
)
WRITES = (RESET, MAINTENANCE, RUN_SCRIPT, REBOOT)
