"""Some actions need a second factor that was given lately, by whoever sits there now."""

from datetime import datetime, timedelta

from django.utils import timezone

from identity.errors import RecentMfaRequired, SecondFactorImpossible
from identity.principals import ActingPrincipal, PrincipalKind

RECENT = timedelta(minutes=15)


def clock() -> datetime:
    return timezone.now()


def is_recent(principal: ActingPrincipal) -> bool:
    """SecondFactorImpossible for automation, which has none."""
    if principal.kind is not PrincipalKind.USER:
        raise SecondFactorImpossible
    return principal.mfa_at is not None and clock() <= principal.mfa_at + RECENT


def check_recent(principal: ActingPrincipal) -> None:
    if not is_recent(principal):
        raise RecentMfaRequired
