"""Training curves of several runs in one panel a term, as places: whoever shows them draws the lines."""

from __future__ import annotations

__all__ = ["HEIGHT", "WIDTH", "Curve", "Panel", "Scale", "Tick", "panels"]

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from matplotlib.ticker import Locator, LogLocator, MaxNLocator
from numpy.typing import NDArray

from zoo.figures.canvas import compact
from zoo.figures.curves import DOTTED_EPOCHS, LOG_RANGE, series_of, terms_of

WIDTH, HEIGHT = 380, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 8, 24
# More would be closer together than the eye, or a screen, tells apart.
MOST_POINTS = 200
SPLITS = ("train", "validation")

Record = Mapping[str, Any]
Values = NDArray[np.float64]
Weight: TypeAlias = Literal["only", "one", "mean"]
"""What a line is of: a model's only run, one of its runs, or the mean of all."""


@dataclass(frozen=True)
class Curve:
    """The records of one run.

    Arguments:
        name: Whose they are.
        place: Which of the compared models it is, counted from 0; runs of one model share it.
        records: The lines of `metrics.jsonl`.
        model: The model's name; that of the run if it is left out.
    """

    name: str
    place: int
    records: Sequence[Record]
    model: str = ""


class Tick(NamedTuple):
    """A mark of an axis: where it is, and what it says."""

    at: float
    label: str


class Line(NamedTuple):
    """One term of one run, or the mean of several: whose, of which split, its places, and its latest value."""

    name: str
    place: int
    split: str
    points: tuple[tuple[float, float], ...]
    dotted: bool
    last: str
    weight: Weight = "only"


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
class Scale:
    """Values along one axis of a box.

    Arguments:
        low, high: The values at its ends.
        start, end: Where the ends are.
        log: Whether it is logarithmic.
    """

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


@dataclass(frozen=True)
class _Series:
    """The finite values `(N,)` of a term over its epochs `(N,)`, and whose they are."""

    name: str
    place: int
    split: str
    epochs: Values
    values: Values
    weight: Weight = "only"


def panels(curves: Sequence[Curve]) -> list[Panel]:
    """Return a panel for each term that any run has a finite value of, the loss first.

    Where a model has several runs, the mean of them is a line as well, over the epochs that all of them have.

    Arguments:
        curves: The runs; a split, a term or a value may be missing anywhere.
    """
    terms = terms_of([record for curve in curves for record in curve.records])
    drawn = (_panel(term, curves) for term in terms)
    return [panel for panel in drawn if panel is not None]


def _panel(term: str, curves: Sequence[Curve]) -> Panel | None:
    found = list(_found(term, curves))
    if not found:
        return None
    x = _epoch_scale(np.concatenate([each.epochs for each in found]))
    y = _value_scale(np.concatenate([each.values for each in found]))
    locator = LogLocator(10, subs=(1.0,) if y.high > 1000 * y.low else (1.0, 3.0)) if y.log else MaxNLocator(5)
    lines = tuple(_line(each, x, y) for each in found)
    return Panel(term, lines, x.ticks(MaxNLocator(6, integer=True, min_n_ticks=1)), y.ticks(locator), logarithmic=y.log)


def _found(term: str, curves: Sequence[Curve]) -> Iterator[_Series]:
    """Yield the lines of a term, the means of models last, so that they lie on top."""
    means: list[_Series] = []
    for place in dict.fromkeys(curve.place for curve in curves):
        of_model = [curve for curve in curves if curve.place == place]
        for split in SPLITS:
            runs = [one for curve in of_model if len((one := _series(curve, split, term)).epochs)]
            mean = _mean(runs, of_model[0])
            means += [mean] if mean is not None else []
            weight: Weight = "only" if mean is None else "one"
            yield from (replace(one, weight=weight) for one in runs)
    yield from means


def _series(curve: Curve, split: str, term: str) -> _Series:
    """Return the epochs and the finite values of a term."""
    records = sorted(curve.records, key=lambda record: int(record["epoch"]))
    values = series_of(records, split, term)
    epochs = np.array([float(record["epoch"]) for record in records])
    finite = np.isfinite(values)
    return _Series(curve.name, curve.place, split, epochs[finite], values[finite])


def _mean(runs: Sequence[_Series], curve: Curve) -> _Series | None:
    """Return the mean of several runs over the epochs that all have, if there are such."""
    by_epoch = [dict(zip(one.epochs.tolist(), one.values.tolist(), strict=True)) for one in runs]
    shared = sorted(set.intersection(*map(set, by_epoch))) if len(runs) > 1 else []
    if not shared:
        return None
    values = np.array([[found[epoch] for epoch in shared] for found in by_epoch]).mean(0)
    name = f"{curve.model or curve.name}, mean of {len(runs)} seeds"
    return _Series(name, curve.place, runs[0].split, np.array(shared), values, "mean")


def _epoch_scale(epochs: Values) -> Scale:
    first, last = float(epochs.min()), float(epochs.max())
    room = 0.02 * (last - first) or 0.5
    return Scale(first - room, last + room, LEFT, WIDTH - RIGHT)


def _value_scale(values: Values) -> Scale:
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > LOG_RANGE * low:
        room = (high / low) ** 0.06
        return Scale(low / room, high * room, HEIGHT - BOTTOM, TOP, log=True)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return Scale(low - room, high + room, HEIGHT - BOTTOM, TOP)


def _line(one: _Series, x: Scale, y: Scale) -> Line:
    # Counted from the end: the latest value is always there.
    stride = math.ceil(len(one.values) / MOST_POINTS)
    shown = zip(one.epochs[::-stride][::-1], one.values[::-stride][::-1], strict=True)
    points = tuple((x.at(float(epoch)), y.at(float(value))) for epoch, value in shown)
    dotted = len(points) <= DOTTED_EPOCHS and one.weight != "one"
    return Line(one.name, one.place, one.split, points, dotted, compact(float(one.values[-1])), one.weight)
