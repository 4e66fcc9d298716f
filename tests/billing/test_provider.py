"""What the provider runs: one row for each tenant and meter, and terms from a file."""

import csv
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from billing.management.commands import export_usage
from billing.meters import METERS
from billing.models import SubscriptionPeriod
from billing.outward import report_outward
from billing.provider import COLUMNS
from billing.rollups import roll_up
from tenants.isolation.context import Context, acting_for
from tenants.models import Entitlement, Subscription
from tests.billing.factories import use
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant


def reported(world: TenantWorld, calls: int) -> None:
    use(world, timezone.now(), calls=calls)
    with as_role("worker"), acting_for(Context(world.id)):
        roll_up(timezone.now())
        report_outward(timezone.now())


def test_columns_are_never_renamed_moved_or_taken_away() -> None:
    assert list(COLUMNS) == (Path(__file__).parent / "columns" / "provider.txt").read_text().split()


def test_there_is_one_row_for_each_tenant_and_meter(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    first, second = make_tenant(), make_tenant()
    reported(first, 3)
    reported(second, 2)
    call_command(export_usage.Command())

    rows = list(csv.DictReader(io.StringIO(capfdbinary.readouterr().out.decode(), newline=""), strict=True))
    for world, calls in ((first, 3), (second, 2)):
        mine = {row["meter"]: row for row in rows if row["tenant_id"] == str(world.id)}
        assert len(mine) == len([row for row in rows if row["tenant_id"] == str(world.id)]) == len(METERS)
        assert (mine["tool_calls"]["quantity"], mine["tool_calls"]["kind"]) == (str(calls), "counter")
        assert (mine["seats"]["kind"], mine["seats"]["closed"]) == ("gauge", "no")


def test_a_month_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="such as 2026-04"):
        call_command(export_usage.Command(), month="April")


def test_terms_come_from_a_file(tmp_path: Path) -> None:
    world, terms = make_tenant(entitled=False), tmp_path / "terms.json"
    terms.write_text(json.dumps({"plan": "team", "connectors": {"halopsa": {"included_calls": 7}}, "seats": 3}))
    call_command("set_plan", world.workspace, str(terms), status="trialing", reason="Signed")

    with world.acting():
        period = SubscriptionPeriod.objects.select_related("plan_version").get()
        assert (period.status, period.reason, period.plan_version.seats) == ("trialing", "Signed", 3)
        assert Entitlement.objects.get().included_calls == 7
        assert Subscription.objects.get().version == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"plan": "x"}', '{"plan": "x", "connectors": {"halopsa": {}}, "z": 1}'])
def test_terms_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    world, terms = make_tenant(), tmp_path / "terms.json"
    terms.write_text(text)

    with pytest.raises(CommandError):
        call_command("set_plan", world.workspace, str(terms))
