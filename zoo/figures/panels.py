"""Training curves of several runs in one panel a term, as places: whoever shows them draws the lines."""

from __future__ import annotations

__all__ = ["HEIGHT", "WIDTH", "Curve", "Panel", "Tick", "panels"]

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import Locator, LogLocator, MaxNLocator
from numpy.typing import NDArray

from zoo.figures.canvas import compact
from zoo.figures.curves import DOTTED_EPOCHS, LOG_RANGE, series_of, terms_of

WIDTH, HEIGHT = 380, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 8, 24
# More would be closer together than the eye, or a screen, tells apart.
MOST_POINTS = 200

Record = Mapping[str, Any]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """The records of one run.

    Arguments:
        name: Whose they are.
        place: Which of the compared models it is, counted from 0; runs of one model share it.
        records: The lines of `metrics.jsonl`.
    """

    name: str
    place: int
    records: Sequence[Record]


class Tick(NamedTuple):
    """A mark of an axis: where it is, and what it says."""

    at: float
    label: str


class Line(NamedTuple):
    """One term of one run: whose, of which split, its places, and its latest value."""

    name: str
    place: int
    split: str
    points: tuple[tuple[float, float], ...]
    dotted: bool
    last: str


class Panel(NamedTuple):
    """A term over the epochs, in a box of `WIDTH` by `HEIGHT`."""

    term: str
    lines: tuple[Line, ...]
    epochs: tuple[Tick, ...]
    values: tuple[Tick, ...]
    logarithmic: bool
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


@dataclass(frozen=True)
class _Scale:
    """Values along one axis of a box."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the place of a value, to a tenth of a unit."""
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self, locator: Locator) -> tuple[Tick, ...]:
        """Return the marks that lie on the axis."""
        found = (float(value) for value in locator.tick_values(self.low, self.high))
        inside = [value for value in found if self.low <= value <= self.high]
        return tuple(Tick(self.at(value), compact(value, digits=6)) for value in inside)


def panels(curves: Sequence[Curve]) -> list[Panel]:
    """Return a panel for each term that any run has a finite value of, the loss first.

    Arguments:
        curves: The runs; a split, a term or a value may be missing anywhere.
    """
    terms = terms_of([record for curve in curves for record in curve.records])
    drawn = (_panel(term, curves) for term in terms)
    return [panel for panel in drawn if panel is not None]


def _panel(term: str, curves: Sequence[Curve]) -> Panel | None:
    found = [(curve, split, *_series(curve, split, term)) for curve in curves for split in ("train", "validation")]
    found = [each for each in found if len(each[3])]
    if not found:
        return None
    epochs, values = (np.concatenate([each[axis] for each in found]) for axis in (2, 3))
    x, y = _epoch_scale(epochs), _value_scale(values)
    lines = tuple(_line(curve, split, x, y, *places) for curve, split, *places in found)
    locator = LogLocator(10, subs=(1.0,) if y.high > 1000 * y.low else (1.0, 3.0)) if y.log else MaxNLocator(5)
    return Panel(term, lines, x.ticks(MaxNLocator(6, integer=True, min_n_ticks=1)), y.ticks(locator), logarithmic=y.log)


def _series(curve: Curve, split: str, term: str) -> tuple[Values, Values]:
    """Return the epochs and the finite values of a term."""
    records = sorted(curve.records, key=lambda record: int(record["epoch"]))
    values = series_of(records, split, term)
    epochs = np.array([float(record["epoch"]) for record in records])
    return epochs[np.isfinite(values)], values[np.isfinite(values)]


def _epoch_scale(epochs: Values) -> _Scale:
    first, last = float(epochs.min()), float(epochs.max())
    room = 0.02 * (last - first) or 0.5
    return _Scale(first - room, last + room, LEFT, WIDTH - RIGHT)


def _value_scale(values: Values) -> _Scale:
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > LOG_RANGE * low:
        room = (high / low) ** 0.06
        return _Scale(low / room, high * room, HEIGHT - BOTTOM, TOP, log=True)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return _Scale(low - room, high + room, HEIGHT - BOTTOM, TOP)


def _line(curve: Curve, split: str, x: _Scale, y: _Scale, epochs: Values, values: Values) -> Line:
    # Counted from the end: the latest value is always there.
    stride = math.ceil(len(values) / MOST_POINTS)
    shown = zip(epochs[::-stride][::-1], values[::-stride][::-1], strict=True)
    points = tuple((x.at(float(epoch)), y.at(float(value))) for epoch, value in shown)
    return Line(curve.name, curve.place, split, points, len(points) <= DOTTED_EPOCHS, compact(float(values[-1])))
