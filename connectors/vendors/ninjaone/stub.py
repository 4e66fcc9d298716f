"""A NinjaOne to develop and test against.

python -m connectors.vendors.ninjaone.stub --port 8092 [--mode honest]
"""

import re
from collections.abc import Callable
from typing import Any

from connectors.stub.replies import Reply
from connectors.stub.server import give_token, main
from connectors.stub.world import CLIENTS, Ask, Route, Vendor, bearer
from connectors.vendors.ninjaone import stub_data as data

ORGANIZATION, DEVICE = "organizationId", "deviceId"
_SCOPES = {"monitoring", "management", "control"}
_FILTER = re.compile(r"org = ([0-9]+)\Z")
_DONE = Reply(204, b"", "application/json")
Rows = Callable[[int], list[dict[str, Any]]]


def _token(ask: Ask) -> Reply:
    form = ask.body or {}
    asked = set(form.get("scope", "").split())
    if form.get("grant_type") != "client_credentials" or not asked or asked - _SCOPES:
        return Reply.json({"error": "invalid_request"}, status=400)
    return give_token(ask, form.get("client_id", ""), form.get("client_secret", ""))


def _seen(make: Rows, ask: Ask, wanted: Any = None) -> list[dict[str, Any]]:
    return [row for client in CLIENTS if ask.shows(client, wanted) for row in make(client)]


def _filtered(make: Rows, ask: Ask) -> list[dict[str, Any]]:
    """By the device filter; one that it does not understand finds nothing."""
    given = ask.query.get("df")
    found = _FILTER.match(given or "")
    return _seen(make, ask, found.group(1) if found else "nobody" if given else None)


def _after(rows: list[dict[str, Any]], ask: Ask) -> list[dict[str, Any]]:
    last, size = int(ask.query.get("after", 0)), int(ask.query.get("pageSize", 50))
    return [row for row in sorted(rows, key=lambda row: int(row["id"])) if row["id"] > last][:size]


def _organizations(ask: Ask) -> Any:
    return _after([data.organization(client) for client in CLIENTS if ask.shows(client)], ask)


def _devices(ask: Ask) -> Any:
    return _after(_seen(data.devices, ask, ask.parts["id"]), ask)


def _device(ask: Ask) -> Any:
    number = int(ask.parts["id"])
    row = next((row for row in _seen(data.devices, ask) if row["id"] == number), None)
    return {**data.described(row), **ask.state.made.get(number, {})} if row else None


def _every_device(ask: Ask) -> Any:
    return _after(_seen(data.devices, ask), ask)


def _search(ask: Ask) -> Any:
    words = ask.query.get("q", "").casefold()
    rows = [row for row in _seen(data.devices, ask) if words in row["systemName"].casefold()]
    return {"query": words, "devices": rows[: int(ask.query.get("limit", 10))]}


def _alerts(ask: Ask) -> Any:
    rows = [row for row in _filtered(data.alerts, ask) if row["uid"] not in ask.state.made]
    return [row for row in rows if ask.query.get("sourceType", row["sourceType"]) == row["sourceType"]]


def _report(make: Rows, *filters: str) -> Callable[[Ask], Any]:
    """By a cursor, which is a place in the list here and anything at all in the real one."""

    def answer(ask: Ask) -> Any:
        rows = _filtered(make, ask)
        for name in filters:
            rows = [row for row in rows if ask.query.get(name, row.get(name)) == row.get(name)]
        size = min(int(ask.query.get("pageSize", 1000)), data.LONGEST_PAGE)
        start = int(ask.query.get("cursor", "at-0").removeprefix("at-"))
        following = {"name": f"at-{start + size}", "offset": start, "count": len(rows), "expires": 1764300000.0}
        return {"cursor": following, "results": rows[start : start + size]}

    return answer


def _documents(ask: Ask) -> Any:
    return _seen(data.documents, ask, ask.parts["id"])


def _activities(ask: Ask) -> Any:
    rows = _filtered(data.activities, ask)
    return {"lastActivityId": 1, "activities": rows[: int(ask.query.get("pageSize", 200))]}


def _reset(ask: Ask) -> Any:
    ask.state.made[ask.parts["uid"]] = True
    return _DONE


def _maintain(ask: Ask) -> Any:
    given = ask.body or {}
    window = {"status": "PENDING", "start": given.get("start"), "end": given.get("end")}
    ask.state.made[int(ask.parts["id"])] = {"maintenance": window}
    return _DONE


_ONE = r"/v2/device/(?P<id>\d+)"
VENDOR = Vendor(
    name="NinjaOne",
    module="connectors.vendors.ninjaone.stub",
    accounts=data.CREDENTIALS,
    identify=bearer,
    missing=Reply.json({"resultCode": "FAILURE", "errorMessage": "not found"}, status=404),
    throttled=Reply(429, b"<html><body>Too many requests</body></html>", "text/html"),
    routes=(
        Route("POST", "/ws/oauth/token", _token, is_open=True, is_sign_in=True),
        Route("GET", "/v2/organizations", _organizations, "", "id"),
        Route("GET", r"/v2/organization/(?P<id>\d+)/devices", _devices, "", ORGANIZATION),
        Route("GET", r"/v2/organization/(?P<id>\d+)/documents", _documents, "", ORGANIZATION),
        Route("GET", "/v2/devices", _every_device, "", ORGANIZATION),
        Route("GET", "/v2/devices/search", _search, "devices", ORGANIZATION),
        Route("GET", _ONE, _device, "", ORGANIZATION),
        Route("GET", "/v2/alerts", _alerts, "", DEVICE),
        Route("GET", "/v2/activities", _activities, "activities", DEVICE),
        Route("GET", "/v2/queries/device-health", _report(data.health), "results", DEVICE),
        Route("GET", "/v2/queries/os-patches", _report(data.os_patches, "status"), "results", DEVICE),
        Route("GET", "/v2/queries/software-patches", _report(data.software_patches, "status"), "results", DEVICE),
        Route("GET", "/v2/queries/antivirus-status", _report(data.antivirus, "productState"), "results", DEVICE),
        Route("GET", "/v2/queries/antivirus-threats", _report(data.threats), "results", DEVICE),
        Route("GET", "/v2/queries/software", _report(data.software), "results", DEVICE),
        Route("GET", "/v2/backup/jobs", _report(data.backup_jobs), "results", ORGANIZATION),
        Route("DELETE", r"/v2/alert/(?P<uid>[0-9a-f-]{36})", _reset),
        Route("PUT", f"{_ONE}/maintenance", _maintain),
        Route("POST", f"{_ONE}/script/run", lambda _ask: _DONE),
        Route("POST", f"{_ONE}/reboot/NORMAL", lambda _ask: _DONE),
    ),
)

if __name__ == "__main__":
    main(VENDOR)
