"""Gate 9's rates, asked once everything else was decided: what is refused without them uses nothing up of them.

The decision knows the plan's terms, and that the customer is one of the caller's own. So nobody can use up, or learn
of, the rate of another one.
"""

from msplex import rates
from msplex.decision.verdicts import Code, Decision, Gate
from msplex.rates import Bucket


def buckets_of(decision: Decision) -> tuple[Bucket, ...]:
    """The plan's, then the customer's own if it has a limit: of a call that may be sent, or asks for people."""
    entitlement, customer = decision.resolved.entitlement, decision.resolved.customer
    refused = decision.refusal is not None and decision.refusal.code != Code.APPROVAL_REQUIRED
    if refused or entitlement is None or customer is None:
        return ()
    own = rates.of_customer(customer)
    return (rates.of_plan(entitlement), own) if own else (rates.of_plan(entitlement),)


def settle(buckets: tuple[Bucket, ...], decision: Decision) -> None:
    """As it was written down: a call that was refused by the quota after all, because somebody was faster or because
    only the reservation knows how much the customer has used, has taken nothing."""
    if decision.gate == Gate.CHECK_QUOTA:
        rates.give_back(buckets)
