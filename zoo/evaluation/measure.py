"""Scores that plugins bring: found by name, set by options, shown the test images block by block."""

from __future__ import annotations

__all__ = ["Asked", "as_scores", "ask", "measure"]

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

import zoo
from zoo.errors import ZooError
from zoo.interfaces import Batch, Measure, Metric, Model, Step
from zoo.options import Options
from zoo.registry import Registry
from zoo.specs import MetricSpec, import_or_tell
from zoo.training.randomness import isolated


@dataclass(frozen=True)
class Asked:
    """A metric that somebody wants: the name that finds it, what it is, and its options."""

    name: str
    spec: MetricSpec
    options: Options


def ask(registry: Registry, wanted: Mapping[str, Mapping[str, Any]]) -> list[Asked]:
    """Find metrics by name and check their options, before any work is done.

    Arguments:
        registry: Where metrics are found.
        wanted: Options by metric; those that are left out keep their defaults.

    Raises:
        ZooError: If there is no such metric or option, or a value is out of range.
    """
    return [_ask_one(registry, name, values) for name, values in wanted.items()]


def _ask_one(registry: Registry, name: str, values: Mapping[str, Any]) -> Asked:
    entry = registry.metric(name)
    options: type[Options] = import_or_tell(entry.item.options, f"metric '{name}' of {entry.source}")
    try:
        return Asked(entry.name, entry.item, options.from_dict(values))
    except ZooError as error:
        raise ZooError(f"metric {name}: {error}") from None


@torch.no_grad()
def measure(
    model: Model, asked: Sequence[Asked], batches: Iterable[Batch], step: Step, seed: int = 0
) -> dict[str, Measure]:
    """Return what each metric finds; one that the model lacks the ability for finds nothing, with a reason.

    Arguments:
        model: The model, put in eval mode for the time.
        asked: The metrics.
        batches: The images, in blocks of a fixed size.
        step: Where in its schedules the model is.
        seed: Each block draws from a generator seeded by it and the block.

    Raises:
        ZooError: If a metric's code does not import.
    """
    training = model.training
    model.eval()
    with isolated(seed << 20):
        metrics = {one.name: _build(one, model) for one in asked if _can(model, one.spec)}
    count = 0
    for batch in batches if metrics else ():
        for metric in metrics.values():
            with isolated((seed << 20) + count):
                metric.add(batch, step)
        count += 1
    found = {}
    for one in asked:
        with isolated((seed << 20) + count):
            found[one.name] = metrics[one.name].result() if one.name in metrics else _lacks(one.spec)
    model.train(training)
    return found


def as_scores(found: Mapping[str, Measure]) -> dict[str, Any]:
    """Return measures as scores: each under its name, what belongs to it as `name.detail`, and why there is none."""
    scores: dict[str, Any] = {}
    for name, one in found.items():
        scores[name] = one.value
        scores.update({f"{name}.{detail}": value for detail, value in one.details.items()})
    if reasons := {name: one.reason for name, one in found.items() if one.value is None}:
        scores["reasons"] = reasons
    return scores


def _build(asked: Asked, model: Model) -> Metric:
    metric: Metric = import_or_tell(asked.spec.metric, f"metric '{asked.name}'")(asked.options, model)
    return metric


def _can(model: Model, spec: MetricSpec) -> bool:
    return isinstance(model, getattr(zoo, spec.needs))


def _lacks(spec: MetricSpec) -> Measure:
    return Measure(None, f"the model is no {spec.needs}, which {spec.name} needs")
