"""A sealer in the test's own hands, on a database of its own."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from audit.actors import system
from audit.kinds import EventKind
from audit.log_keys import private_keys
from audit.sealing.handover import signing_keys
from audit.sealing.memory import Memory
from audit.sealing.sealer import Sealer
from audit.services import record
from tenants.models import Customer
from tests.factories import TenantWorld, make_tenant

ACTOR = system("tests")
Enter = Callable[[str], contextlib.AbstractContextManager[None]]


@dataclass
class Room:
    """`enter(role)`: speak to the room's database as that role."""

    enter: Enter
    directory: Path

    def tenant(self, **more: Any) -> TenantWorld:
        with self.enter("app"):
            return make_tenant(**more)

    def write(self, world: TenantWorld, customer: Customer | None = None, *, times: int = 1) -> list[UUID]:
        with self.enter("app"), world.acting():
            customer_id = customer.id if customer else None
            return [record(EventKind.CUSTOMER_CREATED, actor=ACTOR, customer_id=customer_id) for _ in range(times)]

    def sealer(self, keys: str | None = None) -> Sealer:
        """Begun anew, as after a restart. Inside `enter("sealer")`."""
        made = Sealer(Memory(self.directory), private_keys(keys or settings.LOG_SIGNING_KEY), "msplex.example")
        made.keys = signing_keys(made)
        return made

    def seal(self, keys: str | None = None) -> int:
        """By a sealer that was just started; how many events its pass was about."""
        with self.enter("sealer"):
            return self.sealer(keys).once()

    @contextlib.contextmanager
    def owner(self) -> Iterator[Any]:
        """Whom no grant holds, with a tenant's context where one is entered inside."""
        with self.enter("migrator"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET ROLE msplex_owner")
            yield cursor

    def tamper(self, world: TenantWorld, statement: str, *values: Any) -> None:
        with self.enter("migrator"), world.acting(), connection.cursor() as cursor:
            cursor.execute("SET ROLE msplex_owner")
            cursor.execute(statement, values or None)
            assert cursor.rowcount > 0, statement

    def pending(self) -> list[tuple[UUID, str | None]]:
        with self.enter("sealer"), connection.cursor() as cursor:
            cursor.execute("SELECT event_id, refused FROM border.audit_pending ORDER BY event_id")
            return cursor.fetchall()
