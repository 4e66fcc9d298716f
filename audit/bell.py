"""Who waits for a seal does not ask again and again: the sealer rings when it has sealed, and is itself rung for.

One connection of a process listens for all its threads. What a bell says is a hint, because every role of the database
can ring it: whether an event is sealed is looked up. Without a bell (a pooler between, say) waiting is asking again.
"""

import base64
import os
import select
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

import psycopg

SEALED, AWAITED = "audit_sealed", "audit_awaited"
RETRY_SECONDS = 1.0
MARK_BYTES = 6  # of an event's id: the end, which is random
MOST_NAMED = 900  # 8 letters each, of the 8,000 bytes that a notification may have
EVERYBODY = "*"
MOST_HEARD = 4096


def names(events: Sequence[UUID]) -> str:
    """What the sealer says of those that it has sealed."""
    if len(events) > MOST_NAMED:
        return EVERYBODY
    return "".join(base64.b64encode(_mark(event)).decode() for event in events)


def _mark(event: UUID) -> bytes:
    return event.bytes[-MARK_BYTES:]


def _marks(said: str) -> Iterator[bytes]:
    content = base64.b64decode(said)
    for at in range(0, len(content), MARK_BYTES):
        yield content[at : at + MARK_BYTES]


@dataclass
class Ear:
    """Of a process, for one database."""

    parameters: dict[str, object]
    pid: int = field(default_factory=os.getpid)
    hears: bool = False  # a bell has come through; from a pooler, none does
    is_over: bool = False  # the database went away, and nobody waited for it
    _waiting: dict[bytes, threading.Event] = field(default_factory=dict)
    _heard: dict[bytes, None] = field(default_factory=dict)  # lately, of events that nobody waited for yet

    def __post_init__(self) -> None:
        self._asked, self._ask = socket.socketpair()
        for end in (self._asked, self._ask):
            end.setblocking(False)
        threading.Thread(target=self._listen, name="bell", daemon=True).start()

    def ring(self) -> None:
        """Tells the sealer that somebody waits, or is about to."""
        with suppress(OSError):  # it is full, then the sealer is about to be rung for; or nobody reads it any more
            self._ask.send(b"1")

    @contextmanager
    def listening_for(self, events: Iterable[UUID], *, rings: bool = True) -> Iterator[threading.Event]:
        """What is yielded is set when one of them is said to be sealed. `rings`: the sealer was not rung for yet."""
        rung, marks = threading.Event(), [_mark(event) for event in events]
        for mark in marks:
            self._waiting[mark] = rung
        if any(mark in self._heard for mark in marks):  # the sealer was faster
            rung.set()
        if rings:
            self.ring()
        try:
            yield rung
        finally:
            for mark in marks:
                self._waiting.pop(mark, None)

    def _listen(self) -> None:
        while not self.is_over:
            try:
                with psycopg.connect(**self.parameters, autocommit=True) as connection:  # type: ignore[arg-type]
                    connection.execute(f"LISTEN {SEALED}")
                    self._hear(connection)
            except psycopg.Error:
                self.hears, self.is_over = False, not self._waiting
            time.sleep(RETRY_SECONDS)
        self._asked.close()
        self._ask.close()

    def _hear(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        """A bell can also come while we ring; psycopg hands that to who has said so, and to nobody else."""
        raw = connection.pgconn
        connection.add_notify_handler(lambda said: self._heard_bell(said.payload))
        while True:
            ready, _, _ = select.select([raw.socket, self._asked.fileno()], [], [])
            if self._asked.fileno() in ready:
                self._asked.recv(4096)
                connection.execute(f"NOTIFY {AWAITED}")
            raw.consume_input()
            while said := raw.notifies():
                self._heard_bell(said.extra.decode())

    def _heard_bell(self, said: str) -> None:
        self.hears = True
        if said == EVERYBODY:
            for rung in list(self._waiting.values()):
                rung.set()
            return
        with suppress(ValueError):  # somebody else has rung
            for mark in _marks(said):
                self._note(mark)

    def _note(self, mark: bytes) -> None:
        """Noted first: who comes to wait in between finds it."""
        self._heard[mark] = None
        if len(self._heard) > MOST_HEARD:
            self._heard.pop(next(iter(self._heard)))
        rung = self._waiting.get(mark)
        if rung:
            rung.set()


_ears: dict[str, Ear] = {}
_lock = threading.Lock()


def ear(parameters: dict[str, object]) -> Ear:
    """This process's, for the database that the parameters lead to."""
    database = f"{parameters.get('host')}/{parameters.get('port')}/{parameters.get('dbname')}"
    with _lock:
        found = _ears.get(database)
        if found is None or found.pid != os.getpid() or found.is_over:
            found = _ears[database] = Ear(parameters)
        return found
