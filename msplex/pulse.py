"""Whether the loop of a process still turns: each turn is felt here, and others of its threads ask when it was."""

import time

LONGEST_SECONDS = 60.0


class Pulse:
    def __init__(self) -> None:
        self._felt: float | None = None

    def feel(self) -> None:
        self._felt = time.monotonic()

    def rest(self) -> None:
        """The loop has ended by itself, and is not missed."""
        self._felt = None

    def is_regular(self) -> bool:
        """True also of a process that has no such loop."""
        return self._felt is None or time.monotonic() - self._felt < LONGEST_SECONDS


PULSE = Pulse()
