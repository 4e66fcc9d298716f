"""The health check of an instance: one authenticated request, in the broker process."""

import time
from dataclasses import dataclass, replace

from audit.actors import CallRef, system
from connectors.broker import Purpose
from connectors.catalogue import find
from connectors.errors import MESSAGES, ExecutionError
from connectors.models import ConnectorInstance
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


def examine(instance: ConnectorInstance) -> Checkup:
    began = time.monotonic()
    seen = _examined(instance)
    return replace(seen, milliseconds=round((time.monotonic() - began) * 1000))


def _examined(instance: ConnectorInstance) -> Checkup:
    connector = find(instance.connector)
    if connector is None:
        return Checkup("connector_fault", "This release does not have the connector.", permanent=True)
    try:
        purpose = Purpose(CHECKER, f"{instance.connector}.health", CallRef(None, instance.id))
        with reached(instance, connector, purpose, checks=True) as connection:
            detail = scrubbed(lambda: connector.health(connection), place=f"{connector.key}.health")
    except ExecutionError as error:
        return Checkup(error.code, MESSAGES[error.code], error.permanent)
    return Checkup("", detail)
