"""What a process asks of the kernel for itself.

One that opens secrets keeps its memory private: no core dump, no debugger, nothing through /proc. The flags are
inherited by forked children; root is not held by them. A server's worker does not outlive its parent.
"""

import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG = 1
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4


class NotPrivate(SystemExit):
    """The kernel refused, so the process does not start."""


def keep_memory_private() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not hasattr(os, "memfd_create"):  # not Linux: there is no such flag
        return
    if _prctl(_PR_SET_DUMPABLE, 0) or is_dumpable():
        raise NotPrivate("PR_SET_DUMPABLE was refused, so others could read the memory of this process.")


def end_with_parent() -> None:
    """A parent that was killed can tell its workers nothing: they would answer on, and nobody could end them."""
    if hasattr(os, "memfd_create"):
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def is_dumpable() -> bool:
    return bool(_prctl(_PR_GET_DUMPABLE, 0))


def _prctl(option: int, value: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(option, value, 0, 0, 0))
