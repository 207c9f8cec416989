"""Values of the units of several models as bars, as places: whoever shows them draws the boxes."""

from __future__ import annotations

__all__ = ["Bar", "Bars", "Units", "bars_of"]

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.ticker import MaxNLocator

from zoo.figures.canvas import compact
from zoo.figures.panels import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Scale, Tick

MOST_BARS = 100
"""Bars of one model; more would be thinner than the eye tells apart."""

FILLED = 0.72
"""The share of its room that a bar takes."""


@dataclass(frozen=True)
class Units:
    """What each unit of a model has.

    Arguments:
        model: The model's name.
        place: Which of the compared models it is, counted from 0.
        seeds: The values by seed, one a unit; those that are not finite are left out.
    """

    model: str
    place: int
    seeds: Mapping[str, Sequence[float]]


class Bar(NamedTuple):
    """The mean over seeds of one unit as a box, and each seed's value as a height, where there are several."""

    left: float
    top: float
    width: float
    height: float
    middle: float
    dots: tuple[float, ...]
    words: str


class Bars(NamedTuple):
    """One model's units in a box of `WIDTH` by `HEIGHT`, with the line of zero; how many units are left out."""

    model: str
    place: int
    bars: tuple[Bar, ...]
    units: tuple[Tick, ...]
    values: tuple[Tick, ...]
    zero: float
    left_out: int
    left: float = LEFT
    right: float = WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM


def bars_of(models: Sequence[Units], *, ranked: bool) -> list[Bars]:
    """Return the bars of each model that has a finite value, all on one scale.

    Arguments:
        models: The models.
        ranked: Whether the values of each seed are put in order, the largest first: where a unit of one seed has
            nothing to do with that of the same number of another.
    """
    found = [(each, columns) for each in models if (columns := _columns(each, ranked))]
    if not found:
        return []
    values = [value for _, columns in found for _, column in columns[:MOST_BARS] for value in column.values()]
    low, high = min(0.0, *values), max(0.0, *values)
    room = 0.06 * (high - low) or 1.0
    y = Scale(low - (room if low < 0 else 0.0), high + room, HEIGHT - BOTTOM, TOP)
    return [_bars(each, columns, y, ranked) for each, columns in found]


def _columns(each: Units, ranked: bool) -> list[tuple[int, dict[str, float]]]:
    """Return the finite values of each unit by seed, with the unit's number; no unit without any."""
    seeds = dict(each.seeds)
    if ranked:
        seeds = {seed: sorted(filter(math.isfinite, values), reverse=True) for seed, values in seeds.items()}
    most = max(map(len, seeds.values()), default=0)
    columns = [
        (i + 1, {seed: values[i] for seed, values in seeds.items() if i < len(values) and math.isfinite(values[i])})
        for i in range(most)
    ]
    return [(number, column) for number, column in columns if column]


def _bars(each: Units, columns: Sequence[tuple[int, Mapping[str, float]]], y: Scale, ranked: bool) -> Bars:
    shown = columns[:MOST_BARS]
    x = Scale(0.5, shown[-1][0] + 0.5, LEFT, WIDTH - RIGHT)
    bars = tuple(_bar(f"{'rank' if ranked else 'number'} {i}", column, x.at(i), x, y) for i, column in shown)
    units = x.ticks(MaxNLocator(6, integer=True, min_n_ticks=1))
    return Bars(each.model, each.place, bars, units, y.ticks(MaxNLocator(4)), y.at(0.0), len(columns) - len(shown))


def _bar(name: str, column: Mapping[str, float], middle: float, x: Scale, y: Scale) -> Bar:
    mean = math.fsum(column.values()) / len(column)
    width = round(max(1.0, FILLED * (x.end - x.start) / (x.high - x.low)), 1)
    top, bottom = sorted((y.at(mean), y.at(0.0)))
    several = column if len(column) > 1 else {}
    words = f"{name}: {compact(mean)}" + "".join(f"; seed {seed}: {compact(v)}" for seed, v in several.items())
    dots = tuple(y.at(value) for value in several.values())
    return Bar(round(middle - width / 2, 1), top, width, round(bottom - top, 1), middle, dots, words)
