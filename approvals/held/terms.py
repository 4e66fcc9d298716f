"""What is asked for with a grant that is held in advance: by whom it is held, when, and how often it may be used.

The same words are part of the digest that people approve, and of what the broker signs.
"""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from approvals.held.models import HostAgent
from approvals.held.playbooks import MOST_STEPS, Playbook
from tenants.errors import Invalid

LONGEST = timedelta(days=31)
MOST_USES = 10
MOST_MINUTES = 7 * 24 * 60


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """`heartbeat_lost_minutes`: None, if losing contact is no reason. One of the two conditions is enough."""

    agent: HostAgent
    not_before: datetime
    not_after: datetime
    heartbeat_lost_minutes: int | None = None
    critical_alert: bool = False
    uses: int = 1
    playbook: Playbook | None = None

    def check(self, now: datetime) -> None:
        """Invalid names the field."""
        if self.agent.state != "active":
            raise Invalid("Choose a host agent that is enrolled and not revoked.", field="agent")
        if self.not_after <= max(self.not_before, now):
            raise Invalid("It has to end after it begins, and after now.", field="not_after")
        if self.not_after - now > LONGEST:
            raise Invalid(f"It may be held for {LONGEST.days} days at most.", field="not_after")
        if not self.critical_alert and not self.heartbeat_lost_minutes:
            message = "Say when it may be used: minutes without contact, a critical alert, or either."
            raise Invalid(message, field="heartbeat_lost_minutes")
        if not 0 <= (self.heartbeat_lost_minutes or 0) <= MOST_MINUTES:
            raise Invalid(f"Between 1 and {MOST_MINUTES} minutes.", field="heartbeat_lost_minutes")
        if not 1 <= self.uses <= MOST_USES:
            raise Invalid(f"Between 1 and {MOST_USES} times.", field="uses")
        if self.playbook and len(self.playbook.steps) > MOST_STEPS:
            raise Invalid(f"At most {MOST_STEPS} steps, with the first.", field="then")

    def as_json(self) -> dict[str, Any]:
        return {
            "agent": str(self.agent.pk),
            "agent_key": self.agent.kid,
            "asset": str(self.agent.asset_id),
            "critical_alert": self.critical_alert,
            "heartbeat_lost_minutes": self.heartbeat_lost_minutes or 0,
            "not_after": seconds_of(self.not_after),
            "not_before": seconds_of(self.not_before),
            "uses": self.uses,
            **(self.playbook.as_json() if self.playbook else {}),
        }


def seconds_of(moment: datetime) -> int:
    return int(moment.timestamp())


def moment_of(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
