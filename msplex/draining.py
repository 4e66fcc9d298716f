"""A door that is about to end says so before it does: not ready from now on, and still answering.

The parent of a server's workers sends SIGNAL to each of them, waits, and then ends them (msplex.door).
"""

import signal
import threading

SIGNAL = signal.SIGUSR1
_begun = threading.Event()


def begin_draining() -> None:
    _begun.set()


def is_draining() -> bool:
    return _begun.is_set()
