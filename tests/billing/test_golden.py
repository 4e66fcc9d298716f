"""Each file of a month as it was agreed: a month made by hand, and what every export says of it, to the letter.

The files in golden/ are read by a person before they are changed. Ids and digests, which are new each time, are named
by their order; MSPLEX_WRITE_GOLDEN=1 writes the files anew.
"""

import os
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from billing.exports import Export, What, calls, ledger_digests, rows
from billing.meters import Meter
from billing.models import GaugeSample, UsageCorrection
from billing.plans import set_prices
from billing.pricing import overage
from billing.rollups import roll_up
from billing.rows import as_csv, as_json
from billing.terms import ConnectorTerms
from tenants.isolation.context import Context, acting_for
from tenants.models import Customer
from tests.billing.factories import BEN, use
from tests.conftest import as_role
from tests.factories import TenantWorld, make_tenant

GOLDEN = Path(__file__).parent / "golden"
MONTH, LATER = date(2026, 4, 1), datetime(2026, 4, 30, 23, tzinfo=UTC)
MADE_AT = datetime(2026, 5, 2, 8, 30, tzinfo=UTC)
_UUID, _DIGEST = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b"), re.compile(r"\b[0-9a-f]{64}\b")
# Of four customers; the last one was added in the month, and is not billed in it.
ASSETS = (0, 5, 6, 40)
NAMES = ("Adler & Söhne", "=HYPERLINK(1)", "Comma, Inc.", "Newcomer")


@pytest.fixture
def world() -> TenantWorld:
    made = make_tenant(customers=len(NAMES))
    with made.acting():
        for number, (customer, name) in enumerate(zip(made.customers, NAMES, strict=True)):
            created = datetime(2026, 4 if number == len(NAMES) - 1 else 1, 3, tzinfo=UTC)
            Customer.objects.filter(id=customer.pk).update(name=name, created_at=created)
    _used(made)
    with as_role("worker"), acting_for(Context(made.id)):
        roll_up(LATER)
    with as_role("worker"), made.acting():
        UsageCorrection.objects.create(
            customer=made.customers[0], meter="tool_calls", connector="halopsa", month=date(2026, 2, 1),
            booked_in=MONTH, quantity=-2, created_at=LATER,
        )  # fmt: skip
    return made


def _used(made: TenantWorld) -> None:
    now = datetime.now(UTC)
    first = datetime(2026, 4, 1, tzinfo=UTC)
    for number, customer in enumerate(made.customers[:3]):
        at, sent = first + timedelta(days=9 * number, microseconds=7), 1500 * (number + 1)
        use(made, at, customer=customer, calls=number + 1, egress_bytes=sent, ai_calls=number % 2, recorded_at=now)
    use(made, LATER, customer=made.customers[0], connector="hudu", vendor_requests=1, recorded_at=now)
    with as_role("worker"), made.acting():
        for hours, seats in ((3, 3), (2, 9), (1, 2)):  # their peak is 9
            GaugeSample.objects.create(meter=Meter.SEATS, at=LATER - timedelta(hours=hours), value=seats)
        for customer, active in zip(made.customers, ASSETS, strict=True):
            GaugeSample.objects.create(customer=customer, meter=Meter.ACTIVE_ASSETS, at=LATER, value=active)


def plain(text: str) -> str:
    """With each id, key and digest named by its order."""
    known: dict[str, str] = {}
    for pattern, word in ((_UUID, "id"), (_DIGEST, "digest")):
        text = pattern.sub(lambda found, word=word: known.setdefault(found[0], f"{word}-{len(known) + 1}"), text)  # type: ignore[misc]
    return text


def agreed(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("MSPLEX_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, newline="")
    with path.open(newline="") as opened:
        assert text == opened.read()


@pytest.mark.parametrize("what", What)
def test_each_file_is_as_it_was_agreed(world: TenantWorld, what: What) -> None:
    with world.acting():
        export = Export(what, MONTH, MADE_AT)
        if what is What.CALLS:
            export = Export(what, MONTH, datetime.now(UTC) + timedelta(minutes=1))
            _, lines = calls(export, None, ledger_digests(MONTH), 100)
            lines = [[*line[:2], MADE_AT.isoformat(), *line[3:]] for line in lines]
        else:
            lines = list(rows(export))

    agreed(f"{what}.csv", plain(as_csv([export.columns, *lines]).decode()))
    agreed(f"{what}.json", plain("\n".join(as_json(export.columns, lines))))


def test_the_estimate_follows_the_price_list_of_the_month(world: TenantWorld) -> None:
    with world.acting():
        set_prices(free_assets=0, asset_price=Decimal("99.00"), by=BEN)  # of now, and not of April
        lines = list(rows(Export(What.INVOICE, MONTH, MADE_AT)))

    agreed("invoice.csv", plain(as_csv([Export(What.INVOICE, MONTH, MADE_AT).columns, *lines]).decode()))


def test_what_calls_over_the_plan_cost() -> None:
    terms = ConnectorTerms(100, overage_allowed=True, overage_price=Decimal("0.015"))
    refusing = ConnectorTerms(100, overage_price=Decimal("0.015"))

    text = "".join(
        f"{used} {terms.over(used)} {terms.charge(used)} {refusing.charge(used)}\n"
        for used in (0, 99, 100, 101, 102, 133, 10_000)
    )
    agreed("overage.txt", text)


def test_nothing_is_over_without_a_plan(world: TenantWorld) -> None:
    with world.acting():
        assert overage(MONTH, MADE_AT) == []
