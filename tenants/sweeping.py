"""The walk of a sweep: once over every active tenant, each in a context of its own."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from django.db import transaction

from tenants.directory import active_tenants
from tenants.isolation.context import Context, acting_for

logger = logging.getLogger(__name__)


def for_each_tenant(work: Callable[[datetime], object]) -> None:
    """In the worker, which alone may ask who there is. Outside a transaction: `work` opens its own.

    What goes wrong with one tenant is no reason to leave the others: it is an alert, and the next run tries again.
    """
    with transaction.atomic():
        tenants = active_tenants()
    for tenant in tenants:
        try:
            with acting_for(Context(tenant)):
                work(datetime.now(UTC))
        except Exception:
            logger.exception("alert: a sweep failed for tenant %s; the next run tries again", tenant)
