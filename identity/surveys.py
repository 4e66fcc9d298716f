"""The questions of this app's sweeps: of which tenants anything is due (tenants.sweeping; msplex/migrations)."""

from datetime import datetime, timedelta

from identity.assertions import SKEW_SECONDS
from identity.models.security import LONGEST_IDLE, LONGEST_SESSION
from identity.passkeys import STATE_SECONDS
from identity.services import attempts, forgetting, handover_domains, leftovers
from tenants.ids import uuid7_floor
from tenants.sweeping import Question


def overdue_sessions(now: datetime) -> Question:
    """Of a tenant without a policy the defaults hold, which are the longest."""
    answered = now - timedelta(seconds=2 * STATE_SECONDS)
    return Question("overdue_sessions", (now, LONGEST_IDLE, LONGEST_SESSION, answered))


def old_agent_sessions(now: datetime) -> Question:
    return Question("old_agent_sessions", (now - forgetting.KEPT, now - timedelta(seconds=SKEW_SECONDS)))


def left_over(now: datetime) -> Question:
    return Question("leftovers", (now, uuid7_floor(now - leftovers.MAIL_KEPT), now - attempts.FORGOTTEN))


def handovers(now: datetime) -> Question:
    return Question("handover_domains", (now - handover_domains.CHECK_EVERY,))
