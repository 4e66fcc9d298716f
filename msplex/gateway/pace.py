"""Gate 9's rate: taken before the call's transaction, as Redis may be slow; given back when an earlier gate refuses."""

from uuid import UUID

from django.db import transaction

from msplex import rates
from msplex.decision.snapshot import snapshot
from msplex.decision.verdicts import Decision, Gate
from tenants.isolation.context import Context, acting_for
from tenants.models import Entitlement

KNOWN = 10_000
_known: dict[tuple[UUID, str], Entitlement] = {}
_EARLIER = frozenset(list(Gate)[: list(Gate).index(Gate.CHECK_QUOTA)])


def entitlement_of(context: Context, tool: str) -> Entitlement | None:
    """What pays for a tool, as the last decision about it saw it; looked up when there was none yet."""
    if (context.tenant, tool) not in _known:
        with acting_for(context), transaction.atomic():
            taken = snapshot()
        offered = taken.tools.get(tool)
        remember(context.tenant, tool, taken.entitlements.get(offered.connector.key) if offered else None)
    return _known.get((context.tenant, tool))


def remember(tenant: UUID, tool: str, entitlement: Entitlement | None) -> None:
    if entitlement is None:
        _known.pop((tenant, tool), None)
        return
    if len(_known) >= KNOWN:
        _known.clear()
    _known[tenant, tool] = entitlement


def settle(entitlement: Entitlement | None, decision: Decision) -> None:
    """After the decision: a call that an earlier gate refused has used nothing up."""
    if entitlement is not None and decision.gate in _EARLIER:
        rates.give_back(entitlement)
