"""Figures over time as bars: plain SVG, without script or style, and in words for whoever does not see it."""

from collections.abc import Iterable
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
    slice: Slice
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
