"""Which metrics a comparison computes, and the scores of a run by them."""

from __future__ import annotations

__all__ = ["COSTS", "Column", "ScoredRun", "columns", "score_run", "wanted_metrics"]

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.comparison.defaults import MORE
from zoo.errors import ZooError, one_line
from zoo.evaluation.measure import Asked, ask, usual
from zoo.evaluation.runs import evaluate_run, how
from zoo.registry import Registry
from zoo.runs.folder import Run
from zoo.runs.scores import score_key
from zoo.specs import GROUPS, MetricSpec
from zoo.training.progress import Progress

COSTS = (
    MetricSpec(name="parameters", summary="Trained values.", metric="", group="cost"),
    MetricSpec(name="seconds", summary="Time in training steps.", metric="", group="cost", unit="s"),
    MetricSpec(
        name="images-per-second",
        summary="Median speed of an epoch, training alone.",
        metric="",
        group="cost",
        unit="images/s",
    ),
)
"""What every run knows of itself without a metric."""


@dataclass(frozen=True)
class Column:
    """A score of the table: the key that it has in files, and what it is."""

    key: str
    spec: MetricSpec


@dataclass(frozen=True)
class ScoredRun:
    """A run with its scores.

    Arguments:
        run: The run.
        scores: Its scores, by key, with what is told of them.
        per_image: The values of each test image `(N,)` of those that are means of such.
        failed: Why metrics failed, by key.
        reused: Whether it was there already.
    """

    run: Run
    scores: Mapping[str, Any]
    per_image: Mapping[str, NDArray[np.float64]]
    failed: Mapping[str, str]
    reused: bool = True

    @property
    def seed(self) -> int:
        """The seed that it was trained and scored with."""
        found: int = self.run.metadata["training"]["seed"]
        return found


def wanted_metrics(
    registry: Registry, asked: Mapping[str, Mapping[str, Any]], unnamed: Collection[str] = ()
) -> list[Asked]:
    """Return the default metrics and those that were asked for, with their options.

    Arguments:
        registry: Where metrics are found.
        asked: Options by metric, of those that were asked for.
        unnamed: Which of them nobody named, as the default ones.

    Raises:
        ZooError: If there is no such metric or option.
    """
    more: dict[str, Mapping[str, Any]] = {name: {} for name in MORE if name in registry.metrics and name not in asked}
    asked_for = ask(registry, {**more, **asked}, {*more, *unnamed})
    return list({one.name: one for one in [*usual(registry), *asked_for]}.values())


def columns(wanted: Sequence[Asked]) -> list[Column]:
    """Return what the table shows, in the order of the groups."""
    found = [Column(score_key(one.name), one.spec) for one in wanted]
    found += [Column(score_key(spec.name), spec) for spec in COSTS]
    return sorted(found, key=lambda column: GROUPS.index(column.spec.group))


def score_run(
    registry: Registry, run: Run, wanted: Sequence[Asked], samples: int, device: str, progress: Progress
) -> ScoredRun:
    """Score a run by the metrics that it was not scored by yet, and return it with what all of them found.

    Arguments:
        registry: Where parts, metrics and data sets are found.
        run: The run; it keeps the scores.
        wanted: The metrics.
        samples: How many images metrics of samples draw.
        device: Where to compute.
        progress: Who is told which metric is computed.

    Raises:
        ZooError: If the run cannot be scored at all.
    """
    known = run.scores if run.whole and run.per_image else {}
    missing = {one.name: one.options.to_dict() for one in wanted if not _has(known, one, samples)}
    unnamed = {one.name for one in wanted if one.unnamed}
    seed = run.metadata["training"]["seed"]

    def evaluate(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return evaluate_run(
            registry,
            run,
            None,
            device,
            seed,
            metrics=metrics,
            samples=samples,
            progress=progress,
            unnamed=unnamed,
        )

    failed: dict[str, str] = {}
    if missing:
        try:
            known = evaluate(missing)
        except Exception:
            # One metric that fails must not cost the others: again without them, then each by itself.
            known = evaluate({})
            for name, options in missing.items():
                failed |= _try(evaluate, known, name, options)
    if not run.whole:
        # Nothing of it was written.
        return ScoredRun(run, known, {}, failed)
    per_image = {key: value.double().numpy() for key, value in run.per_image.items()}
    return ScoredRun(run, run.scores, per_image, failed)


def _try(
    evaluate: Callable[[Mapping[str, Mapping[str, Any]]], dict[str, Any]],
    known: dict[str, Any],
    name: str,
    options: Mapping[str, Any],
) -> dict[str, str]:
    """Add what a metric finds to what is known; return why it failed, if it did."""
    try:
        known |= evaluate({name: options})
    except ZooError as error:
        return {score_key(name): str(error)}
    except Exception as error:
        return {score_key(name): one_line(error)}
    return {}


def _has(known: Mapping[str, Any], one: Asked, samples: int) -> bool:
    """Whether a run's scores have this one, computed with the same options and as many samples."""
    key = score_key(one.name)
    made_with = known.get("computed_with", {}).get(key)
    if one.spec.usual and not one.options.to_dict():
        return key in known
    return key in known and made_with == how(one, samples)
