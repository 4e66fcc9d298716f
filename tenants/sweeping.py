"""The walks of the sweeps: over the tenants that have something to do, or over all of them a few at a time."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tenants.isolation.context import NOBODY, Context, acting_for

logger = logging.getLogger(__name__)
# Whatever a question leaves out is found within this: everybody is come to all the same, spread over the day.
NET = timedelta(days=1)
# After a standstill the net is not hauled in at once; a walk that makes up for it, such as that of usage, is.
MOST_OF_THE_NET = timedelta(minutes=15)


@dataclass(frozen=True)
class Question:
    """One of `border.with_<name>()`, with its arguments (msplex/migrations)."""

    name: str
    values: tuple[Any, ...] = ()


def for_those_with(question: Question, *work: Callable[[datetime], object]) -> None:
    """In the worker, which alone may ask. However many tenants have nothing to do: two statements.

    Outside a transaction: `work` opens its own, and comes to a tenant in a context of its own.
    """
    with acting_for(Context(NOBODY)), transaction.atomic():
        found = dict.fromkeys(_asked(question))
        found |= dict.fromkeys(_turn(question.name, NET, MOST_OF_THE_NET))
    _walk(found, work)


def for_each_in_turn(sweep: str, *work: Callable[[datetime], object], every: timedelta) -> None:
    """Everybody once in `every`, each at a time of its own: as many at each run as its share of the time is."""
    with transaction.atomic():
        found = _turn(sweep, every, every)
    _walk(found, work)


def number_of(name: str) -> int:
    """One of `border.<name>()`: a number over all tenants."""
    with acting_for(Context(NOBODY)), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT border.{name}()")
        return int(cursor.fetchone()[0])


def _asked(question: Question) -> list[UUID]:
    return _ids(f"SELECT border.with_{question.name}({', '.join(['%s'] * len(question.values))})", question.values)


def _turn(sweep: str, every: timedelta, most: timedelta) -> list[UUID]:
    return _ids("SELECT border.take_turn(%s, %s, %s, %s)", (sweep, datetime.now(UTC), every, most))


def _ids(statement: str, values: tuple[Any, ...]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [row[0] for row in cursor.fetchall()]


def _walk(tenants: Iterable[UUID], work: Iterable[Callable[[datetime], object]]) -> None:
    """What goes wrong once is no reason to leave the others, nor the rest: an alert, and the next run tries again."""
    for tenant, part in product(tenants, work):
        try:
            with acting_for(Context(tenant)):
                part(datetime.now(UTC))
        except Exception:
            logger.exception("alert: a sweep failed for tenant %s; the next run tries again", tenant)
