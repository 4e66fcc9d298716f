"""How many people there may be: the plan's seats, as billing has written them down (tenants.Subscription).

A seat is taken by everybody who is not disabled, of the MSP and of its customers, and by each open invitation. A plan
with fewer seats than people sends nobody away: it lets nobody else in.
"""

from django.utils import timezone

from identity.models import Invitation, Principal
from identity.principals import PrincipalKind
from identity.services.authority import whole_tenant
from tenants.errors import Conflict
from tenants.models import Subscription


def people() -> int:
    return Principal.objects.filter(kind=PrincipalKind.USER.value, disabled_at=None).count()


def invited() -> int:
    """Whose invitation can still be accepted."""
    return Invitation.objects.filter(accepted_at=None, withdrawn_at=None, expires_at__gt=timezone.now()).count()


def take_seat(*, invited_already: bool = False) -> None:
    """In the transaction of whoever comes in, before. Conflict when there is none; one after the other may ask.

    `invited_already`: their invitation holds a seat.
    """
    with whole_tenant():
        subscription = Subscription.objects.select_for_update().first()
        if subscription is None or subscription.seats is None:
            return
        here, coming = people(), 0 if invited_already else invited()
        if here + coming < subscription.seats:
            return
    waiting = f" and {coming} open invitation{'s' if coming > 1 else ''}" if coming else ""
    raise Conflict(
        f"All {subscription.seats} seats of the plan are taken, by {here} people{waiting}. Disable an account,"
        " withdraw an invitation, or ask the provider of this deployment for more seats.",
        code="no_seat",
    )
