"""Figures over time as bars: plain SVG, without script or style, and in words for whoever does not see it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from connectors.checks import History, Slice

STEP, WIDTH, HEIGHT = 10, 8, 60
LEAST = 3  # what was measured is seen, however small it is beside the others


@dataclass(frozen=True, slots=True)
class Bar:
    """In units of the drawing, from its upper left corner."""

    x: int
    y: int
    height: int
    failed: bool
    slice: Slice | None = None
    width: int = WIDTH


@dataclass(frozen=True, slots=True)
class Plot:
    """The bars, and how large their drawing is: as wide as the time, also where nothing was measured."""

    bars: list[Bar]
    width: int
    height: int = HEIGHT


def plot(history: History) -> Plot:
    """One for each part of the time that had a check; as high as its longest check is long.

    The scale is that of parts without a failure, if there is one: a vendor that let one check wait for its whole time
    would make all others look alike. What is longer is as high as the drawing.
    """
    longest = max((each.milliseconds for each in history.slices if each.checks and not each.failed), default=0)
    drawn = _drawn(history.slices, longest or history.longest_milliseconds or 1)
    return Plot(list(drawn), width=len(history.slices) * STEP)


def _drawn(slices: Iterable[Slice], longest: int) -> Iterable[Bar]:
    for number, each in enumerate(slices):
        if each.checks:
            height = min(max(round(each.milliseconds / longest * HEIGHT), LEAST), HEIGHT)
            yield Bar(number * STEP, HEIGHT - height, height, bool(each.failed), each)


def bars_of(rows: Sequence[Sequence[int]]) -> list[Plot]:
    """A drawing for each row of numbers, all on one scale, so that they can be compared; half as high as a plot."""
    height = HEIGHT // 2
    most = max((number for row in rows for number in row), default=0) or 1
    return [Plot(list(_counted(row, most, height)), len(row) * STEP, height) for row in rows]


def _counted(row: Sequence[int], most: int, height: int) -> Iterable[Bar]:
    for place, number in enumerate(row):
        if number:
            tall = max(round(number / most * height), LEAST)
            yield Bar(place * STEP, height - tall, tall, failed=True)
