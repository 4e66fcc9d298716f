"""A door that is about to end says so before it does: not ready from now on, and still answering.

The parent of a server's workers sends SIGNAL to each of them, waits, and then ends them (msplex.door).
"""

import os
import signal
import threading

SIGNAL = signal.SIGUSR1
_begun = threading.Event()


def begin_draining() -> None:
    _begun.set()


def heed_signal() -> None:
    """In the main thread, once. Whichever thread the kernel gives the signal to, it is heeded at once: the main thread,
    which alone runs handlers, may be waiting for something else."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(SIGNAL, lambda *_: begin_draining())
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_read, args=(reading,), name="draining", daemon=True).start()


def _read(reading: int) -> None:
    while told := os.read(reading, 64):
        if SIGNAL in told:
            begin_draining()


def is_draining() -> bool:
    return _begun.is_set()
