"""What a sweep found, as curves: panels of one score against another, or against the option that was swept."""

from __future__ import annotations

__all__ = ["Axis", "CurvePanel", "CurvePoint", "Series", "save_sweep"]

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from zoo.figures.canvas import INK, MUTED, RULE, SMALL, TEXT, Page, compact, measure, shorten
from zoo.figures.points import CLASS_COLOURS, PLAIN

COLUMNS = 2
PANEL_WIDTH, PANEL_HEIGHT = 440, 300
LEFT, RIGHT, HEAD, FOOT = 64, 36, 34, 58
LEGEND_LINE, LEGEND_GAP = 24, 18
ROOM = 0.08
TICK_GAP = 10
LABEL_PLACES = ((8, 8), (8, -16), (-8, 8), (-8, -16))
"""Where a point's label may stand beside it, in pixels; a negative first number is for one that ends there."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class CurvePoint:
    """One point: its place, how far seeds spread along each axis, and what stands beside it."""

    x: float
    y: float
    x_spread: float = 0.0
    y_spread: float = 0.0
    label: str = ""


@dataclass(frozen=True)
class Series:
    """Points in one colour, joined by a line in their order if they are joined at all."""

    name: str
    points: tuple[CurvePoint, ...]
    joined: bool = True


@dataclass(frozen=True)
class Axis:
    """The horizontal axis of a panel.

    Arguments:
        name: What it shows.
        log: Whether it is logarithmic.
        ticks: Where it is marked, if not anywhere.
        words: What stands at each tick.
    """

    name: str
    log: bool = False
    ticks: tuple[float, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class CurvePanel:
    """One panel: a score upwards against an axis."""

    title: str
    axis: Axis
    series: tuple[Series, ...]


def save_sweep(path: Path, panels: Sequence[CurvePanel], title: str, note: str = "") -> None:
    """Write panels with at least one point each, two in a row, with a legend where series have names."""
    columns = min(COLUMNS, len(panels))
    width = columns * (LEFT + PANEL_WIDTH + RIGHT) - RIGHT
    names = list(dict.fromkeys(series.name for panel in panels for series in panel.series))
    colours = {"": PLAIN} | dict(zip(filter(None, names), itertools.cycle(CLASS_COLOURS), strict=False))
    legend = _legend_places([name for name in names if name], width)
    top = legend[-1][2] + LEGEND_LINE + 8 if legend else 0
    rows = math.ceil(len(panels) / columns)
    page = Page(width, round(top + rows * (HEAD + PANEL_HEIGHT + FOOT)), title, note)
    for name, x, y in legend:
        page.mark(x + 5, y + 8, "o", colours[name])
        page.text(x + 16, y + 8, name)
    for i, panel in enumerate(panels):
        x = i % columns * (LEFT + PANEL_WIDTH + RIGHT) + LEFT
        y = top + i // columns * (HEAD + PANEL_HEIGHT + FOOT)
        page.text(x, y + HEAD / 2 - 4, shorten(panel.title, PANEL_WIDTH, TEXT, bold=True), bold=True)
        _panel(page.axes(x, y + HEAD, PANEL_WIDTH, PANEL_HEIGHT), panel, colours)
        below = y + HEAD + PANEL_HEIGHT + 38
        page.text(
            x + PANEL_WIDTH,
            below,
            shorten(panel.axis.name, PANEL_WIDTH, SMALL),
            size=SMALL,
            colour=MUTED,
            align="right",
        )
    page.save(path)


def _legend_places(names: Sequence[str], width: float) -> list[tuple[str, float, float]]:
    """Return each name with its place, in lines that break before `width`."""
    places, x, y = [], 0.0, 0.0
    for name in names:
        wide = 16 + measure(name) + LEGEND_GAP
        if x > 0 and x + wide - LEGEND_GAP > width:
            x, y = 0.0, y + LEGEND_LINE
        places.append((name, x, y))
        x += wide
    return places


def _panel(axes: Axes, panel: CurvePanel, colours: dict[str, str]) -> None:
    for series in panel.series:
        colour, points = colours[series.name], series.points
        axes.errorbar(
            [one.x for one in points],
            [one.y for one in points],
            xerr=[one.x_spread for one in points] if any(one.x_spread for one in points) else None,
            yerr=[one.y_spread for one in points] if any(one.y_spread for one in points) else None,
            color=colour,
            linewidth=1.6 if series.joined else 0,
            elinewidth=1.2,
            capsize=3,
            capthick=1.2,
            marker="o",
            markersize=6,
            markeredgewidth=0,
        )
    everything = [one for series in panel.series for one in series.points]
    _frame(axes, everything, panel.axis)
    _label(axes, everything)


def _frame(axes: Axes, points: Sequence[CurvePoint], axis: Axis) -> None:
    """Set limits with some room, and ticks."""
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    lows, highs = ([sign * one.x_spread + one.x for one in points] for sign in (-1, 1))
    if axis.log:
        axes.set_xscale("log")
        low, high = min(one.x for one in points), max(one.x for one in points)
        room = (high / low) ** ROOM if high > low else 2.0
        axes.set_xlim(low / room, high * room)
    else:
        axes.set_xlim(*_with_room(min(lows), max(highs)))
    axes.set_ylim(*_with_room(min(one.y - one.y_spread for one in points), max(one.y + one.y_spread for one in points)))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value, digits=6)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if axis.ticks:
        _set_ticks(axes, axis)
    else:
        axes.xaxis.set_major_locator(LogLocator(10) if axis.log else MaxNLocator(6))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value, digits=6)))


def _with_room(low: float, high: float) -> tuple[float, float]:
    room = ROOM * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _set_ticks(axes: Axes, axis: Axis) -> None:
    """Mark as many of the ticks as find room, the first of them always."""
    kept: list[tuple[float, str]] = []
    right = -math.inf
    for tick, word in zip(axis.ticks, axis.words, strict=True):
        word = shorten(word, PANEL_WIDTH / 3, SMALL)
        middle, half = float(axes.transData.transform((tick, 0))[0]), measure(word, SMALL) / 2
        if middle - half > right + TICK_GAP:
            kept.append((tick, word))
            right = middle + half
    axes.xaxis.set_major_locator(FixedLocator([tick for tick, _ in kept]))
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.set_xticklabels([word for _, word in kept])


def _label(axes: Axes, points: Sequence[CurvePoint]) -> None:
    """Write each point's label where it covers no other point or label; one that finds no place is left out."""
    places = [axes.transData.transform((one.x, one.y)) for one in points]
    taken: list[Box] = [(float(x) - 5, float(y) - 5, float(x) + 5, float(y) + 5) for x, y in places]
    for point, (x, y) in zip(points, places, strict=True):
        wide = measure(point.label, SMALL)
        for right, up in LABEL_PLACES if point.label else ():
            left = float(x) + right if right > 0 else float(x) + right - wide
            box = (left, float(y) + up, left + wide, float(y) + up + SMALL)
            if not any(_meet(box, other) for other in taken):
                taken.append(box)
                align = "left" if right > 0 else "right"
                axes.annotate(
                    point.label,
                    (point.x, point.y),
                    (right, up),
                    textcoords="offset pixels",
                    size=SMALL,
                    color=INK,
                    ha=align,
                    annotation_clip=False,
                    parse_math=False,
                )
                break


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
