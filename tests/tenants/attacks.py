"""What a role reaches in each table when every filter of the code is gone: counted, and never committed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, models, transaction

from tenants.isolation.context import Context, acting_for
from tenants.isolation.models import TenantModel
from tests.tenants.furnishing import tenant_models

ROLES = ("app", "worker", "broker", "sealer")
COMMANDS = ("SELECT", "UPDATE", "DELETE")
Reached = dict[tuple[str, str], int]
NO_RIGHT, ROW_REFUSED = "permission denied", "row-level security policy"


def rows(sql: str, *args: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, args or None)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        rows("SET CONSTRAINTS ALL DEFERRED")  # rows that others refer to may go: for the moment
        yield
        transaction.set_rollback(True)


def plain(model: type[TenantModel]) -> "models.Manager[Any]":
    """Django's own manager, in the place of ours: it filters nothing."""
    manager: models.Manager[Any] = models.Manager()
    manager.model = model
    return manager


def reached(context: Context) -> Reached:
    """How many rows each unfiltered command reaches; what the role has no right to is missing."""
    found: Reached = {}
    with acting_for(context), transaction.atomic():
        for model in tenant_models():
            for command in COMMANDS:
                count = _try(model, command)
                if count is not None:
                    found[model._meta.db_table, command] = count
    return found


def _try(model: type[TenantModel], command: str) -> int | None:
    try:
        with undone():
            return _all_rows(model, command)
    except DatabaseError as error:
        if NO_RIGHT not in str(error):
            raise
        return None


def _all_rows(model: type[TenantModel], command: str) -> int | None:
    everything = plain(model).all()
    if command == "SELECT":
        return everything.count()
    if command == "DELETE":
        return everything._raw_delete("default")
    column = changeable(model)
    return everything.update(**{column: models.F(column)}) if column else None


def changeable(model: type[TenantModel]) -> str | None:
    """A column that the role may update, if there is one."""
    for field in model._meta.concrete_fields:
        if rows("SELECT has_column_privilege(%s, %s, 'UPDATE')", model._meta.db_table, field.column)[0][0]:
            return field.attname
    return None


def row_of(table: str, tenant: UUID, condition: str = "true") -> dict[str, Any]:
    """One row of a tenant, as JSON gives it; for the administrator."""
    sql = f"SELECT to_jsonb(t) FROM content.{table} t WHERE tenant_id = %s AND ({condition}) ORDER BY id LIMIT 1"
    found: dict[str, Any] = json.loads(rows(sql, tenant)[0][0])
    return found


def put_in(table: str, row: dict[str, Any]) -> None:
    rows(f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, %s::jsonb)", json.dumps(row))


def insert(table: str, row: dict[str, Any]) -> DatabaseError | None:
    """Put it in and take it out again; what the database said to it."""
    try:
        with undone():
            put_in(table, row)
    except DatabaseError as error:
        return error
    return None
