from billing.models import QuotaCounter
from billing.months import this_month


def calls_used(connector: str) -> int:
    """Calls reserved this month for one connector."""
    used = QuotaCounter.objects.filter(connector=connector, month=this_month()).values_list("used", flat=True).first()
    return used or 0
