"""The provider's feed to bill tenants by: counts, in columns that are only ever added to, at the end."""

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from billing.exports import Format
from billing.months import ends, starts
from billing.rows import as_csv, as_json
from tenants.errors import Unavailable
from tenants.ids import uuid7
from tenants.process import Process, current_process
from tenants.provisioning import ALIAS

COLUMNS = (
    "period_start", "period_end", "tenant_id", "tenant", "meter", "kind", "unit", "quantity", "corrections", "closed",
    "reported_at",
)  # fmt: skip
_USAGE = """
SELECT u.tenant_id, t.name, u.meter, u.kind, u.unit, u.quantity, u.corrections, u.closed, u.reported_at
FROM border.usage u JOIN provider.tenant t ON t.id = u.tenant_id WHERE u.month = %s
ORDER BY t.name, u.tenant_id, u.meter
"""
_TAKEN = (
    "INSERT INTO provider.usage_export (id, taken_by, month, format, tenants, sha256) VALUES (%s, %s, %s, %s, %s, %s)"
)
_HISTORY = (
    "SELECT taken_at, taken_by, month, format, tenants, sha256 FROM provider.usage_export"
    " ORDER BY taken_at DESC, id DESC LIMIT %s"
)


def alias() -> str:
    """Of the connection that is the provider's: a command's, or that of the provider's own process."""
    if ALIAS in connections:
        return ALIAS
    if current_process() is Process.PROVIDER:
        return DEFAULT_DB_ALIAS
    raise Unavailable("Set MSPLEX_PROVIDER_DATABASE_URL: usage is read as the provider.", permanent=True)


def give_out(month: date, made_as: Format, *, by: str) -> bytes:
    """The file, and who took it: in one transaction, so that none is given out that is not written down.

    One row for each tenant and meter. `closed`: nothing of the month changes any more.
    """
    with transaction.atomic(using=alias()), connections[alias()].cursor() as cursor:
        cursor.execute(_USAGE, [month])
        found = cursor.fetchall()
        content = _written(made_as, [_row(month, each) for each in found])
        tenants, digest = len({each[0] for each in found}), hashlib.sha256(content).hexdigest()
        cursor.execute(_TAKEN, [uuid7(), by, month, made_as.value, tenants, digest])
    return content


def taken(most: int) -> list[Sequence[Any]]:
    """Who took what, the newest first: moment, by whom, month, format, how many tenants, sha256 of the file."""
    with transaction.atomic(using=alias()), connections[alias()].cursor() as cursor:
        cursor.execute(_HISTORY, [most])
        return list(cursor.fetchall())


def _row(month: date, found: Sequence[Any]) -> Sequence[Any]:
    tenant, name, meter, kind, unit, quantity, corrections, closed, reported_at = found
    return [
        starts(month).isoformat(), ends(month).isoformat(), tenant, name, meter, kind, unit, quantity, corrections,
        "yes" if closed else "no", reported_at.isoformat(timespec="seconds"),
    ]  # fmt: skip


def _written(made_as: Format, rows: Sequence[Sequence[Any]]) -> bytes:
    if made_as is Format.CSV:
        return as_csv([COLUMNS, *rows])
    return ("[\n" + ",\n".join(as_json(COLUMNS, rows)) + "\n]\n").encode()
