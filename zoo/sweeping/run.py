"""A sweep from its plan to its folder: every run once, their scores, the curves."""

from __future__ import annotations

__all__ = ["run_sweep"]

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo.distributed.launch import refuse_launch
from zoo.errors import Diverged, Interrupted, ZooError, one_line
from zoo.evaluation.blocks import SAMPLES
from zoo.evaluation.measure import Asked, ask, usual
from zoo.evaluation.runs import evaluate_run
from zoo.experiment import open_or_fall_back
from zoo.many.choice import Way
from zoo.many.task import Lost, Task
from zoo.many.trained import Trained, train_many
from zoo.registry import Registry
from zoo.runs.files import write_text
from zoo.runs.folder import Run
from zoo.specs import MetricSpec
from zoo.sweeping.plan import Plan, sweep_folder
from zoo.sweeping.results import Point, Sweep, key_of
from zoo.tracking import Tracker
from zoo.training.progress import Progress

RESULTS, CURVE = "results.json", "curve.png"
DEFAULTS = ("elbo", "log-likelihood", "mse")
"""What a sweep is scored by unless it is told: the first of these that all its runs have, and the others."""


def run_sweep(
    registry: Registry,
    plan: Plan,
    *,
    seeds: int,
    metrics: Mapping[str, Mapping[str, Any]],
    trials: int | None,
    out: Path | None,
    progress: Progress,
    command: str = "",
    trackers: Sequence[Tracker] = (),
    way: Way = "auto",
) -> Sweep:
    """Train what a plan asks for, as far as it was not trained before, and write results and curves.

    Arguments:
        registry: Where models, data sets and metrics are found.
        plan: What is swept.
        seeds: Runs of each point, with successive seeds.
        metrics: What runs are scored by with their options, the one that matters most first; by default what all of
            them have.
        trials: Search this many points by Optuna instead of the grid.
        out: The folder; by default that where the same sweep was begun, else the next `sweep/<model>-<data>-<N>`.
        progress: Who is told.
        command: The command that makes it again, for the results.
        trackers: What follows the runs that are trained here.
        way: Whether they are trained side by side.

    Raises:
        ZooError: If a value is out of range, a metric is unknown, or the first run of all cannot be trained.
        Interrupted: If it was stopped; the same sweep goes on.
    """
    refuse_launch("a sweep")
    if seeds < 1:
        raise ZooError(f"--seeds must be at least 1, got {seeds}")
    asked = tuple(ask(registry, metrics))
    first = plan.settings.training.seed
    if trials is not None:
        from zoo.sweeping.search import check_search

        check_search([one.spec for one in asked], trials)
    else:
        # Here, before anything is written: a value that is out of range is a mistake that can be told at once.
        for options in plan.grid():
            plan.settings_of(registry, options, first)
    settings, _ = open_or_fall_back(registry, plan.settings, progress)
    plan = replace(plan, settings=replace(settings, data_asked=True))
    if trials is not None:
        search = {"metric": asked[0].name, "options": asked[0].options.to_dict(), "seeds": seeds}
        plan = replace(plan, search=search)
    path, begun = sweep_folder(plan, out)
    if begun:
        progress.say(f"going on with {path}")
    worker = _Worker(registry, plan, range(first, first + seeds), asked, path, progress, command, trials, trackers, way)
    try:
        if trials is not None:
            from zoo.sweeping.search import run_search

            run_search(plan, asked[0].spec, trials, path, worker.trial, first)
        else:
            worker.grid()
        return worker.finish()
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted and saved in {path}; the same command goes on with it") from None


def _folder_name(plan: Plan, options: Mapping[str, Any]) -> str:
    precise = {key: f"{value:.12g}" if isinstance(value, float) else str(value) for key, value in options.items()}
    words = "-".join(f"{plan.names[key]}-{value}" for key, value in precise.items())
    return "".join(c if c.isalnum() or c in "+-._" else "-" for c in words)


@dataclass
class _Worker:
    """Trains and scores one point after the other, and keeps what was found on disk."""

    registry: Registry
    plan: Plan
    seeds: range
    asked: tuple[Asked, ...]
    path: Path
    progress: Progress
    command: str
    trials: int | None
    trackers: Sequence[Tracker]
    way: Way
    points: list[Point] = field(default_factory=list)

    def grid(self) -> None:
        """Train and score every point of the grid."""
        grid = list(self.plan.grid())
        tasks = [
            self._tasks(options, f"{number}/{len(grid)}", _folder_name(self.plan, options))
            for number, options in enumerate(grid, 1)
        ]
        trained = self._trained([task for of in tasks for task in of.values()])
        for options, of in zip(grid, tasks, strict=True):
            self._point(options, of, trained)

    def trial(self, options: Mapping[str, Any], place: str, name: str) -> Point:
        """Train and score a point of a search, which has a place among the others and a name for its folders."""
        try:
            tasks = self._tasks(options, place, name)
        except ZooError as problem:
            # Values that do not go together; where the first ones do not, most likely none do.
            if not self.points:
                raise
            return self._keep(Point(dict(options), {}, {}, str(problem)))
        return self._point(options, tasks, self._trained(list(tasks.values())))

    def _trained(self, tasks: Sequence[Task]) -> Trained:
        return train_many(self.registry, tasks, self.progress, self.trackers, self.way)

    def _tasks(self, options: Mapping[str, Any], place: str, name: str) -> dict[int, Task]:
        """Return the runs of a point by seed."""
        return {
            seed: Task(
                f"{place}: {self.plan.words(options)}, seed {seed}",
                self.plan.settings_of(self.registry, options, seed),
                self.path / "runs" / f"{name}-seed{seed}",
                self.command,
            )
            for seed in self.seeds
        }

    def _point(self, options: Mapping[str, Any], tasks: Mapping[int, Task], trained: Trained) -> Point:
        runs: dict[int, Run] = {}
        scores: dict[int, Mapping[str, Any]] = {}
        error = None
        for seed, task in tasks.items():
            self.progress.say(task.label)
            try:
                run, _ = trained.take(task)
                scores[seed] = self._score(run, seed)
                runs[seed] = run
            except ZooError as problem:
                # What stops the very first run, and is no divergence, most likely stops them all.
                if not self.points and not runs and not isinstance(problem, Diverged | Lost):
                    raise
                error = str(problem)
            except Exception as problem:
                error = one_line(problem)
            if error is not None:
                break
        return self._keep(Point(dict(options), runs, scores, error))

    def _keep(self, point: Point) -> Point:
        self.points.append(point)
        self._write(self._sweep())
        return point

    def _score(self, run: Run, seed: int) -> Mapping[str, Any]:
        """Return the scores of a run, with those that it does not have yet."""
        wanted = {one.name: one.options.to_dict() for one in self.asked if not _has(run, one)}
        if wanted:
            device = self.plan.settings.training.device
            evaluate_run(self.registry, run, seed=seed, device=device, metrics=wanted, progress=self.progress)
        for one in self.asked:
            if isinstance(run.scores.get(key_of(one.spec)), list):
                raise ZooError(f"{one.name} is not one number, which a sweep needs; name another metric")
        return run.scores

    def _sweep(self) -> Sweep:
        metrics = tuple(one.spec for one in self.asked) or tuple(self._defaults())
        points = tuple(self.points)
        return Sweep(self.path, self.plan, len(self.seeds), metrics, points, self.trials, None, self.command)

    def _defaults(self) -> Iterable[MetricSpec]:
        """Yield the default metrics that every run has."""
        scores = [scores for point in self.points for scores in point.scores.values()]
        known = {one.spec.name: one.spec for one in usual(self.registry)}
        for name in DEFAULTS:
            if scores and name in known and all(one.get(name.replace("-", "_")) is not None for one in scores):
                yield known[name]

    def _write(self, sweep: Sweep) -> None:
        write_text(self.path / RESULTS, json.dumps(_finite(sweep.to_dict()), indent=2) + "\n")

    def finish(self) -> Sweep:
        """Draw the curves, and return what was found."""
        from zoo.sweeping.picture import draw_sweep

        found = self._sweep()
        drawn = draw_sweep(found, self.path / CURVE)
        found = replace(found, figure=self.path / CURVE if drawn else None)
        self._write(found)
        return found


def _has(run: Run, asked: Asked) -> bool:
    """Whether a run has a score that was computed as it is asked for now."""
    key = key_of(asked.spec)
    if asked.spec.usual:
        return key in run.scores
    how = run.scores.get("computed_with", {}).get(key)
    return bool(how == {"samples": SAMPLES, **asked.options.to_dict()})


def _finite(value: Any) -> Any:
    """Return a document as JSON can hold it: what is not finite is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
