"""Schedules of an option over a run: `linear:0..1@5000`, `steps:1e-4@0,5e-5@200ep`, `one-cycle:4e-3`."""

from __future__ import annotations

__all__ = ["SHAPES", "Schedule", "Varied", "parse_schedule"]

import math
import re
from dataclasses import dataclass
from typing import Any

from zoo.errors import ZooError, did_you_mean

SHAPES = ("linear", "cosine", "cyclic", "steps", "one-cycle")
# No trailing point, so that `1...5` is 1 to .5.
_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
_POINT = rf"({_NUMBER})@({_NUMBER})(ep|%)?"
_RAMP = rf"({_NUMBER})\.\.({_NUMBER})(?:@({_NUMBER})(ep|%)?)?"
_PEAK = rf"({_NUMBER})(?:@({_NUMBER})(ep|%)?)?"


@dataclass(frozen=True)
class Schedule:
    """A float that changes over a run.

    Arguments:
        text: What the user wrote; the only form that is saved.
        shape: `linear` and `cosine` go from the first value to the last and stay there; `cyclic` repeats
            half a period of linear rise and half of rest; `steps` jumps; `one-cycle` warms up for 30 % from
            a 25th of its peak, then falls to a 10,000th of it, both along a cosine.
        values: The values `v` at the points; for `one-cycle` the peak alone.
        points: Where the values hold, rising, in `unit`; for `cyclic` the second is the period.
        unit: `""` for steps, `"ep"` for epochs, `"%"` for a share of the run.

    References:
        Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing (Fu et al., 2019),
        arXiv:1903.10145.
        Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates
        (Smith & Topin, 2018), arXiv:1708.07120.

    Example:
        >>> parse_schedule("linear:0..1@5000").points
        (0.0, 5000.0)
    """

    text: str
    shape: str
    values: tuple[float, ...]
    points: tuple[float, ...]
    unit: str

    def __str__(self) -> str:
        return self.text


class Varied:
    """An option that differs between models of which one step is computed for all.

    It stands where a number or a schedule would. What depends on it cannot be decided while a model is built, only be
    computed at each step, where `now` is the value of the model in work.
    """

    now: Any = None


def parse_schedule(text: str) -> Schedule:
    """Read a schedule as users type it.

    Raises:
        ZooError: If the text is no schedule; the message shows one that is.
    """
    shape, colon, rest = text.partition(":")
    if not colon or shape not in SHAPES:
        raise ZooError(
            f"'{text}' is neither a number nor a schedule such as linear:0..1@5000"
            f"{did_you_mean(shape, SHAPES) if colon else ''}"
        )
    if shape == "steps":
        schedule = _parse_steps(text, rest)
    elif shape == "one-cycle":
        schedule = _parse_peak(text, rest)
    else:
        schedule = _parse_ramp(text, shape, rest)
    if not all(map(math.isfinite, (*schedule.values, *schedule.points))):
        raise ZooError(f"'{text}' holds a number that is too large; write it smaller")
    if schedule.unit == "%" and schedule.points[-1] > 100:
        raise ZooError(f"'{text}' goes on after 100% of the run; end it there or before")
    return schedule


def _parse_ramp(text: str, shape: str, rest: str) -> Schedule:
    match = re.fullmatch(_RAMP, rest)
    if match is None:
        raise ZooError(f"'{text}' is no {shape} schedule; write {shape}:0..1@5000, @200ep or @50%")
    start, end, length, unit = match.groups()
    points = (0.0, _length(text, length, unit))
    return Schedule(text, shape, (float(start), float(end)), points, unit or ("" if length else "%"))


def _parse_peak(text: str, rest: str) -> Schedule:
    match = re.fullmatch(_PEAK, rest)
    if match is None:
        raise ZooError(f"'{text}' is no one-cycle schedule; write one-cycle:4e-3 or one-cycle:4e-3@50%")
    peak, length, unit = match.groups()
    points = (0.0, _length(text, length, unit))
    return Schedule(text, "one-cycle", (float(peak),), points, unit or ("" if length else "%"))


def _length(text: str, length: str | None, unit: str | None) -> float:
    value = 100.0 if length is None else float(length)
    if value <= 0:
        raise ZooError(f"'{text}' lasts {length}{unit or ''}; a schedule must last more than 0")
    return value


def _parse_steps(text: str, rest: str) -> Schedule:
    matches = [re.fullmatch(_POINT, item.strip()) for item in rest.split(",")]
    found = [match.groups() for match in matches if match is not None]
    if len(found) != len(matches):
        raise ZooError(f"'{text}' is no steps schedule; write steps:1e-4@0,5e-5@200ep")
    points = tuple(float(point) for _, point, _ in found)
    units = {unit or "" for _, point, unit in found if float(point) != 0}
    if len(units) > 1:
        raise ZooError(f"'{text}' mixes units; count all of its points in steps, ep or %")
    if points[0] != 0 or list(points) != sorted(set(points)):
        raise ZooError(f"'{text}' is out of order; start @0 and go on at later and later points")
    values = tuple(float(value) for value, _, _ in found)
    return Schedule(text, "steps", values, points, units.pop() if units else "")
