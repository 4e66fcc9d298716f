"""A passkey's challenge is answered once. Which were answered is kept, not which were given: those cost nothing."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from identity.errors import PasskeyRefused
from identity.models import SpentChallenge
from identity.passkeys import STATE_SECONDS, State
from identity.services.uniqueness import conflict_if_taken
from tenants.errors import Conflict


def spend(state: State) -> None:
    """In the open transaction. Of two answers at the same moment the second waits, and is refused."""
    try:
        with conflict_if_taken("This challenge was answered before.", code="challenge_spent"):
            SpentChallenge.objects.create(digest=state.digest())
    except Conflict as error:
        raise PasskeyRefused("challenge answered before") from error


@transaction.atomic
def forget_challenges(now: datetime | None = None) -> None:
    """Those whose state is too old to be opened again."""
    old = (now or timezone.now()) - timedelta(seconds=2 * STATE_SECONDS)
    SpentChallenge.objects.filter(spent_at__lt=old).delete()
