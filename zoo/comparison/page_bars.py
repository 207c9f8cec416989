"""The scores of a comparison's page that have a value for each unit, as bars of all seeds."""

from __future__ import annotations

__all__ = ["OfUnits", "units_of"]

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from zoo.errors import ZooError
from zoo.figures.bars import Bars, Units, bars_of
from zoo.registry import Registry
from zoo.runs.folder import Run
from zoo.runs.scores import score_key

UNORDERED = ("kl_per_unit",)
"""Scores of units that are interchangeable, so that a number says nothing of which unit it is."""

Runs = Sequence[tuple[int, Run]]


class OfUnits(NamedTuple):
    """A score with a value for each unit: what it is, whether its values are put in order, and each model's bars."""

    name: str
    summary: str
    unit: str
    ranked: bool
    models: tuple[Bars, ...]


def units_of(registry: Registry, models: Sequence[tuple[str, int, Runs]]) -> list[OfUnits]:
    """Return the scores that have a value for each unit, of which at least one run has some.

    Arguments:
        registry: Where metrics say what their scores are.
        models: Each model's name, its place, and its runs after their seeds.
    """
    scores = [(name, place, [(seed, _lists(run)) for seed, run in runs]) for name, place, runs in models]
    found = []
    for entry in registry.metrics.entries():
        key, spec = score_key(entry.name), entry.item
        units = [
            Units(name, place, {str(seed): lists[key] for seed, lists in runs if key in lists})
            for name, place, runs in scores
        ]
        ranked = key in UNORDERED
        if drawn := bars_of(units, ranked=ranked):
            found.append(OfUnits(entry.name, spec.summary, spec.unit, ranked, tuple(drawn)))
    return found


def _lists(run: Run) -> Mapping[str, list[float]]:
    """Return the scores of a run that have a value for each unit; none of a run whose scores cannot be read."""
    try:
        scores = run.scores
    except (OSError, ZooError):
        return {}
    return {key: values for key, value in scores.items() if (values := _numbers(value))}


def _numbers(value: Any) -> list[float]:
    if not isinstance(value, list):
        return []
    return [float(one) if isinstance(one, int | float) else float("nan") for one in value]
