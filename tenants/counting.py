"""Counters and histograms that threads and forked children of a process write, and one of its threads reads.

A label's values are listed where the metric is declared, so that nothing of a tenant can become one and the number of
series is known; whatever is not listed counts as `other`. The numbers are in memory that children share: each child has
a row of its own, and one that takes its place goes on in it. Costs about a microsecond.
"""

import mmap
import os
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

ROWS, CELLS = 64, 4096  # children of a process, with itself; numbers of all its metrics
OTHER = "other"
DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]  # what follows the name, labels, number


class _Memory:
    """Untouched pages of it cost nothing."""

    def __init__(self) -> None:
        self._values = memoryview(mmap.mmap(-1, ROWS * CELLS * 8)).cast("d")
        self._used = self._row = 0
        self._forked = False
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock, self._forked = threading.Lock(), True

    def room(self, cells: int) -> int:
        """Where a new metric begins: at the same place in every child, so never in one of them."""
        if self._forked and self._row:
            raise RuntimeError("A metric is declared in a child; its module has to be loaded before the fork.")
        self._used, at = self._used + cells, self._used
        if self._used > CELLS:
            raise RuntimeError("CELLS is too small for all metrics.")
        return at

    def take_row(self, number: int) -> None:
        self._row = CELLS * number

    def add(self, *numbers: tuple[int, float]) -> None:
        with self._lock:
            for cell, amount in numbers:
                self._values[self._row + cell] += amount

    def add_one(self, cells: Iterable[int]) -> None:
        values, row = self._values, self._row
        with self._lock:
            for cell in cells:
                values[row + cell] += 1.0

    def total(self, cell: int) -> float:
        return sum(self._values[cell::CELLS])


_memory = _Memory()
METRICS: "list[Metric]" = []
M = TypeVar("M", bound="Metric")


def take_row(number: int) -> None:
    """For a child that was forked: 1 to ROWS - 1, and no other living one has it."""
    if not 0 < number < ROWS:
        raise ValueError(f"There are rows for {ROWS - 1} children.")
    _memory.take_row(number)


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    help: str
    kind: str
    labels: tuple[str, ...]
    cells: Mapping[tuple[str, ...], int]

    def samples(self) -> Iterator[Sample]:
        raise LookupError(self.name)

    def _cell(self, values: tuple[str, ...]) -> int:
        found = self.cells.get(values)
        return self.cells[(OTHER,) * len(self.labels)] if found is None else found

    def _named(self, values: tuple[str, ...]) -> Labels:
        return dict(zip(self.labels, values, strict=True))


class Counter(Metric):
    __slots__ = ()

    def add(self, *values: str, amount: float = 1.0) -> None:
        """`values` of the labels, in their order."""
        _memory.add((self._cell(values), amount))

    def add_each(self, several: Iterable[tuple[str, ...]]) -> None:
        """One of each, in one step."""
        known, other = self.cells, self.cells[(OTHER,) * len(self.labels)]
        _memory.add_one([known.get(values, other) for values in several])

    def samples(self) -> Iterator[Sample]:
        for values, cell in self.cells.items():
            total = _memory.total(cell)
            if total or OTHER not in values:
                yield "", self._named(values), total


class Histogram(Metric):
    """Of seconds: for each of DURATIONS and beyond how many, then their sum."""

    __slots__ = ()

    def observe(self, seconds: float, *values: str) -> None:
        cell = self._cell(values)
        _memory.add((cell + bisect_left(DURATIONS, seconds), 1.0), (cell + len(DURATIONS) + 1, seconds))

    def samples(self) -> Iterator[Sample]:
        for values, cell in self.cells.items():
            counts = [_memory.total(cell + place) for place in range(len(DURATIONS) + 1)]
            if any(counts) or OTHER not in values:
                yield from self._of_one(self._named(values), counts, _memory.total(cell + len(DURATIONS) + 1))

    def _of_one(self, named: Labels, counts: list[float], seconds: float) -> Iterator[Sample]:
        for place, bound in enumerate((*map(str, DURATIONS), "+Inf")):
            yield "_bucket", {**named, "le": bound}, sum(counts[: place + 1])
        yield "_sum", named, seconds
        yield "_count", named, sum(counts)


def counter(name: str, what: str, **labels: Iterable[str]) -> Counter:
    return _declared(Counter(name, what, "counter", tuple(labels), _cells(labels, 1)))


def histogram(name: str, what: str, **labels: Iterable[str]) -> Histogram:
    return _declared(Histogram(name, what, "histogram", tuple(labels), _cells(labels, len(DURATIONS) + 2)))


def _cells(labels: Mapping[str, Iterable[str]], size: int) -> dict[tuple[str, ...], int]:
    listed = [tuple(dict.fromkeys(map(str, values))) for values in labels.values()]
    keys = [*product(*listed), *([(OTHER,) * len(labels)] if labels else [])]
    start = _memory.room(size * len(keys))
    return {values: start + size * place for place, values in enumerate(keys)}


def _declared(metric: M) -> M:
    METRICS.append(metric)
    return metric
