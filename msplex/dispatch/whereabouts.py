"""Names of processes by which others on the same machine see at once that one is gone."""

import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

_STARTED = 19  # of the fields of /proc/PID/stat behind the command


def name_of_this_process() -> str:
    return f"{_here()}:{os.getpid()}:{_started(os.getpid())}"


def is_known_to_be_gone(name: str) -> bool:
    """False of a process that another machine, or another container, would have to be asked about."""
    here, _, process = name.partition(":")
    pid, _, started = process.partition(":")
    return here == _here() and pid.isdigit() and _started(int(pid)) != started


@lru_cache(maxsize=1)
def _here() -> str:
    """This boot of this kernel, and these process ids; where there is no telling, nowhere else."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    return uuid4().hex


def _started(pid: int) -> str:
    """When, in the kernel's ticks: a process id is used again, but not with that."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_STARTED]
    except (OSError, IndexError):
        return ""
