from typing import Any

from billing.models import QuotaCounter
from billing.months import this_month
from tenants.isolation.context import acting_tenant
from tenants.isolation.statements import Signed

_USED = "SELECT connector, used FROM billing_quotacounter WHERE tenant_id = %s AND month = %s"


def ask_calls_used(db: Signed) -> Any:
    """Calls reserved this month, by connector; read with `calls_used_of`."""
    return db.ask(_USED, acting_tenant(), this_month())


def calls_used(connector: str) -> int:
    """Calls of the connector that were reserved this month."""
    found = QuotaCounter.objects.filter(connector=connector, month=this_month()).values_list("used", flat=True)
    return found.first() or 0


def calls_used_of(cursor: Any) -> dict[str, int]:
    return dict(cursor.fetchall())
