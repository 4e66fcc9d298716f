"""Who the current code acts for, and how the database is told.

The database believes only a token signed over its own backend's pid, so that SQL injected into one tenant's transaction
cannot step into another's. docs/isolation.md has the reasoning.
"""

import contextlib
import dataclasses
import hashlib
import hmac
import time
from collections.abc import Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connections
from psycopg.pq import TransactionStatus

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

# The context of questions that go over every tenant (tenants.isolation.surveys). No row is this tenant's.
NOBODY = UUID(int=0)
TOKEN_SECONDS = 60  # compared with the start of the transaction, so it only has to cover skew between clocks


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """A tenant, the customers in scope (None: every one; (): none) and the principal, if there is one."""

    tenant: UUID
    customers: tuple[UUID, ...] | None = None
    principal: UUID | None = None
    alias: str = "default"

    def token(self, backend_pid: int) -> str:
        """Of this second: what a call asks for several times is made once."""
        now = int(time.time())
        return _token(self, backend_pid, now + TOKEN_SECONDS, settings.CONTEXT_KEY_ID, settings.CONTEXT_KEY)

    def _said(self) -> str:
        scope = "*" if self.customers is None else ",".join(customer.hex for customer in self.customers)
        principal = self.principal.hex if self.principal else ""
        return f"{self.tenant}:{scope}:{principal}"


@lru_cache(maxsize=1024)
def _token(context: Context, backend_pid: int, expires: int, key_id: int, key: bytes) -> str:
    message = f"{key_id}:{expires}:{context._said()}"
    mac = hmac.new(key, f"{message}:{backend_pid}".encode(), hashlib.sha256)
    return f"{message}:{mac.hexdigest()}"


_current: ContextVar[Context | None] = ContextVar("msplex_context", default=None)


def current() -> Context | None:
    return _current.get()


def acting_tenant() -> UUID:
    """The tenant that is acted for; LookupError without one."""
    context = _current.get()
    if context is None:
        raise LookupError("no tenant context")
    return context.tenant


def acting_tenant_or_none() -> UUID | None:
    """For the one model that Django's own checks make an instance of. The database refuses the row without a tenant."""
    context = _current.get()
    return context.tenant if context else None


def bind(connection: "BaseDatabaseWrapper", context: Context | None) -> None:
    """Tell the open transaction of this connection who it works for."""
    raw = connection.connection
    token = context.token(raw.info.backend_pid) if context and context.alias == connection.alias else ""
    with connection.wrap_database_errors:  # bound on the server, so the token is not part of the statement's text
        psycopg.Cursor(raw).execute("SELECT set_config('msplex.context', %s, true)", [token])


@contextlib.contextmanager
def acting_for(context: Context) -> Iterator[Context]:
    """Act for a tenant. Transactions opened inside are signed as they begin; inside one, it is signed anew.

    Never narrow inside an open transaction: ROLLBACK TO SAVEPOINT would bring the wider scope back. Only widen.
    """
    outer = _current.get()
    if outer and outer.tenant != context.tenant:
        raise RuntimeError("already acting for another tenant")
    connection = connections[context.alias]
    inside = connection.in_atomic_block
    mark = _current.set(context)
    try:
        if inside:
            bind(connection, context)
        yield context
    finally:
        _current.reset(mark)
        if inside and connection.connection.info.transaction_status == TransactionStatus.INTRANS:
            bind(connection, outer)  # else the rollback restores it
