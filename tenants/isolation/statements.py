"""Signed transactions of constant, prepared statements: what every tool call does, without the ORM in between.

A connection here runs nothing but statements that are written in the code, with every value bound on the server. So
nothing of one tenant can stay in it for the next: it needs no cleaning between uses, and the server keeps its plans.
Statements are queued and sent together (libpq's pipeline mode); reading a result sends what is queued.
"""

import copy
import json
import os
import select
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, JSONField, Model
from django.db.models.base import ModelState

from tenants.isolation.context import Context, current
from tenants.isolation.pipeline import Answer, Pipeline, Row

_SIGN = "SELECT set_config('msplex.context', %s, true)"
_SIGN_READING = "SELECT set_config('msplex.context', %s, true), set_config('transaction_read_only', 'on', true)"
_SIGN_PASSING = "SELECT set_config('msplex.context', %s, true), set_config('synchronous_commit', 'off', true)"
_KEPT = ("host", "port", "dbname", "user", "password", "options")
CONNECT_SECONDS = 1
# Each statement finds its few rows by keys, whatever the values and however large a table has become: planning it each
# time costs more than running it, and a plan that was made while a table was empty would read all of it for ever.
BY_KEYS = (
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;"
    " SET enable_mergejoin = off"
)

M = TypeVar("M", bound=Model)
N = TypeVar("N", bound=Model)
_mine = threading.local()


@dataclass(frozen=True, slots=True)
class _Held:
    """`settings`: Django's, by which it was connected."""

    pid: int
    settings: dict[str, Any]
    raw: psycopg.Connection[Row]
    pipeline: Pipeline

    def __del__(self) -> None:
        """Its thread has ended. One that a parent process left belongs to the parent."""
        if self.pid == os.getpid():
            self.raw.close()


class Signed:
    """The open transaction."""

    def __init__(self, held: _Held) -> None:
        self._pipeline = held.pipeline
        self._backend = held.raw.info.backend_pid
        self.on_commit: list[Callable[[], None]] = []  # called once it is certain

    def act_for(self, context: Context, how: str = _SIGN) -> None:
        """For what follows. Only ever wider: see tenants.isolation.context.acting_for."""
        self._pipeline.send(how, [context.token(self._backend)])

    def ask(self, statement: str, *values: Any) -> Answer:
        """Queued. What changes something returns something, and its result is read before the end."""
        return self._pipeline.send(statement, values)


@contextmanager
def signed_transaction(context: Context | None = None, *, lasting: bool = True) -> Iterator[Signed]:
    """Commits when the block ends, rolls back when it raises. DatabaseError for whatever the database says.

    For the acting context, or another one of its tenant. Not `lasting`: the commit does not wait for the disk. Only for
    what may be gone after a crash of the server, and never for a record: of a record that is gone an alert is raised.
    What commits after it, and waits, makes it last, too: the log of the database is one sequence.
    """
    with _held_for(context) as (held, acting):
        held.pipeline.send("BEGIN")
        signed = Signed(held)
        signed.act_for(acting, _SIGN if lasting else _SIGN_PASSING)
        yield signed
        status = held.pipeline.end("COMMIT")
    if status != b"COMMIT":
        raise DatabaseError("The transaction was rolled back.")
    for committed in signed.on_commit:
        committed()


@contextmanager
def signed_reading(context: Context | None = None) -> Iterator[Signed]:
    """What only reads, and can nothing else: one transaction whose beginning and end need not be asked for."""
    with _held_for(context) as (held, acting):
        signed = Signed(held)
        signed.act_for(acting, _SIGN_READING)
        yield signed
        held.pipeline.end_reading()


@contextmanager
def _held_for(context: Context | None) -> Iterator[tuple[_Held, Context]]:
    """The connection, which is left in order whatever happens. DatabaseError for whatever the database says."""
    context = context or current()
    if context is None:
        raise LookupError("no tenant context")
    if connections[context.alias].in_atomic_block:
        raise RuntimeError("A signed transaction commits by itself: not inside another one.")
    try:
        held = _connection(connections[context.alias])
        if not held.pipeline.is_idle:
            raise RuntimeError("A signed transaction does not hold another one.")
        try:
            yield held, context
        except BaseException:
            _undo(held)
            raise
    except psycopg.Error as error:
        raise DatabaseError(*error.args) from error


def _undo(held: _Held) -> None:
    try:
        held.pipeline.roll_back()
    except BaseException:
        held.raw.close()  # the server rolls back
        raise


def _connection(wrapper: BaseDatabaseWrapper) -> _Held:
    """This thread's own, for the role that Django's connection has; a new one if the server has closed it."""
    held: _Held | None = getattr(_mine, "held", None)
    if held and held.settings == wrapper.settings_dict and held.pid == os.getpid() and _is_alive(held.raw):
        return held
    raw = psycopg.connect(**parameters_of(wrapper), autocommit=True, connect_timeout=CONNECT_SECONDS)
    raw.execute(BY_KEYS)
    held = _mine.held = _Held(os.getpid(), copy.deepcopy(wrapper.settings_dict), raw, Pipeline(raw))
    return held


def parameters_of(wrapper: BaseDatabaseWrapper) -> dict[str, Any]:
    """To connect as it does, outside its pool."""
    return {key: value for key, value in wrapper.get_connection_params().items() if key in _KEPT and value}


def _is_alive(raw: psycopg.Connection[Row]) -> bool:
    """A server has nothing to say to a connection at rest, except that it is over."""
    return not raw.closed and not select.select([raw.fileno()], [], [], 0)[0]


def one(answer: Answer) -> Row | None:
    """Its only row, or none. Sends what is queued."""
    try:
        return answer.fetchone()
    except psycopg.Error as error:
        raise DatabaseError(*error.args) from error


def columns(model: type[Model], alias: str) -> str:
    """What to select for `made`."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def made(model: type[M], values: Sequence[Any]) -> M:
    """The model's instance out of the values of its columns, as the ORM would make it.

    Without `__init__`, which is most of the work: it is for who makes a new one, with defaults and what was left out.
    """
    names, of_json = _columns_of(model)
    if len(values) != len(names):
        raise ValueError(f"{model.__name__} has {len(names)} columns, not {len(values)}.")
    converted = list(values)
    for place in of_json:
        if isinstance(converted[place], str):
            converted[place] = json.loads(converted[place])
    instance = model.__new__(model)
    instance._state = ModelState()
    instance._state.adding, instance._state.db = False, "default"
    instance.__dict__.update(zip(names, converted, strict=True))
    return instance


@lru_cache(maxsize=64)
def _columns_of(model: type[Model]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of attributes in their order, and where the JSON is: read once, for rows are many."""
    fields = model._meta.concrete_fields
    places = tuple(place for place, field in enumerate(fields) if isinstance(field, JSONField))
    return tuple(field.attname for field in fields), places


def split(values: Sequence[Any], first: type[M], second: type[N]) -> tuple[M, N]:
    """Two instances out of one row that selected both's columns."""
    border = len(first._meta.concrete_fields)
    return made(first, values[:border]), made(second, values[border:])


def insertion(model: type[Model]) -> str:
    fields = model._meta.concrete_fields
    names = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join(["%s"] * len(fields))
    return f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({places}) RETURNING true'  # noqa: S608


def values_of(instance: Model) -> list[Any]:
    """What `insertion` binds."""
    wrapper = connections["default"]
    return [field.get_db_prep_save(field.pre_save(instance, add=True), wrapper) for field in _fields(instance)]


def _fields(instance: Model) -> "Sequence[Field[Any, Any]]":
    return instance._meta.concrete_fields
