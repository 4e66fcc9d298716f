"""Files that an importer reads the same way for years, that a spreadsheet cannot run, and that the log bears out."""

import csv
import gzip
import hashlib
import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.kinds import EventKind
from audit.models import Event
from audit.packs.format import names_of, zip_of
from audit.spreadsheets import cell
from billing import msplex_verify_export
from billing.exports import COLUMNS, Export, What, ledger_digests, rows
from billing.models import UsageCorrection
from billing.months import month_of
from billing.rollups import roll_up
from billing.rows import as_csv
from identity.errors import PrincipalRefused
from identity.roles import Role
from identity.services import disable_principal
from msplex.portal import billing_files
from tenants.isolation.context import Context, acting_for
from tenants.models import Customer
from tests.billing.factories import manage, use
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant
from tests.identity.factories import SETUP, Person, make_machine, make_person

NOW = datetime.now(UTC)
MONTH = month_of(NOW)
COMMITTED = Path(__file__).parent / "columns"
URL = reverse("portal:billing_export")
EVIL = '=HYPERLINK("http://evil.example","x")'


@pytest.fixture
def ben() -> Person:
    """Of billing, in a tenant with two busy customers, one of them with a name like a formula."""
    world = make_tenant()
    with world.acting():
        Customer.objects.filter(id=world.customers[0].pk).update(name=EVIL, created_at=NOW - timedelta(days=99))
    use(world, NOW, calls=3)
    use(world, NOW, calls=2, customer=world.customers[1], connector="hudu")
    manage(world, world.customers[0], active=8)
    with as_role("worker"), acting_for(Context(world.id)):
        roll_up(timezone.now())
    return make_person(world, Role.BILLING)


def taken(browser: Client, what: str, made_as: str = "csv") -> str:
    response = browser.get(URL, {"what": what, "format": made_as})
    assert response.status_code == 200, response.content
    content = response.streaming_content if response.streaming else [response.content]
    return b"".join(content).decode()


def parsed(text: str) -> list[dict[str, str]]:
    """Strict, as RFC 4180 has it: every line ends with CRLF, every row is as long as the first."""
    assert text.endswith("\r\n")
    assert text.count("\n") == text.count("\r\n")
    lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(line) for line in lines} == {len(lines[0])}
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


@pytest.mark.parametrize("what", What)
def test_columns_are_never_renamed_moved_or_taken_away(what: What) -> None:
    """A new one is added at the end, here and in its file. Lines of these files are never changed."""
    assert list(COLUMNS[what]) == (COMMITTED / f"{what}.txt").read_text().split()


@pytest.mark.parametrize("what", What)
def test_every_file_is_strict_csv_with_the_period_and_when_it_was_made(ben: Person, what: str) -> None:
    for row in parsed(taken(ben.browser(), what)):
        assert tuple(row) == COLUMNS[What(what)]
        began, made_at = (
            ("BillingPeriodStart", "x_GeneratedAt") if what == "focus" else ("period_start", "generated_at")
        )
        assert row[began] == f"{MONTH.isoformat()}T00:00:00+00:00"
        assert datetime.fromisoformat(row[made_at]) > NOW - timedelta(minutes=1)


def test_usage_has_a_row_for_each_customer_meter_and_connector(ben: Person) -> None:
    found = {
        (row["customer_key"], row["meter"], row["connector"]): int(row["quantity"])
        for row in parsed(taken(ben.browser(), "usage"))
        if row["meter"] in {"tool_calls", "vendor_requests"}
    }

    assert found == {
        ("acme-1", "tool_calls", "halopsa"): 3, ("acme-1", "vendor_requests", "halopsa"): 6,
        ("acme-2", "tool_calls", "hudu"): 2, ("acme-2", "vendor_requests", "hudu"): 4,
    }  # fmt: skip


def test_a_name_like_a_formula_stays_text_and_a_negative_number_a_number(ben: Person) -> None:
    with as_role("worker"), ben.world.acting():
        UsageCorrection.objects.create(
            customer=ben.world.customers[0], meter="tool_calls", connector="halopsa", month=MONTH, booked_in=MONTH,
            quantity=-3, created_at=NOW,
        )  # fmt: skip
    text = taken(ben.browser(), "usage")

    row = next(each for each in parsed(text) if each["corrections"] == "-3")
    assert row["customer"] == f"'{EVIL}"
    assert ",-3," in text
    assert cell(Decimal("-3.50")) == Decimal("-3.50")


def test_invoice_lines_are_the_overview(ben: Person) -> None:
    (row,) = parsed(taken(ben.browser(), "invoice"))

    assert (row["active_assets"], row["free_assets"], row["billable_assets"]) == ("8", "5", "3")
    assert (row["asset_price"], row["amount"], row["currency"]) == ("3.00", "9.00", "EUR")


def test_focus_says_null_where_there_is_nothing_and_correction_where_it_is_one(ben: Person) -> None:
    with as_role("worker"), ben.world.acting():
        UsageCorrection.objects.create(
            customer=ben.world.customers[0], meter="tool_calls", connector="halopsa", month=MONTH, booked_in=MONTH,
            quantity=1, created_at=NOW,
        )  # fmt: skip
    found = json.loads(taken(ben.browser(), "focus", "json"))

    assert {row["ChargeClass"] for row in found} == {None, "Correction"}
    assert {row["x_Connector"] for row in found} == {"halopsa", "hudu"}
    assert all(isinstance(row["ConsumedQuantity"], int) for row in found)
    assert [name for name in COLUMNS[What.FOCUS] if name.startswith("x_")] == list(COLUMNS[What.FOCUS][-4:])


def test_the_ledger_comes_in_pieces_and_each_call_once(ben: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(billing_files, "PIECE", 2)
    as_csv_rows, as_json_rows = parsed(taken(ben.browser(), "calls")), json.loads(taken(ben.browser(), "calls", "json"))

    assert len(as_csv_rows) == len({row["call_id"] for row in as_csv_rows}) == 5
    assert [row["call_id"] for row in as_json_rows] == [row["call_id"] for row in as_csv_rows]


def test_csv_and_json_say_the_same(ben: Person) -> None:
    for what in What:
        lines, objects = parsed(taken(ben.browser(), what)), json.loads(taken(ben.browser(), what, "json"))
        for line, told in zip(lines, objects, strict=True):
            del line[COLUMNS[what][2]], told[COLUMNS[what][2]]
            line.pop("x_GeneratedAt", None), told.pop("x_GeneratedAt", None)
            assert line == {name: str(cell(value)) for name, value in told.items()}


def test_a_withdrawn_right_ends_the_ledger(ben: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(billing_files, "PIECE", 2)
    pieces = iter(ben.browser().get(URL, {"what": "calls"}).streaming_content)
    next(pieces), next(pieces)
    with ben.world.acting():
        disable_principal(ben.id, by=SETUP)

    with pytest.raises(PrincipalRefused):
        next(pieces)


def test_who_took_what_is_on_record_and_shown(ben: Person) -> None:
    taken(ben.browser(), "invoice")

    with ben.world.acting():
        event = Event.objects.get(kind=EventKind.USAGE_EXPORTED)
        assert (event.actor_id, event.facts["what"]) == (ben.id, "invoice")
    assert "invoice, csv" in ben.browser().get(reverse("portal:billing_exports")).content.decode()


@pytest.mark.parametrize("query", [{"what": "all"}, {"format": "xls"}, {"month": "2026-13"}, {"month": "1999-01"}])
def test_what_cannot_be_meant_is_refused(ben: Person, query: dict[str, str]) -> None:
    assert ben.browser().get(URL, query).status_code == 400
    machine = make_machine(ben.world, Role.ADMIN)
    assert machine.api().get("/api/v1/billing-exports/file/", query).status_code == 400


# A payer with a pack of the log and nothing else.


def pack_of(world: TenantWorld, path: Path, calls: list[Any], **body: Any) -> Path:
    """The events of calls, as a pack has them."""
    lines = []
    for event in calls:
        header = {
            "customer": str(event.customer_id), "kind": "gateway:call:finish", "call": {"id": str(event.pk)},
            "occurred_at": event.occurred_at.isoformat(timespec="microseconds"),
        }  # fmt: skip
        told = {"billed": True, "connector": event.connector} | body
        lines.append(json.dumps({"header": json.dumps(header), "body": json.dumps(told)}))
    _, events = names_of(f"{MONTH:%Y-%m}")
    path.write_bytes(zip_of("acme", {events: gzip.compress("\n".join(lines).encode()), "proof.json": b"{}"}))
    return path


def verified(*paths: Path) -> tuple[int, str]:
    program = [sys.executable, "-I", msplex_verify_export.__file__]
    done = subprocess.run([*program, *map(str, paths)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def usage_file(world: TenantWorld, path: Path) -> Path:
    with as_role("worker"), acting_for(Context(world.id)):
        roll_up(timezone.now())
    with world.acting():
        export = Export(What.USAGE, MONTH, timezone.now())
        path.write_bytes(as_csv([export.columns, *rows(export)]))
    return path


def test_a_payer_finds_the_same_calls_and_the_same_digest_in_the_log(tmp_path: Path) -> None:
    world = make_tenant()
    calls = use(world, NOW, calls=3) + use(world, NOW, calls=2, connector="hudu")
    use(world, NOW, customer=world.customers[1])
    usage = usage_file(world, tmp_path / "usage.csv")

    assert verified(usage, pack_of(world, tmp_path / "pack.zip", calls))[0] == 0
    code, said = verified(usage, pack_of(world, tmp_path / "less.zip", calls[1:]))
    assert code == 1
    assert "the export has 3 calls, the audit log 2" in said
    assert verified(usage, pack_of(world, tmp_path / "none.zip", calls, billed=False))[0] == 1
    assert verified(usage, usage)[0] == 2


def test_as_many_calls_but_others_are_not_the_same(tmp_path: Path) -> None:
    world = make_tenant()
    use(world, NOW, calls=3)
    usage = usage_file(world, tmp_path / "usage.csv")
    other = make_tenant()
    calls = use(other, NOW, calls=3)
    for call in calls:
        call.customer_id = world.customers[0].pk

    code, said = verified(usage, pack_of(world, tmp_path / "pack.zip", calls))
    assert code == 1
    assert "digest" in said


def test_the_digest_is_what_is_documented() -> None:
    world = make_tenant()
    at = datetime(2026, 4, 30, 23, 59, 59, 999999, tzinfo=UTC)
    calls = use(world, at, calls=2) + use(world, at - timedelta(days=1))
    use(world, at + timedelta(microseconds=1))

    def day(name: str, *events: Any) -> str:
        lines = sorted(f"{event.pk} halopsa\n" for event in events)
        return f"{name} {hashlib.sha256(''.join(lines).encode()).hexdigest()}\n"

    text = day("2026-04-29", calls[2]) + day("2026-04-30", *calls[:2])
    with world.acting():
        assert ledger_digests(month_of(at)) == {world.customers[0].pk: hashlib.sha256(text.encode()).hexdigest()}
