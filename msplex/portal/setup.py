"""The four steps of a connection, in their order, as people see them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from connectors.models import ConnectorInstance
from connectors.readiness import Readiness
from connectors.readiness import readiness as readiness_of
from connectors.selectors import entitlement_for

PATIENCE = timedelta(seconds=45)  # how long the page waits for the broker before it says so
Health = ConnectorInstance.Health


class Outcome(StrEnum):
    DONE = "done"
    NOW = "now"
    LATER = "todo"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Step:
    label: str
    outcome: Outcome
    detail: str

    @property
    def said(self) -> str:
        return {"done": "done", "now": "next", "todo": "to do", "wrong": "not in order"}[self.outcome]


def readiness(instance: ConnectorInstance, now: datetime) -> Readiness:
    return readiness_of(instance, entitlement_for(instance.connector), now)


def first_steps(*, entitled: bool) -> list[Step]:
    """Before there is an instance."""
    return _in_order(
        [
            ("Entitlement", entitled, "Your plan includes it" if entitled else "Your plan does not include it"),
            ("Settings and credential", False, "Sealed for the broker when you save"),
            ("Health", False, "One request to the vendor"),
            ("Activation", False, "By you, when all is well"),
        ],
        wrong=not entitled,
    )


def steps(instance: ConnectorInstance, ready: Readiness) -> list[Step]:
    wrong = not ready.entitled or (ready.configured and instance.health in {Health.FAILING, Health.DEGRADED})
    return _in_order(
        [
            ("Entitlement", ready.entitled, "Your plan includes it" if ready.entitled else "Not in your plan any more"),
            ("Settings and credential", ready.configured, "Saved" if ready.configured else "Not saved yet"),
            ("Health", ready.healthy, _health_words(instance, ready)),
            ("Activation", ready.active, f"By {instance.activated_by}" if ready.active else "Not active"),
        ],
        wrong=wrong,
    )


def _health_words(instance: ConnectorInstance, ready: Readiness) -> str:
    if ready.healthy or instance.health in {Health.FAILING, Health.DEGRADED}:
        return instance.get_health_display()
    if instance.health == Health.HEALTHY:
        return "The last good check is too old"
    return "Not checked yet"


def _in_order(states: list[tuple[str, bool, str]], *, wrong: bool) -> list[Step]:
    """The first that is not done is the next one, or what is wrong."""
    first_open = next((index for index, (_, done, _) in enumerate(states) if not done), len(states))
    here = Outcome.WRONG if wrong else Outcome.NOW
    return [
        Step(label, Outcome.DONE if done else here if index == first_open else Outcome.LATER, detail)
        for index, (label, done, detail) in enumerate(states)
    ]


def is_waiting(instance: ConnectorInstance, now: datetime, *, asked_at: datetime | None) -> bool:
    """For the broker's check: the first one of new settings, or one that was asked for."""
    if instance.configured_at is None:
        return False
    since = max(asked_at or instance.configured_at, instance.configured_at)
    checked = instance.health_checked_at is not None and instance.health_checked_at >= since
    return not checked and now - since < PATIENCE
