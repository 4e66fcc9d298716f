"""What the sealer itself remembers, on another volume than the database: the last head of every tree it has signed.

A database that was set back, or rewritten, contradicts it. One file, and a journal beside it that is synced before
anything is signed.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

SNAPSHOT, JOURNAL = "heads.json", "heads.journal"
LONGEST_JOURNAL = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Head:
    epoch: int
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a stream of records was seen without a gap, and the numbers beyond that."""

    next: int
    beyond: tuple[int, ...] = ()
    at: float = 0.0  # seconds since 1970, of the last record


class Memory:
    """Heads by tenant, streams by their boot."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.heads, self.streams = _kept(directory)
        self._journal = self._begin()

    def keep(self, heads: Iterable[tuple[UUID, Head]], streams: Iterable[tuple[UUID, Seen]]) -> None:
        """On the disk when this returns."""
        new_heads, new_streams = dict(heads), dict(streams)
        if not new_heads and not new_streams:
            return
        self.heads |= new_heads
        self.streams |= new_streams
        os.write(self._journal, _line(new_heads, new_streams))
        os.fsync(self._journal)
        if os.fstat(self._journal).st_size > LONGEST_JOURNAL:
            self.close()
            self._journal = self._begin()

    def forget(self, boots: Iterable[UUID]) -> None:
        """Streams that have long been at rest; gone from the disk with the next snapshot."""
        for boot in boots:
            self.streams.pop(boot, None)

    def close(self) -> None:
        os.close(self._journal)

    def _begin(self) -> int:
        """A snapshot of everything, complete or not there, and an empty journal after it."""
        draft = self._directory / f"{SNAPSHOT}.new"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(_line(heads=self.heads, streams=self.streams))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._directory / SNAPSHOT)
        journal = os.open(self._directory / JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        directory = os.open(self._directory, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        return journal


def heads_in(directory: Path) -> dict[UUID, Head]:
    """What a sealer has left there, without disturbing it."""
    return _kept(directory)[0]


def _kept(directory: Path) -> tuple[dict[UUID, Head], dict[UUID, Seen]]:
    heads: dict[UUID, Head] = {}
    streams: dict[UUID, Seen] = {}
    for line in _lines(directory):
        for tenant, (epoch, size, root) in line["heads"].items():
            heads[UUID(tenant)] = Head(epoch, size, bytes.fromhex(root))
        for boot, (following, beyond, at) in line["streams"].items():
            streams[UUID(boot)] = Seen(following, tuple(beyond), at)
    return heads, streams


def _lines(directory: Path) -> Iterator[dict[str, Any]]:
    """A torn last line was of a pass that signed nothing."""
    for name in (SNAPSHOT, JOURNAL):
        with contextlib.suppress(FileNotFoundError):
            for line in (directory / name).read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    yield json.loads(line)


def _line(heads: dict[UUID, Head], streams: dict[UUID, Seen]) -> bytes:
    said = {
        "heads": {str(tenant): [head.epoch, head.size, head.root.hex()] for tenant, head in heads.items()},
        "streams": {str(boot): [seen.next, seen.beyond, seen.at] for boot, seen in streams.items()},
    }
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"
