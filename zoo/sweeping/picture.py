"""The curves of a sweep: rate against distortion, and each metric against each option."""

from __future__ import annotations

__all__ = ["draw_sweep"]

import itertools
import math
from collections.abc import Callable
from pathlib import Path

from zoo.figures.sweep import Axis, CurvePanel, CurvePoint, Series, save_sweep
from zoo.sweeping.plan import as_text
from zoo.sweeping.ranges import Range
from zoo.sweeping.results import Point, Sweep, key_of

Place = Callable[[Point], float | None]
MOST_SERIES = 8
"""Above so many combinations of the other options, lines would tell nothing, and points stand alone."""


def draw_sweep(sweep: Sweep, path: Path) -> bool:
    """Write the curves of a sweep; return whether there was anything to draw."""
    panels = [panel for panel in (_rate_distortion(sweep), *_against_options(sweep)) if panel is not None]
    if not panels:
        return False
    names = " and ".join(sweep.plan.names.values())
    spread = f"mean ± standard deviation over {sweep.seeds} seeds" if sweep.seeds > 1 else "one seed a point"
    save_sweep(path, panels, f"{sweep.plan.model} on {sweep.plan.settings.data} along {names}", spread)
    return True


def _rate_distortion(sweep: Sweep) -> CurvePanel | None:
    series = _series(sweep, sweep.plan.ranges[0], "rate", "distortion", lambda point: point.mean("rate"), labelled=True)
    if not series:
        return None
    names = sweep.plan.names
    shown = ", ".join(names.values()) if sweep.trials is not None else names[sweep.plan.ranges[0].key]
    return CurvePanel(f"distortion, nats per image, by {shown}", Axis("rate, nats per image"), series)


def _against_options(sweep: Sweep) -> list[CurvePanel | None]:
    return [_against(sweep, one, key_of(metric), metric.unit) for metric in sweep.metrics for one in sweep.plan.ranges]


def _against(sweep: Sweep, swept: Range, score: str, unit: str) -> CurvePanel | None:
    axis, place = _axis(sweep, swept)
    series = _series(sweep, swept, "", score, place)
    title = f"{score}, {unit}" if unit else score
    return CurvePanel(title, axis, series) if series else None


def _axis(sweep: Sweep, swept: Range) -> tuple[Axis, Place]:
    """Return the axis of an option, and where on it a point stands: at its value, or at its number in the list."""
    name = sweep.plan.names[swept.key]
    known = swept.values or tuple(dict.fromkeys(point.options[swept.key] for point in sweep.points))
    if all(isinstance(value, int | float) for value in known):
        ticks, words = swept.values, tuple(map(as_text, swept.values))
        return Axis(name, swept.log, ticks, words), lambda point: float(point.options[swept.key])
    order = {as_text(value): float(i) for i, value in enumerate(known)}
    axis = Axis(name, ticks=tuple(order.values()), words=tuple(order))
    return axis, lambda point: order[as_text(point.options[swept.key])]


def _series(
    sweep: Sweep, along: Range, x_score: str, score: str, place: Place, labelled: bool = False
) -> tuple[Series, ...]:
    """Return points by what the other options are, each series in the order of the option that it goes along."""
    groups: dict[str, list[CurvePoint]] = {}
    for point in sweep.points:
        x, y = place(point), point.mean(score)
        if x is None or y is None or not (math.isfinite(x) and math.isfinite(y)):
            continue
        others = {key: value for key, value in point.options.items() if key != along.key}
        label = _label(point, along, sweep.trials is not None) if labelled else ""
        one = CurvePoint(x, y, point.spread(x_score) or 0.0, point.spread(score) or 0.0, label)
        groups.setdefault(sweep.plan.words(others) if sweep.trials is None else "", []).append(one)
    if sweep.trials is not None or len(groups) > MOST_SERIES:
        return (Series("", tuple(itertools.chain(*groups.values())), joined=False),) if groups else ()
    return tuple(Series(name, tuple(points)) for name, points in groups.items())


def _label(point: Point, along: Range, all_of_them: bool) -> str:
    values = point.options.values() if all_of_them else [point.options[along.key]]
    return ", ".join(f"{value:.3g}" if isinstance(value, float) else str(value) for value in values)
