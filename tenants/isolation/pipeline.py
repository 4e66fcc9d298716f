"""Prepared statements down a connection in libpq's pipeline mode, with next to nothing of Python in between.

psycopg's own pipeline does the same for every kind of cursor; of a transaction of four short statements it takes four
times as long as the server. The values are still adapted by psycopg, both ways.
"""

import re
import select
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

Row = tuple[Any, ...]
_GOOD = {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}
_ENCODING = "utf-8"
_MARK = re.compile(r"%([sb])")
_FORMATS = {"s": PyFormat.AUTO, "b": PyFormat.BINARY}


class Answer:
    """What comes back for one statement: asked for, it sends what is queued and waits for it."""

    __slots__ = ("_at", "_receive", "failure", "is_there", "number", "rows", "status")

    def __init__(self, number: int, receive: "Callable[[Answer], None]") -> None:
        self.number = number
        self._receive = receive
        self._at = 0
        self.is_there = False
        self.rows: list[Row] = []
        self.status = b""
        self.failure: Any = None  # the server's; not the exception, whose frames would keep all of this alive

    def fetchone(self) -> Row | None:
        self._wait()
        if self._at >= len(self.rows):
            return None
        self._at += 1
        return self.rows[self._at - 1]

    def fetchall(self) -> list[Row]:
        self._wait()
        rest, self._at = self.rows[self._at :], len(self.rows)
        return rest

    def _wait(self) -> None:
        if not self.is_there:
            self._receive(self)
        self.check()

    def check(self) -> None:
        """Raises what the server said. Of the statements behind one that failed none is run."""
        if self.failure is None:
            return
        if self.failure.status == ExecStatus.PIPELINE_ABORTED:
            raise errors.OperationalError("A statement before this one has failed.")
        raise errors.error_from_result(self.failure, encoding=_ENCODING)


class Pipeline:
    """Of one connection, which is used for nothing else from then on."""

    def __init__(self, raw: "psycopg.Connection[Row]") -> None:
        self._pg = raw.pgconn
        self._values = Transformer(raw)
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(raw.fileno(), select.POLLIN)
        self._writable.register(raw.fileno(), select.POLLIN | select.POLLOUT)
        self._names: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._made = 0
        self._sent = self._flushed = 0  # statements; and up to which the server was asked to answer
        self._failed = False
        self._coming: deque[Answer | None] = deque()  # None: the end of a transaction
        self._pg.nonblocking = 1
        self._pg.enter_pipeline_mode()

    @property
    def is_idle(self) -> bool:
        return not self._coming and self._pg.transaction_status == TransactionStatus.IDLE

    def send(self, statement: str, values: Sequence[Any] = ()) -> Answer:
        """Queued: it leaves with the next answer that is read, or with the end."""
        text, formats = _text_of(statement)
        if len(formats) != len(values):
            raise TypeError(f"The statement binds {len(formats)} values, not {len(values)}.")
        bound = self._values.dump_sequence(values, formats)
        name = self._name(statement, text, tuple(self._values.types or ()))
        self._pg.send_query_prepared(name, bound, self._values.formats)
        return self._expect()

    def end(self, statement: str) -> bytes:
        """Send it and read everything to the end; its status. Raises the first error of any statement."""
        last = self.send(statement)
        self.end_reading()
        return last.status

    def end_reading(self) -> None:
        """The same without a statement: what was sent since the last end was a transaction of its own."""
        answers = [answer for answer in self._coming if answer]
        self._finish()
        for answer in answers:
            answer.check()

    def roll_back(self) -> None:
        """Whatever was sent and read, or not. After an error all is prepared anew: tables may have changed."""
        self._finish()
        if self._pg.transaction_status != TransactionStatus.IDLE:
            self._send_plain(b"ROLLBACK")
        if self._failed:
            self._send_plain(b"DEALLOCATE ALL")
            self._names.clear()
            self._failed = False

    def _send_plain(self, command: bytes) -> None:
        self._pg.send_query_params(command, None)
        self._expect()
        self._finish()

    def _name(self, statement: str, text: bytes, types: tuple[int, ...]) -> bytes:
        """Of the statement that is prepared for values of these types. If preparing fails, so does what follows."""
        name = self._names.get((statement, types))
        if name is None:
            self._made += 1
            name = self._names[statement, types] = f"s{self._made}".encode()
            self._pg.send_prepare(name, text, types)
            self._expect()
        return name

    def _expect(self) -> Answer:
        self._sent += 1
        answer = Answer(self._sent, self._receive)
        self._coming.append(answer)
        return answer

    def _receive(self, wanted: Answer) -> None:
        if wanted.number > self._flushed:
            self._pg.send_flush_request()
            self._flushed = self._sent
        while not wanted.is_there:
            self._next()

    def _finish(self) -> None:
        self._pg.pipeline_sync()
        self._coming.append(None)
        while self._coming:
            self._next()

    def _next(self) -> None:
        """One more answer, of that which was asked for longest ago."""
        result = self._result()
        if result is None:  # stands between the answers
            if self._pg.status != ConnStatus.OK:
                raise errors.OperationalError("The connection is lost.")
            return
        answer = self._coming.popleft()
        if answer is None:
            if result.status != ExecStatus.PIPELINE_SYNC:
                raise errors.InternalError("The answers of the server are out of order.")
            return
        answer.is_there = True
        if result.status in _GOOD:
            answer.status = result.command_status or b""
            self._values.set_pgresult(result)
            answer.rows = self._values.load_rows(0, result.ntuples, tuple)
        else:
            answer.failure, self._failed = result, True

    def _result(self) -> Any:
        while self._pg.flush():
            self._writable.poll()
            self._pg.consume_input()
        while self._pg.is_busy():
            self._readable.poll()
            self._pg.consume_input()
        return self._pg.get_result()


@lru_cache(maxsize=1024)
def _text_of(statement: str) -> tuple[bytes, tuple[PyFormat, ...]]:
    """With the server's marks for the values instead of ours, and the format of each: %b is in binary, which for long
    lists of bytes is a fiftieth of the work."""
    first, *marked = _MARK.split(statement)
    marks, parts = marked[::2], marked[1::2]
    text = first + "".join(f"${number}{part}" for number, part in enumerate(parts, start=1))
    if "%" in text.replace("%%", ""):
        raise ValueError("A statement has %s or %b for its values, and %% for a percent sign.")
    return text.replace("%%", "%").encode(), tuple(_FORMATS[mark] for mark in marks)
