"""Four conditions, all of them, before a tool of an instance exists for anyone."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.catalogue import find
from connectors.contract import Connector, OwnCredentials
from connectors.models import ConnectorInstance
from tenants.models import Entitlement

# A check that is late by one interval is late; by two, the last result says nothing any more.
FRESH_INTERVALS = 2
_USABLE = frozenset({ConnectorInstance.Health.HEALTHY, ConnectorInstance.Health.DEGRADED})


@dataclass(frozen=True, slots=True)
class Readiness:
    entitled: bool
    configured: bool
    healthy: bool
    active: bool

    @property
    def ready(self) -> bool:
        return not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(name for name in ("entitled", "configured", "healthy", "active") if not getattr(self, name))


def readiness(instance: ConnectorInstance, entitlement: Entitlement | None, now: datetime) -> Readiness:
    return Readiness(
        entitled=is_entitled(instance.connector, entitlement, now),
        configured=instance.configured_at is not None,
        healthy=is_healthy(instance, now),
        active=instance.state == ConnectorInstance.State.ACTIVE,
    )


def is_entitled(connector: str, entitlement: Entitlement | None, now: datetime) -> bool:
    if entitlement is None or entitlement.connector != connector or find(connector) is None:
        return False
    return entitlement.valid_until is None or now < entitlement.valid_until


def is_healthy(instance: ConnectorInstance, now: datetime) -> bool:
    entry = find(instance.connector)
    if entry is None or instance.health not in _USABLE or instance.health_ok_at is None:
        return False
    return now - instance.health_ok_at <= FRESH_INTERVALS * timedelta(seconds=entry.health_interval)


def needs_own(entry: Connector | None, instance: ConnectorInstance) -> bool:
    """Whether only customers with a credential of their own are reached: the vendor has no other, or people want it."""
    kind = entry.own_credentials if entry else OwnCredentials.NONE
    return kind is OwnCredentials.ONLY or (kind is OwnCredentials.OPTIONAL and instance.own_credentials_only)


def has_credential_for_all(entry: Connector | None) -> bool:
    """So that everybody's clients and signals can be asked for."""
    return entry is not None and entry.own_credentials is not OwnCredentials.ONLY
