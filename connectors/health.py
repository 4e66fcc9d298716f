"""The health check of an instance: one authenticated request, in the broker process."""

import time
from dataclasses import dataclass, replace

from audit.actors import CallRef, system
from connectors.broker import Own, Purpose
from connectors.catalogue import find
from connectors.contract import OwnCredentials
from connectors.errors import MESSAGES, ExecutionError
from connectors.models import ConnectorInstance, CustomerMapping
from connectors.reaching import reached
from connectors.scrub import scrubbed

CHECKER = system("connector health check")


@dataclass(frozen=True, slots=True)
class Checkup:
    """`code` is empty when all is well. `milliseconds`: how long it took, the opening of the credential with it."""

    code: str
    detail: str
    permanent: bool = False
    milliseconds: int = 0

    @property
    def ok(self) -> bool:
        return not self.code


def examine(instance: ConnectorInstance, mapping: CustomerMapping | None = None) -> Checkup:
    """Of the connection's credential; with a `mapping`, of that customer's own."""
    began = time.monotonic()
    seen = _examined(instance, mapping)
    return replace(seen, milliseconds=round((time.monotonic() - began) * 1000))


def _examined(instance: ConnectorInstance, mapping: CustomerMapping | None) -> Checkup:
    connector = find(instance.connector)
    if connector is None:
        return Checkup("connector_fault", "This release does not have the connector.", permanent=True)
    if mapping is None and connector.own_credentials is OwnCredentials.ONLY:
        return Checkup("", "Each customer has a credential of its own, and a check of its own.")
    try:
        customer = mapping.customer_id if mapping else None
        purpose = Purpose(CHECKER, f"{instance.connector}.health", CallRef(None, instance.id), customer)
        own = Own(mapping.customer_id, mapping.external_id, required=True) if mapping else None
        with reached(instance, connector, purpose, own=own, checks=True) as connection:
            detail = scrubbed(lambda: connector.health(connection), place=f"{connector.key}.health")
    except ExecutionError as error:
        return Checkup(error.code, MESSAGES[error.code], error.permanent)
    return Checkup("", detail)
