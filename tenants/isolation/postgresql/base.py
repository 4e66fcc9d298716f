"""Django's PostgreSQL backend, which signs every transaction as it begins (tenants.isolation.context)."""

from functools import partial
from typing import Any

import psycopg
from django.db.backends.postgresql import base, features
from psycopg_pool import ConnectionPool

from tenants.isolation import context


class DatabaseFeatures(features.DatabaseFeatures):
    allows_group_by_selected_pks = False  # the database's key is (tenant_id, id), not id


class DatabaseWrapper(base.DatabaseWrapper):
    features_class = DatabaseFeatures

    @property
    def pool(self) -> "ConnectionPool[Any] | None":
        """Django's, which looks at a connection before it is given out; here one that is dead condemns all of them."""
        pool: ConnectionPool[Any] | None = super().pool
        if pool is not None and pool._check is ConnectionPool.check_connection:
            pool._check = partial(_check, pool)
        return pool

    def _set_autocommit(self, autocommit: bool) -> None:
        super()._set_autocommit(autocommit)  # type: ignore[misc]
        if not autocommit:
            # Without a context, too: what the session brought along (a SET that was not LOCAL) must not count.
            context.bind(self, context.current())


def _check(pool: "ConnectionPool[Any]", connection: "psycopg.Connection[Any]") -> None:
    """After a restart of the server all are dead. Of those the pool tries two and then pauses for a second, which is as
    long as anybody waits: minutes later requests would still fail, one after the other."""
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.Error:
        pool.drain()
        raise
