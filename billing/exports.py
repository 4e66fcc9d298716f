"""Files of a month: columns are a contract (tests/billing/columns), text is safe in a spreadsheet, numbers are numbers.

Every row carries the period, when the file was made, and where it is about calls the digest of the customer's ledger:
sha256 over "day sha256\\n" for each day (UTC) that has calls, of sha256 over "call connector\\n" for each call, by id.
`msplex_verify_export.py` makes it again from an audit pack of the customer.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from billing.meters import METERS, Kind, Meter
from billing.models import UsageEvent
from billing.months import ends, starts
from billing.pricing import overview
from billing.rows import Row, as_csv, as_json
from billing.selectors import corrections, is_closed, totals
from tenants.isolation.context import acting_tenant
from tenants.models import Customer


class What(StrEnum):
    USAGE = "usage"
    CALLS = "calls"
    INVOICE = "invoice"
    FOCUS = "focus"


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"


MEDIA_TYPES = {Format.CSV: "text/csv; charset=utf-8; header=present", Format.JSON: "application/json"}
_EVERY = ("period_start", "period_end", "generated_at")
_WHOM = ("customer_id", "customer_key", "customer")
COLUMNS: dict[What, tuple[str, ...]] = {
    What.USAGE: (
        *_EVERY, "closed", *_WHOM, "meter", "kind", "unit", "connector", "quantity", "corrections", "ledger_digest",
    ),
    What.CALLS: (
        *_EVERY, *_WHOM, "call_id", "occurred_at", "connector", "tool", "principal_id", "quantity", "vendor_requests",
        "ledger_digest",
    ),
    What.INVOICE: (
        *_EVERY, "estimate", *_WHOM, "active_assets", "free_assets", "billable_assets", "asset_price", "amount",
        "currency", "psa_billed", "psa_drift", "psa_state",
    ),
    What.FOCUS: (
        "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory",
        "ChargeClass", "ChargeDescription", "ConsumedQuantity", "ConsumedUnit", "ServiceName", "SubAccountId",
        "SubAccountName", "x_Meter", "x_Connector", "x_GeneratedAt", "x_LedgerDigest",
    ),
}  # fmt: skip
_DIGESTS = """
SELECT customer_id, encode(sha256(convert_to(
    string_agg(day || ' ' || digest || chr(10), '' ORDER BY day), 'UTF8')), 'hex')
FROM (
    SELECT customer_id, to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, encode(sha256(convert_to(
        string_agg(id::text || ' ' || connector || chr(10), '' ORDER BY id), 'UTF8')), 'hex') AS digest
    FROM billing_usageevent WHERE tenant_id = %s AND occurred_at >= %s AND occurred_at < %s
    AND recorded_at <= coalesce(%s::timestamptz, 'infinity') GROUP BY customer_id, day
) AS days GROUP BY customer_id
"""


@dataclass(frozen=True, slots=True)
class Export:
    """`made_at`: what happens from then on is not in it. `digests`: of the ledgers, if they are read already."""

    what: What
    month: date
    made_at: datetime
    digests: Mapping[UUID, str] | None = None

    @property
    def name(self) -> str:
        return f"msplex-{self.what}-{self.month:%Y-%m}"

    @property
    def columns(self) -> tuple[str, ...]:
        return COLUMNS[self.what]

    @property
    def ledgers(self) -> Mapping[UUID, str]:
        return ledger_digests(self.month) if self.digests is None else self.digests

    @property
    def every(self) -> tuple[str, str, str]:
        return starts(self.month).isoformat(), ends(self.month).isoformat(), self.made_at.isoformat(timespec="seconds")


def rows(export: Export) -> Iterator[Row]:
    """Of a file that is made at once; the calls come in pieces (`calls`)."""
    made = {What.USAGE: _usage, What.INVOICE: _invoice, What.FOCUS: _focus}
    return made[export.what](export)


def written(export: Export, made_as: Format, lines: Sequence[Row], *, first: bool, last: bool) -> bytes:
    """Some rows of a file as they are given out. All of its parts, one after the other, are the file."""
    if made_as is Format.CSV:
        return as_csv([export.columns, *lines] if first else lines)
    objects = as_json(export.columns, lines)
    begun = "[\n" if first else (",\n" if objects else "")
    return (begun + ",\n".join(objects) + ("\n]\n" if last else "")).encode()


def ledger_digests(month: date, *, until: datetime | None = None) -> dict[UUID, str]:
    """Of each customer that has calls in the month; `until`: as it was recorded then."""
    with connection.cursor() as cursor:
        cursor.execute(_DIGESTS, [acting_tenant(), starts(month), ends(month), until])
        return dict(cursor.fetchall())


def ledger_of(digests: Mapping[UUID, str]) -> str:
    """One digest of all of them: sha256 over "customer sha256\\n" of each customer, by id. Nothing without calls."""
    lines = "".join(f"{customer} {digests[customer]}\n" for customer in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest() if lines else ""


def _names() -> dict[UUID | None, tuple[str, str]]:
    named: dict[UUID | None, tuple[str, str]] = {each.pk: (each.key, each.name) for each in Customer.objects.all()}
    return named | {None: ("", "")}


def _usage(export: Export) -> Iterator[Row]:
    """One row for each customer, meter and connector; without a customer: of the whole tenant, where it is a gauge."""
    names, digests, closed = _names(), export.ledgers, "yes" if is_closed(export.month) else "no"
    found, corrected = totals(export.month), corrections(export.month)
    for key in sorted(found.keys() | corrected.keys(), key=lambda key: (names[key[0]], key[1:])):
        customer, meter, connector = key
        each = METERS[Meter(meter)]
        digest = digests.get(customer) if customer and meter == Meter.TOOL_CALLS else None
        yield [
            *export.every, closed, customer, *names[customer], meter, each.kind.value, each.unit, connector,
            found.get(key, 0), corrected.get(key, 0), digest,
        ]  # fmt: skip


def _invoice(export: Export) -> Iterator[Row]:
    told = overview(export.month, export.made_at)
    prices = told.prices
    for line in told.lines:
        yield [
            *export.every, "yes", line.customer_id, line.key, line.name, line.active_assets, prices.free_assets,
            line.billable_assets, Decimal(prices.asset_price), line.amount, prices.currency, line.psa.billed,
            line.psa.drift, line.psa.state.value,
        ]  # fmt: skip


def _focus(export: Export) -> Iterator[Row]:
    """FOCUS 1.2, of usage without money: periods in UTC, from inclusive to exclusive; what there is not is null."""
    names, digests = _names(), export.ledgers
    for charge_class, found in ((None, totals(export.month)), ("Correction", corrections(export.month))):
        for key in sorted(found, key=lambda key: (names[key[0]], key[1:])):
            (customer, meter, connector), quantity = key, found[key]
            each = METERS[Meter(meter)]
            began, ended, made_at = export.every
            peak = " (peak)" if each.kind is Kind.GAUGE else ""
            yield [
                began, ended, began, ended, "Usage", charge_class, f"{each.label}{peak}", quantity, each.unit, "MSPlex",
                customer, names[customer][1] or None, meter, connector or None, made_at,
                digests.get(customer) if customer and meter == Meter.TOOL_CALLS else None,
            ]  # fmt: skip


def calls_of(export: Export) -> QuerySet[UsageEvent]:
    return UsageEvent.objects.filter(
        occurred_at__gte=starts(export.month), occurred_at__lt=ends(export.month), recorded_at__lte=export.made_at
    )


def calls(export: Export, after: UUID | None, digests: dict[UUID, str], most: int) -> tuple[UUID | None, list[Row]]:
    """The next piece of the calls ledger, by id, and where to go on; None when there is no more."""
    found = calls_of(export).select_related("customer")
    events = list((found.filter(id__gt=after) if after else found).order_by("id")[:most])
    return (events[-1].pk if len(events) == most else None), [_call(export, each, digests) for each in events]


def _call(export: Export, event: UsageEvent, digests: dict[UUID, str]) -> Row:
    customer = event.customer
    return [
        *export.every, customer.pk, customer.key, customer.name, event.pk,
        event.occurred_at.astimezone(UTC).isoformat(timespec="microseconds"), event.connector, event.tool,
        event.principal_id, event.quantity, event.vendor_requests, digests.get(customer.pk),
    ]  # fmt: skip
