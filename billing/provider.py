"""The provider's feed to bill tenants by: counts, in columns that are only ever added to, at the end."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from billing.months import ends, starts
from tenants.errors import Unavailable
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


def alias() -> str:
    """Of the connection that is the provider's: a command's, or that of the provider's own process."""
    if ALIAS in connections:
        return ALIAS
    if current_process() is Process.PROVIDER:
        return DEFAULT_DB_ALIAS
    raise Unavailable("Set MSPLEX_PROVIDER_DATABASE_URL: usage is read as the provider.", permanent=True)


def usage_of_tenants(month: date) -> Iterator[Sequence[Any]]:
    """One row for each tenant and meter. `closed`: nothing of the month changes any more."""
    with transaction.atomic(using=alias()), connections[alias()].cursor() as cursor:
        cursor.execute(_USAGE, [month])
        for tenant, name, meter, kind, unit, quantity, corrections, closed, reported_at in cursor.fetchall():
            yield [
                starts(month).isoformat(), ends(month).isoformat(), tenant, name, meter, kind, unit, quantity,
                corrections, "yes" if closed else "no", reported_at.isoformat(timespec="seconds"),
            ]  # fmt: skip
