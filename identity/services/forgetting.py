"""What the authorization server needs no more. Until then it is what shows that somebody uses a thing twice."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from identity.assertions import SKEW_SECONDS
from identity.models import AgentSession, OAuthCode, OAuthRefreshToken, SpentAssertion

# After a session is over, by its end or by its time: a rotated token that comes back still raises its alarm.
KEPT = timedelta(days=7)
BATCH = 500


def forget_agent_sessions(now: datetime | None = None) -> int:
    """Sessions that are over for a week, with every code and refresh token of theirs. Of the others, nothing."""
    before = (now or timezone.now()) - KEPT
    total = 0
    while gone := _forget_batch(before):
        total += gone
    return total


@transaction.atomic
def _forget_batch(before: datetime) -> int:
    over = AgentSession.objects.filter(Q(ended_at__lt=before) | Q(expires_at__lt=before))
    ids = list(over.order_by("id").values_list("id", flat=True)[:BATCH])
    OAuthCode.objects.filter(agent_session_id__in=ids).delete()
    tokens = OAuthRefreshToken.objects.filter(agent_session_id__in=ids)
    tokens._raw_delete(tokens.db)  # delete() would look at the package's own table of access tokens, which is not made
    AgentSession.objects.filter(id__in=ids).delete()
    return len(ids)


@transaction.atomic
def forget_assertions(now: datetime | None = None) -> int:
    """Those that would be refused for their age."""
    late = (now or timezone.now()) - timedelta(seconds=SKEW_SECONDS)
    return SpentAssertion.objects.filter(expires_at__lt=late).delete()[0]
