"""The four steps of a connection, in their order, as people see them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from connectors.models import ConnectorInstance
from connectors.readiness import Readiness
from connectors.readiness import readiness as readiness_of
from connectors.selectors import LATE, entitlement_for

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


class Wait(StrEnum):
    """For a check of the broker."""

    NONE = ""
    SHORT = "short"
    LATE = "late"


def wait(instance: ConnectorInstance, now: datetime) -> Wait:
    if instance.check_asked_at is None or not instance.awaits_check:
        return Wait.NONE
    return Wait.SHORT if now - instance.check_asked_at < LATE else Wait.LATE
