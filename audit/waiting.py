"""Waiting for the seal: what opens a secret, or cannot be undone, first has its intent where nobody can take it out."""

import time
from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connections

from audit.bell import ear
from audit.errors import AuditUnavailable
from tenants.isolation.context import current
from tenants.isolation.statements import one, parameters_of, signed_reading

LOOK_SECONDS = 0.01  # without bells
TRUST_SECONDS = 0.1  # with them: one could be missed
_SEALED = "SELECT border.audit_sealed(%s::uuid[])"


def await_seal(events: Sequence[UUID], timeout: float | None = None) -> None:
    """Returns when these committed events of the acting tenant are in a signed checkpoint.

    AuditUnavailable after settings.SEAL_SECONDS, or the time that is given. Not inside a transaction.
    """
    context = current()
    if context is None:
        raise LookupError("no tenant context")
    connection = connections[context.alias]
    if connection.in_atomic_block:
        raise RuntimeError("The seal is never awaited while a transaction is open.")
    deadline = time.monotonic() + (settings.SEAL_SECONDS if timeout is None else timeout)
    listening = ear(parameters_of(connection))
    with listening.listening_for(events) as rung:
        while True:
            rung.wait(TRUST_SECONDS if listening.hears else LOOK_SECONDS)  # nothing is sealed at once
            rung.clear()
            if _sealed(events):
                return
            if time.monotonic() > deadline:
                raise AuditUnavailable


def _sealed(events: Sequence[UUID]) -> bool:
    try:
        with signed_reading() as db:
            sealed = db.ask(_SEALED, list(events))
        return one(sealed) == (True,)
    except DatabaseError as error:
        raise AuditUnavailable from error
