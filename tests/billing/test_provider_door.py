"""The provider's own process: usage of all tenants for who has its token, and nothing of any tenant for anybody."""

import csv
import hashlib
import io
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection

from billing.meters import METERS
from billing.months import month_before, this_month
from billing.provider import COLUMNS, taken
from billing.provider_tokens import holder_of, make_token, revoke_tokens
from tenants.errors import Invalid
from tests.billing.test_provider import reported
from tests.conftest import as_owner, as_role
from tests.factories import make_tenant
from tests.processes import ROOT, environment, free_port, wait_for

EXPORT = "/provider/v1/usage/export"


@pytest.fixture(scope="module")
def door(_database: None) -> Iterator[str]:
    """A process with the provider's role, one key, and no access to what tenants have."""
    port = free_port()
    command = [sys.executable, "-m", "msplex.door", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    given = environment("provider", "provider") | {
        "MSPLEX_SECRET_KEY": "tests",
        "MSPLEX_DRAIN_SECONDS": "0",
        "MSPLEX_STOP_SECONDS": "1",
    }
    theirs = {name: value for name, value in given.items() if name not in {"MSPLEX_CONTEXT_KEY", "MSPLEX_RECORD_KEY"}}
    process = subprocess.Popen(command, cwd=ROOT, env=theirs)
    wait_for(f"http://127.0.0.1:{port}/healthz", process)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


def asked(address: str, token: str = "") -> tuple[int, str, Any]:
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers["Content-Type"], json.loads(refusal.read())


def test_one_row_for_each_tenant_and_meter_in_both_formats_and_an_empty_month_before(door: str) -> None:
    world, token = make_tenant(), make_token("importer")
    reported(world, 4)

    status, kind, text = asked(f"{door}{EXPORT}?format=csv", token)
    assert (status, kind) == (200, "text/csv; charset=utf-8; header=present")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    mine = [row for row in rows if row["tenant_id"] == str(world.id)]
    assert tuple(mine[0]) == COLUMNS
    assert sorted(row["meter"] for row in mine) == sorted(METERS)
    assert {row["quantity"] for row in mine if row["meter"] == "tool_calls"} == {"4"}

    told = json.loads(asked(f"{door}{EXPORT}?format=json&month={this_month():%Y-%m}", token)[2])
    assert [row["quantity"] for row in told if row["tenant_id"] == str(world.id) and row["meter"] == "tool_calls"] == [
        4
    ]
    assert asked(f"{door}{EXPORT}?month={month_before(this_month()):%Y-%m}", token)[2] == ",".join(COLUMNS) + "\r\n"


def test_without_a_token_with_another_or_a_revoked_one_nothing_is_told(door: str) -> None:
    token = make_token("revoked")
    assert asked(door + EXPORT, token)[0] == 200
    assert revoke_tokens("revoked") == 1

    for given in ("", "x", token):
        status, kind, told = asked(door + EXPORT, given)
        assert (status, kind, told["code"]) == (401, "application/problem+json", "token_refused")


@pytest.mark.parametrize(
    ("query", "field"), [("month=April", "month"), ("month=2999-01", "month"), ("format=xml", "format")]
)
def test_what_cannot_be_meant_is_named(door: str, query: str, field: str) -> None:
    status, _, told = asked(f"{door}{EXPORT}?{query}", make_token("wrong"))

    assert (status, told["field"]) == (400, field)


@pytest.mark.parametrize("path", ["/", "/usage/", "/api/v1/usage/", "/sign-in/", "/oauth/token", "/admin/"])
def test_nothing_of_the_tenants_plane_is_there(door: str, path: str) -> None:
    assert asked(door + path, make_token("curious"))[0] == 404


@pytest.mark.parametrize("table", ["billing_usageevent", "billing_usagerollup", "tenants_customer", "audit_event"])
def test_the_providers_role_reads_no_tenants_table(table: str) -> None:
    with as_role("provider"), pytest.raises(ProgrammingError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM content.{table}")


@pytest.mark.parametrize("role", ["app", "worker", "broker", "sealer"])
def test_nobody_else_reads_the_tokens(role: str) -> None:
    with as_role(role), pytest.raises(ProgrammingError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM provider.token")


def test_the_command_makes_a_token_and_revokes_it(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("provider_token", "erp")
    token = capsys.readouterr().out.strip()
    assert holder_of(token) == "erp"

    call_command("provider_token", "erp", "--revoke")
    assert holder_of(token) is None
    with pytest.raises(CommandError):
        call_command("provider_token", "erp", "--revoke")
    with pytest.raises(Invalid):
        make_token("x" * 81)


def test_who_took_it_is_written_down_with_the_digest_and_by_nobody_changed(
    door: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reported(make_tenant(), 2)
    text = asked(f"{door}{EXPORT}?format=json", make_token("auditor"))[2]
    digest = hashlib.sha256(text.encode()).hexdigest()

    found = [each for each in taken(50) if each[1] == "token auditor"]
    assert [(each[2], each[3], each[5]) for each in found] == [(this_month(), "json", digest)]
    call_command("export_usage", "--history")
    assert f"by token auditor, sha256 {digest}" in capsys.readouterr().out
    for statement in ("UPDATE provider.usage_export SET taken_by = 'x'", "DELETE FROM provider.usage_export"):
        with as_role("provider"), pytest.raises(ProgrammingError, match="permission denied"):
            connection.cursor().execute(statement)


def test_what_cannot_be_written_down_is_not_given_out(door: str) -> None:
    token = make_token("unlucky")
    statement = "REVOKE INSERT ON provider.usage_export FROM msplex_provider"
    with as_owner(statement, "GRANT INSERT ON provider.usage_export TO msplex_provider"):
        with pytest.raises(urllib.error.HTTPError, match="500") as refused:
            urllib.request.urlopen(
                urllib.request.Request(door + EXPORT, headers={"Authorization": f"Bearer {token}"}), timeout=20
            )
        with refused.value as answer:
            assert b"period_start" not in answer.read()
    assert asked(door + EXPORT, token)[0] == 200
