"""What a sweep found: a point for each choice of values, and which of them is best, as far as its seeds can tell."""

from __future__ import annotations

__all__ = ["FORMAT", "Point", "Sweep"]

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.runs.folder import Run
from zoo.specs import MetricSpec
from zoo.sweeping.plan import Plan

FORMAT = 1
ENOUGH = 3
"""Seeds of each point, below which one point being ahead of another in all of them says little."""


@dataclass(frozen=True)
class Point:
    """One choice of values, with a run for each seed.

    Arguments:
        options: The values by the options' full names.
        runs: Its runs by seed.
        scores: What each run scored, by seed.
        error: Why it has not all of them, in one line.
    """

    options: Mapping[str, Any]
    runs: Mapping[int, Run]
    scores: Mapping[int, Mapping[str, Any]]
    error: str | None = None

    def values(self, score: str) -> list[float]:
        """Return a score of each seed; nothing if one of them has none, because a mean of the others would mislead."""
        found = [scores.get(score) for scores in self.scores.values()]
        numbers = [float(one) for one in found if isinstance(one, int | float)]
        return numbers if self.error is None and len(numbers) == len(found) else []

    def mean(self, score: str) -> float | None:
        """Return the mean of a score over seeds."""
        found = self.values(score)
        return statistics.fmean(found) if found else None

    def spread(self, score: str) -> float | None:
        """Return the standard deviation of a score over seeds, if there are two."""
        found = self.values(score)
        return statistics.stdev(found) if len(found) > 1 else None

    def to_dict(self, scores: tuple[str, ...]) -> dict[str, Any]:
        """Return the point as `results.json` has it."""
        summary = {name: {"mean": self.mean(name), "sd": self.spread(name)} for name in scores}
        runs = [
            {"seed": seed, "path": str(run.path), "scores": {name: self.scores[seed].get(name) for name in scores}}
            for seed, run in self.runs.items()
        ]
        return {"options": dict(self.options), "scores": summary, "runs": runs, "error": self.error}


@dataclass(frozen=True)
class Sweep:
    """What `sweep` found.

    Arguments:
        path: The folder of the sweep.
        plan: What was swept.
        seeds: How many runs each point has.
        metrics: What each run was scored by; the first is the one that the best value is of.
        points: One for each choice of values.
        trials: How many points were searched for, if it was no grid.
        figure: The curves, if any point has something to show.
        command: The command that makes it again.
    """

    path: Path
    plan: Plan
    seeds: int
    metrics: tuple[MetricSpec, ...]
    points: tuple[Point, ...]
    trials: int | None = None
    figure: Path | None = None
    command: str = ""

    @property
    def scores(self) -> tuple[str, ...]:
        """The names of the scores that are kept of each run: those of the metrics, then rate and distortion."""
        names = (key_of(one) for one in self.metrics)
        return tuple(dict.fromkeys((*names, "rate", "distortion")))

    @property
    def best(self) -> Point | None:
        """The point with the best mean of the first metric; nothing if it has no better direction, or no values."""
        if not self.metrics or not self.metrics[0].better:
            return None
        known = [(point.mean(key_of(self.metrics[0])), point) for point in self.points]
        # What is not a number is neither better nor worse.
        finite = [(mean, point) for mean, point in known if mean is not None and mean == mean]
        sign = 1 if self.metrics[0].better == "higher" else -1
        return max(finite, key=lambda one: sign * one[0])[1] if finite else None

    @property
    def rivals(self) -> tuple[Point, ...]:
        """The points that seeds do not tell from the best: one of theirs scores at least as well as its worst."""
        best = self.best
        if best is None:
            return ()
        key, sign = key_of(self.metrics[0]), 1 if self.metrics[0].better == "higher" else -1
        worst = min(sign * value for value in best.values(key))
        others = [point for point in self.points if point is not best and point.values(key)]
        return tuple(point for point in others if max(sign * value for value in point.values(key)) >= worst)

    @property
    def caution(self) -> str:
        """What to keep in mind of the best value; empty if every seed of it is ahead of all others."""
        if self.best is None or len(self.points) < 2:
            return ""
        if self.seeds < ENOUGH:
            few = "one seed" if self.seeds == 1 else f"{self.seeds} seeds"
            return f"{few} a point cannot tell neighbours apart; add --seeds {ENOUGH} or more"
        if not self.rivals:
            return ""
        words = "; ".join(self.plan.words(point.options) for point in self.rivals)
        return f"{self.seeds} seeds do not tell it from {words}"

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `--json` prints and `results.json` holds."""
        best = self.best
        return {
            "format": FORMAT,
            "command": self.command,
            "path": str(self.path),
            "model": self.plan.model,
            "data": self.plan.settings.data,
            "from": self.plan.settings.training.init_from,
            "swept": {one.key: one.text for one in self.plan.ranges},
            "seeds": self.seeds,
            "trials": self.trials,
            "metrics": [{"name": one.name, "unit": one.unit, "better": one.better} for one in self.metrics],
            "points": [point.to_dict(self.scores) for point in self.points],
            "best": dict(best.options) if best is not None else None,
            "caution": self.caution,
            "figure": str(self.figure) if self.figure is not None else None,
        }


def key_of(metric: MetricSpec) -> str:
    """Return the name of a metric's score in files."""
    return metric.name.replace("-", "_")
