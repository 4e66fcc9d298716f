"""Waiting for the seal: what opens a secret, or cannot be undone, first has its intent where nobody can take it out."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from audit.bell import ear
from audit.errors import AuditUnavailable
from tenants.isolation.context import current
from tenants.isolation.statements import Signed, one, parameters_of, signed_reading

LOOK_SECONDS = 0.01  # without bells
TRUST_SECONDS = 0.1  # with them: one could be missed
_SEALED = "SELECT border.audit_sealed(%s::uuid[])"


def ring_for_seal() -> None:
    """For what was committed before: the sealer may begin while whoever will wait for it still has something to do."""
    ear(parameters_of(_connection())).ring()


def await_seal(events: Sequence[UUID], timeout: float | None = None, *, rings: bool = True) -> None:
    """Returns when these committed events of the acting tenant are in a signed checkpoint.

    AuditUnavailable after settings.SEAL_SECONDS, or the time that is given. Not inside a transaction.
    `rings`: nobody has rung for the sealer since they were committed.
    """
    connection = _connection()
    if connection.in_atomic_block:
        raise RuntimeError("The seal is never awaited while a transaction is open.")
    deadline = time.monotonic() + (settings.SEAL_SECONDS if timeout is None else timeout)
    listening = ear(parameters_of(connection))
    with listening.listening_for(events, rings=rings) as rung:
        while True:
            rung.wait(TRUST_SECONDS if listening.hears else LOOK_SECONDS)  # nothing is sealed at once
            rung.clear()
            if _sealed(events):
                return
            if time.monotonic() > deadline:
                raise AuditUnavailable


def _connection() -> BaseDatabaseWrapper:
    context = current()
    if context is None:
        raise LookupError("no tenant context")
    return connections[context.alias]


def ask_sealed(db: Signed, events: Sequence[UUID]) -> Any:
    """Whether they are all in a signed checkpoint: a row of one value."""
    return db.ask(_SEALED, list(events))


def _sealed(events: Sequence[UUID]) -> bool:
    try:
        with signed_reading() as db:
            sealed = ask_sealed(db, events)
        return one(sealed) == (True,)
    except DatabaseError as error:
        raise AuditUnavailable from error
