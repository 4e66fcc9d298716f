"""Everywhere that a secret could have been left: tables, the queue, files, processes; as an administrator sees it."""

import os
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import psycopg
import redis
from psycopg import sql

from msplex.runtime.processes import PROC

Pieces = Iterator[tuple[str, bytes]]
_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' ORDER BY 1, 2
"""
_BYTES = """
SELECT a.attname FROM pg_attribute a WHERE a.attrelid = to_regclass(%s) AND a.atttypid = 'bytea'::regtype
AND a.attnum > 0 AND NOT a.attisdropped
"""


def tables(url: str, database: str) -> Pieces:
    """Every row of every table, in the binary format, so that what is in a bytea is there as it is; row security aside.

    What is in a bytea once more by itself, because it may be packed.
    """
    with psycopg.connect(url, dbname=database) as connection:
        connection.execute("SET statement_timeout = 0")
        for schema, table in connection.execute(_TABLES).fetchall():
            name = sql.Identifier(schema, table)
            with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(name)) as rows:
                yield f"{schema}.{table}", b"".join(map(bytes, rows))
            for (column,) in connection.execute(_BYTES, [f"{schema}.{table}"]).fetchall():
                query = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), name)
                for (value,) in connection.execute(query).fetchall():
                    yield f"{schema}.{table}.{column}", bytes(value or b"")


def cache(url: str) -> Pieces:
    """Every key of the queue's server with what is in it, and what of that is packed by itself."""
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(count=500):
            yield key.decode(errors="replace"), key + b"\n" + b"\n".join(_inside(client, key))


def _inside(client: Any, key: bytes) -> list[bytes]:
    read = {
        b"string": lambda: client.get(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"hash": lambda: client.hgetall(key),
        b"zset": lambda: client.zrange(key, 0, -1, withscores=True),
        b"stream": lambda: client.xrange(key),
    }
    return list(_flat(read[client.type(key)]())) if client.exists(key) else []


def _flat(value: Any) -> Iterator[bytes]:
    match value:
        case bytes():
            yield value
        case dict():
            yield from _flat(list(value.items()))
        case list() | tuple() | set():
            for item in value:
                yield from _flat(item)
        case None:
            return
        case _:
            yield str(value).encode()


class Overheard:
    """Every command that reaches the queue's server while this is open: the payloads of tasks and calls, too."""

    def __init__(self, url: str) -> None:
        self._client, self.heard = redis.Redis.from_url(url), [b""]
        self.heard.clear()

    def __enter__(self) -> Self:
        self._monitor = self._client.monitor().__enter__()  # type: ignore[no-untyped-call]
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def _listen(self) -> None:
        try:
            while True:
                # As sent but for the escapes of what cannot be printed, which no spelling of a secret has.
                self.heard.append(self._monitor.next_command()["command"].encode().replace(b'\\"', b'"'))
        except (redis.RedisError, ValueError, OSError, AttributeError):
            return  # closed

    def __exit__(self, *_: object) -> None:
        self._monitor.connection.disconnect()
        self._thread.join(timeout=5)
        self._client.close()

    def pieces(self) -> Pieces:
        yield "commands", b"\n".join(self.heard)


def files(*places: Path, without: Path | None = None) -> Pieces:
    """Every file under these: logs, data of the servers with their journals, keys, what processes remember."""
    seen = set()
    for place in places:
        for folder, _, names in os.walk(place):
            for path in (Path(folder) / name for name in names):
                if path != without and path not in seen and (data := _read(path)) is not None:
                    seen.add(path)
                    yield str(path.relative_to(place)), data


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if stat.S_ISREG(path.lstat().st_mode) else None
    except FileNotFoundError:
        return None


def processes(pids: Mapping[int, str]) -> Pieces:
    """What anybody on the machine, or root, reads of a running process."""
    for pid, name in pids.items():
        for what in ("environ", "cmdline"):
            yield f"{name} {what}", (PROC / str(pid) / what).read_bytes()


def descendants(roots: Mapping[int, str]) -> dict[int, str]:
    """These processes and all that they have started, each by the name of the first."""
    parents = {int(each.name): _parent(each) for each in PROC.iterdir() if each.name.isdigit()}
    found = dict(roots)
    grown = True
    while grown:
        more = {pid: found[parent] for pid, parent in parents.items() if parent in found and pid not in found}
        found |= more
        grown = bool(more)
    return found


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_bytes().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0
