"""Where a record comes from: the process that wrote it, which of its streams, and the number in it, under a MAC.

A record that is changed before it is sealed does not fit its MAC; one that is removed leaves a gap in its stream.
A thread writes into one stream at a time, and a number is used up by a commit only, so that a rollback leaves no gap.
"""

import hashlib
import hmac
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

LABEL = b"msplex/record/v1\0"


@dataclass(frozen=True, slots=True)
class Mark:
    """What goes with the record. `n` counts from 0 in each stream (`boot`)."""

    writer: str
    boot: UUID
    n: int
    mac: bytes


@dataclass
class Stream:
    writer: str
    key: bytes
    boot: UUID
    next: int = 0

    def mark(self, header: bytes, ahead: int) -> Mark:
        """`ahead`: how many records of the open transaction come before it."""
        n = self.next + ahead
        return Mark(self.writer, self.boot, n, _mac(self.key, n, header))


@dataclass(frozen=True)
class Used:
    """To be called when the record's transaction has committed."""

    stream: Stream

    def __call__(self) -> None:
        self.stream.next += 1


@dataclass
class _Process:
    """Streams that no thread of this process holds at the moment."""

    pid: int
    free: list[Stream] = field(default_factory=list)


@dataclass
class _Held:
    """A thread's own stream; when the thread ends, the next one goes on with it."""

    process: _Process
    stream: Stream

    def __del__(self) -> None:
        self.process.free.append(self.stream)


_process = _Process(os.getpid())
_mine = threading.local()


def mark(header: bytes, waiting: Sequence[Callable[[], object]]) -> tuple[Mark, Used]:
    """For one record of the open transaction. `waiting`: what is called when it commits; the second value must be."""
    stream = _stream()
    ahead = sum(1 for each in waiting if isinstance(each, Used) and each.stream is stream)
    return stream.mark(header, ahead), Used(stream)


def fits(mark_: Mark, header: bytes) -> bool:
    """Whether a process that holds one of our record keys wrote it so."""
    macs = (_mac(_stream_key(key, mark_.writer, mark_.boot), mark_.n, header) for key in settings.RECORD_KEY)
    return any(hmac.compare_digest(mac, mark_.mac) for mac in macs)


def _stream() -> Stream:
    global _process  # noqa: PLW0603 - a forked child must not write into its parent's streams
    if _process.pid != os.getpid():
        _process = _Process(os.getpid())
    held: _Held | None = getattr(_mine, "held", None)
    if held is None or held.process is not _process:
        held = _mine.held = _Held(_process, _free() or _new())
    return held.stream


def _free() -> Stream | None:
    try:
        return _process.free.pop()
    except IndexError:
        return None


def _new() -> Stream:
    if not settings.RECORD_KEY:
        raise ImproperlyConfigured("MSPLEX_RECORD_KEY (or MSPLEX_RECORD_KEY_FILE) is missing: nothing can be recorded.")
    writer, boot = settings.MSPLEX_PROCESS, uuid4()
    return Stream(writer, _stream_key(settings.RECORD_KEY[-1], writer, boot), boot)


def _stream_key(key: bytes, writer: str, boot: UUID) -> bytes:
    return hmac.new(key, LABEL + boot.bytes + writer.encode(), hashlib.sha256).digest()


def _mac(key: bytes, n: int, header: bytes) -> bytes:
    return hmac.new(key, n.to_bytes(8, "big") + header, hashlib.sha256).digest()
