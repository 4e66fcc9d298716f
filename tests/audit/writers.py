"""Threads that write events as the broker does, each on a connection of its own, until they are told to stop."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from uuid import UUID

from django.db import DatabaseError

from audit.actors import system
from audit.errors import AuditUnavailable
from audit.kinds import EventKind
from audit.services import queue_record
from tenants.isolation.context import Context, acting_for
from tenants.isolation.statements import signed_transaction
from tests.conftest import as_role


class Writers:
    """`written`: by tenant, the events whose commit was confirmed."""

    def __init__(self, database: str, tenants: Sequence[UUID], *, threads: int) -> None:
        self._database, self._tenants, self._ended = database, tenants, threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(threads)]
        self.written: dict[UUID, list[UUID]] = {tenant: [] for tenant in tenants}

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _write(self, number: int) -> None:
        tenant = self._tenants[number % len(self._tenants)]
        with as_role("broker", self._database):
            while not self._ended.wait(0.002):
                try:
                    self.written[tenant].append(self._one(tenant))
                except (DatabaseError, AuditUnavailable):
                    continue

    def _one(self, tenant: UUID) -> UUID:
        about = {"subject": ("", None, ""), "customer_id": None, "result": "ok", "body": {}}
        with acting_for(Context(tenant)), signed_transaction() as db:
            queued = queue_record(db, EventKind.CALL_FINISHED, actor=system("writer"), **about)
            queued.confirm()
        return queued.id
