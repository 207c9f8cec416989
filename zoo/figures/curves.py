"""How the terms of a run went: one small panel per term, training and validation over the epochs."""

from __future__ import annotations

__all__ = ["save_curves", "series_of", "terms_of"]

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from zoo.figures.canvas import MUTED, RULE, SMALL, TEXT, Page, compact, measure, shorten

COLOURS = {"train": "#2a6fbb", "validation": "#d1590b"}
COLUMNS = 3
PANEL_WIDTH, PANEL_HEIGHT = 300, 190
LEFT, RIGHT, HEAD, FOOT = 52, 28, 28, 34
LOG_RANGE = 30
# Up to here a line shows its epochs as dots; beyond, they would run into each other.
DOTTED_EPOCHS = 15

Record = Mapping[str, Any]
Values = NDArray[np.float64]


def _number(value: object) -> float:
    """Return a finite number, or NaN for what cannot be drawn."""
    number = float(value) if isinstance(value, int | float) else math.nan
    return number if math.isfinite(number) else math.nan


def terms_of(records: Sequence[Record]) -> list[str]:
    """Return every term in order of appearance, the loss first."""
    names = {name: None for record in records for split in COLOURS for name in record.get(split) or ()}
    return sorted(names, key=lambda name: name != "loss")


def series_of(records: Sequence[Record], split: str, term: str) -> Values:
    """Return a term's value at each epoch, `(N,)`; NaN where there is none that can be drawn."""
    return np.array([_number((record.get(split) or {}).get(term)) for record in records], dtype=np.float64)


def save_curves(records: Sequence[Record], path: Path, title: str = "Training curves") -> None:
    """Write the curves of a run.

    Arguments:
        records: One mapping an epoch: `{"epoch": 1, "train": {"loss": 103.2, ...}, "validation": {...}}`; a split,
            a term or a value may be missing anywhere.
        path: Where the figure goes.
        title: What is shown.
    """
    records = sorted(records, key=lambda record: int(record["epoch"]))
    terms = terms_of(records)
    columns = 2 if len(terms) == 4 else max(1, min(COLUMNS, len(terms)))
    rows = max(1, math.ceil(len(terms) / columns))
    width = columns * (LEFT + PANEL_WIDTH + RIGHT) - RIGHT
    note = "nats per image, but for what names its unit; in each corner the latest value" if terms else "no epochs yet"
    page = Page(width, rows * (HEAD + PANEL_HEIGHT + FOOT), title, note)
    epochs = np.array([int(record["epoch"]) for record in records], dtype=np.float64)
    for i, term in enumerate(terms):
        x, y = i % columns * (LEFT + PANEL_WIDTH + RIGHT) + LEFT, i // columns * (HEAD + PANEL_HEIGHT + FOOT)
        series = {split: series_of(records, split, term) for split in COLOURS}
        _head(page, x, y + HEAD / 2, term, series)
        axes = page.axes(x, y + HEAD, PANEL_WIDTH, PANEL_HEIGHT)
        _panel(axes, epochs, series)
        if i + columns >= len(terms):
            page.text(x + PANEL_WIDTH, y + HEAD + PANEL_HEIGHT + 28, "epoch", size=SMALL, colour=MUTED, align="right")
    page.save(path)


def _head(page: Page, x: float, y: float, term: str, series: Mapping[str, Values]) -> None:
    """Write a panel's term at the left and, in the colours of its lines, their latest values at the right."""
    right = x + PANEL_WIDTH
    for split in reversed(COLOURS):
        finite = series[split][np.isfinite(series[split])]
        if len(finite):
            words = f"{split} {_latest(float(finite[-1]))}"
            page.text(right, y, words, size=SMALL, colour=COLOURS[split], align="right")
            right -= measure(words, SMALL) + 12
    page.text(x, y, shorten(term, right - x, TEXT, bold=True), bold=True)


def _latest(value: float) -> str:
    """Return a value with its zeros, so that those of two splits line up for comparison."""
    return f"{value:.2f}" if 0.1 <= abs(value) < 1e4 else compact(value)


def _panel(axes: Axes, epochs: Values, series: Mapping[str, Values]) -> None:
    for split, values in series.items():
        _line(axes, epochs, values, COLOURS[split])
    _epoch_axis(axes, epochs)
    values = np.concatenate(list(series.values()))
    values = values[np.isfinite(values)]
    if len(values) == 0:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no finite value", transform=axes.transAxes, color=MUTED, size=SMALL, ha="center")
        return
    _value_axis(axes, float(values.min()), float(values.max()))


def _line(axes: Axes, epochs: Values, values: Values, colour: str) -> None:
    """Draw the finite values, joined over gaps: a term measured every tenth epoch is still a line."""
    finite = np.isfinite(values)
    marker = "o" if 0 < finite.sum() <= DOTTED_EPOCHS else ""
    axes.plot(epochs[finite], values[finite], color=colour, linewidth=1.8, marker=marker, markersize=5)


def _epoch_axis(axes: Axes, epochs: Values) -> None:
    first, last = float(epochs.min()), float(epochs.max())
    room = 0.02 * (last - first) or 0.5
    axes.set_xlim(first - room, last + room)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))


def _value_axis(axes: Axes, low: float, high: float) -> None:
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    if low > 0 and high > LOG_RANGE * low:
        axes.set_yscale("log")
        axes.set_ylim(low / (high / low) ** 0.06, high * (high / low) ** 0.06)
        axes.yaxis.set_major_locator(LogLocator(10, subs=(1.0,) if high > 1000 * low else (1.0, 3.0)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        axes.set_ylim(low - room, high + room)
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value, digits=6)))
