"""The checks of a metric."""

from __future__ import annotations

__all__ = ["METRIC_CHECKS", "metric_trials"]

from collections.abc import Iterator, Mapping
from typing import Any

from zoo.catalogue import Source
from zoo.registry import Registry
from zoo.testing.check import Check, Trial, require, trials
from zoo.testing.deferred import DeferredCheck
from zoo.testing.metrics.case import MetricCase


def estimator_is_told(case: MetricCase) -> None:
    """How the number is estimated is told, and which way is better is a word that tables know."""
    spec = case.entry.item
    require(spec.estimator.strip(), "says nothing of how it is estimated; add estimator to its spec")
    require(spec.better in ("higher", "lower", ""), f"better is '{spec.better}'; it is 'higher', 'lower' or nothing")


METRIC_CHECKS: Mapping[str, tuple[Check, ...]] = {
    "light": (estimator_is_told,),
    "metric": tuple(
        DeferredCheck(f"zoo.testing.metrics.scores:{name}")
        for name in (
            "answers_for_every_model",
            "gives_a_number",
            "same_seed_same_score",
            "blocks_change_nothing",
            "images_have_their_mean",
            "leaves_the_model_alone",
        )
    ),
}


def metric_trials(
    registry: Registry, source: Source, options: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[Trial]:
    """Yield the trials of the metrics that a plugin brings.

    Arguments:
        registry: Where they are found.
        source: The plugin.
        options: Options of metrics, by what they are called, such as `metric iwae-bound`; the defaults otherwise.
    """
    chosen = options or {}
    for entry in registry.metrics.entries():
        if entry.source == source:
            thing = f"metric {entry.name}"
            yield from trials(thing, METRIC_CHECKS, MetricCase(registry, entry, chosen.get(thing, {})))
