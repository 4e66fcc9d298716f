"""What a process that opens secrets does about its own memory: no core dump, no debugger, nothing through /proc.

The flags are the kernel's, inherited by forked children. Root is not held by them.
"""

import ctypes
import os
import resource

_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4


class NotPrivate(SystemExit):
    """The kernel refused, so the process does not start."""


def keep_memory_private() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not hasattr(os, "memfd_create"):  # not Linux: there is no such flag
        return
    if _prctl(_PR_SET_DUMPABLE, 0) or is_dumpable():
        raise NotPrivate("PR_SET_DUMPABLE was refused, so others could read the memory of this process.")


def is_dumpable() -> bool:
    return bool(_prctl(_PR_GET_DUMPABLE, 0))


def _prctl(option: int, value: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(option, value, 0, 0, 0))
