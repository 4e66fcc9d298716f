"""The terminal: every line says which process it comes from."""

import itertools
import os
import sys
import threading
from typing import TextIO

_COLOURS = itertools.cycle((36, 32, 33, 35, 34, 96, 92))
_WIDTH = 8


class Console:
    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._colourful = self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._colours: dict[str, int] = {}
        self._lock = threading.Lock()

    def line(self, tag: str, text: str) -> None:
        """What is JSON says itself where it comes from, and is for machines."""
        if text.startswith('{"time":'):
            self._write(text)
            return
        if tag not in self._colours:
            self._colours[tag] = next(_COLOURS)
        label = f"{tag:{_WIDTH}} |"
        if self._colourful:
            label = f"\x1b[{self._colours[tag]}m{label}\x1b[0m"
        self._write(f"{label} {text}")

    def say(self, text: str = "") -> None:
        self._write(text)

    def _write(self, text: str) -> None:
        with self._lock:
            # A closed terminal must not keep the supervisor from stopping its processes in order.
            try:
                print(text, file=self._stream, flush=True)
            except OSError:
                self._stream = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for the rest of this process
