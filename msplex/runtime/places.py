"""One supervisor for a home at a time, and throw-away homes that leave nothing behind, even after kill -9."""

import contextlib
import fcntl
import json
import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msplex.runtime.home import ROOT, Home, make_private, write_private
from msplex.runtime.processes import end, marked_with, working_in

STATE = "running.json"


def standing_home() -> Home:
    return Home(ROOT / ".msplex")


@contextlib.contextmanager
def held(path: Path) -> Iterator[bool]:
    """True if the lock is ours. The kernel lets go of it when its holder dies, however it dies."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextlib.contextmanager
def sole(home: Home) -> Iterator[bool]:
    with held(home.state / "supervisor.lock") as ours:
        try:
            yield ours
        finally:
            if ours:
                (home.state / STATE).unlink(missing_ok=True)


def note_running(home: Home, **facts: Any) -> None:
    write_private(home.state / STATE, json.dumps({"pid": os.getpid(), **facts}))


def running(home: Home) -> dict[str, Any]:
    """What the supervisor that holds the home said of itself; empty while it is still starting."""
    try:
        facts: dict[str, Any] = json.loads((home.state / STATE).read_text())
    except (OSError, ValueError):
        return {}
    return facts


@contextlib.contextmanager
def throwaway(kind: str) -> Iterator[Home]:
    standing_home().make()
    mode = 0o711 if os.geteuid() == 0 else 0o700
    parent = make_private(standing_home().path / "throwaway", None, mode=mode)
    _sweep(parent)
    lock = parent / f"{kind}-{secrets.token_hex(4)}.lock"
    with held(lock):
        home = Home(lock.with_suffix(""))
        try:
            yield home
        finally:
            _clear(home)
            lock.unlink()


def _sweep(parent: Path) -> None:
    for lock in parent.glob("*.lock"):
        with held(lock) as abandoned:
            if abandoned:
                _clear(Home(lock.with_suffix("")))
                lock.unlink(missing_ok=True)


def _clear(home: Home) -> None:
    end(marked_with(home.marker), gently=signal.SIGKILL, seconds=2)
    if home.path.exists():
        for server in ("postgres", "valkey"):
            end(working_in(home.servers / server), gently=signal.SIGKILL, seconds=2)
    home.remove()
