"""Starting, finding and ending operating-system processes, so that none outlives the one that answers for it."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PROC = Path("/proc")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Account:
    """The operating-system user of a server: PostgreSQL refuses to run as root, so root lends it another one."""

    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        return self.uid == os.geteuid()

    def own(self, path: Path) -> None:
        if not self.is_ours:
            os.chown(path, self.uid, self.gid)


@dataclass(frozen=True)
class Start:
    """How to start a process. `parting` is the signal it gets when the one that started it dies without a word."""

    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    output: IO[bytes] | int
    parting: signal.Signals = signal.SIGTERM
    account: Account | None = None


def start(how: Start) -> subprocess.Popen[bytes]:
    """Start in a session of its own: Ctrl-C in the terminal reaches the supervisor alone, who ends things in order.

    Call it from the main thread. Linux sends the parting signal when the *thread* that started the process ends.
    """
    account = how.account
    other = account is not None and not account.is_ours
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads. What runs between fork and exec is one prctl call.
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(
            list(how.command),
            env=dict(how.environment),
            cwd=how.directory,
            stdin=subprocess.DEVNULL,
            stdout=how.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_leash(how.parting),  # noqa: PLW1509 - see above
            user=account.uid if account and other else None,
            group=account.gid if account and other else None,
            extra_groups=[] if other else None,
        )


def _leash(parting: signal.Signals) -> Callable[[], None]:
    supervisor = os.getpid()
    prctl = getattr(_libc, "prctl", None)  # Linux; looked up before the fork

    def leash() -> None:
        if prctl:
            prctl(_PR_SET_PDEATHSIG, int(parting), 0, 0, 0)
        if os.getppid() != supervisor:  # it died in between
            os.kill(os.getpid(), parting)

    return leash


def send(pid: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, what)


def send_to_group(pid: int, what: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, what)


def wait_until(condition: Callable[[], bool], seconds: float, *, pause: float = 0.02) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


# Processes that an earlier supervisor left behind are known by what they hold, never by a pid alone: pids are reused.


def working_in(directory: Path) -> list[int]:
    """Servers change into their data directory, which nobody else can enter."""
    place = str(directory.resolve())
    return [pid for pid in _pids() if _link(pid, "cwd") == place]


def marked_with(marker: str) -> list[int]:
    """Processes that were started with the marker (NAME=value) in their environment, and theirs in turn."""
    wanted = marker.encode()
    return [pid for pid in _pids() if pid != os.getpid() and wanted in _read(pid, "environ").split(b"\0")]


def is_alive(pid: int) -> bool:
    """Still running: a zombie that its parent has not yet collected is not."""
    status = _read(pid, "stat")
    return bool(status) and status.rpartition(b")")[2].split()[0] not in {b"Z", b"X"}


def end(pids: Iterable[int], *, gently: signal.Signals, seconds: float) -> None:
    left = list(pids)
    for pid in left:
        send(pid, gently)
    if not wait_until(lambda: not any(map(is_alive, left)), seconds):
        for pid in filter(is_alive, left):
            send(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, left)), 2)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()) if PROC.exists() else iter(())


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def _link(pid: int, name: str) -> str:
    try:
        return str((PROC / str(pid) / name).readlink())
    except OSError:
        return ""
