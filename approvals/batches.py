"""One decision about several customers: a request for each, bound to the exact set of them, and voted on together.

Each is run by a call of its own, through every gate and at most once, so what became of it is said of each by itself.
"""

from collections.abc import Sequence

from django.db import transaction

from approvals.binding import place_of
from approvals.models import ApprovalRequest
from approvals.policy import Ruling
from approvals.services import Asked, Batch, create, standing_for
from connectors.models import ToolCall
from connectors.selectors import mapping_for
from tenants.errors import Conflict, Invalid
from tenants.ids import uuid7

MOST_CUSTOMERS = 20


@transaction.atomic
def request_for_each(
    calls: Sequence[ToolCall], said: Ruling, *, reason: str, ticket: str = ""
) -> list[ApprovalRequest]:
    """All of them, or none. `calls`: of one tool, each for another customer; `said`: the strictest that one needs."""
    if not 1 < len(calls) <= MOST_CUSTOMERS or len({call.customer_id for call in calls}) != len(calls):
        raise Invalid(f"Name 2 to {MOST_CUSTOMERS} customers, each once.", field="customers", code="customers_invalid")
    lines = [_line(call) for call in calls]
    ids = [uuid7() for _ in calls]
    first = Asked(reason, ticket)
    made = []
    for call, own in zip(calls, ids, strict=True):
        asked = Asked(reason, ticket, now=first.now, batch=Batch(ids[0], own, lines))
        request = None if standing_for(call, asked).exists() else create(call, said, asked)
        if request is None:
            name = call.customer.name if call.customer else ""
            raise Conflict(f"The same is asked for {name} already. Leave that customer out.", code="asked_already")
        made.append(request)
    return made


def _line(call: ToolCall) -> list[str]:
    if call.instance is None or call.customer is None:
        raise LookupError("gates out of order")
    mapping = mapping_for(call.instance, call.customer)
    return place_of(call.customer.pk, mapping.external_id if mapping else "", call.arguments)
