"""Scores by metrics: found by name, set by options, each asked of the same subject."""

from __future__ import annotations

__all__ = ["Asked", "as_scores", "ask", "measure", "score", "usual"]

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.errors import TooFewSamples, ZooError
from zoo.evaluation.core import likelihood_of
from zoo.evaluation.subject import Subject, block_seed
from zoo.interfaces import Measure, Metric
from zoo.options import Options
from zoo.registry import Registry
from zoo.runs.scores import score_key
from zoo.specs import MetricSpec, import_or_tell
from zoo.training.progress import Progress
from zoo.training.randomness import isolated


@dataclass(frozen=True)
class Asked:
    """A metric that somebody wants.

    Arguments:
        name: What finds it.
        spec: What it is.
        options: Its options.
        unnamed: Whether nobody named it, so that where too few samples are to be drawn for it, it finds nothing.
    """

    name: str
    spec: MetricSpec
    options: Options
    unnamed: bool = False


def ask(registry: Registry, wanted: Mapping[str, Mapping[str, Any]], unnamed: Collection[str] = ()) -> list[Asked]:
    """Find metrics by name and check their options, before any work is done.

    Arguments:
        registry: Where metrics are found.
        wanted: Options by metric; those that are left out keep their defaults.
        unnamed: Which of them nobody named.

    Raises:
        ZooError: If there is no such metric or option, or a value is out of range.
    """
    return [_ask_one(registry, name, values, name in unnamed) for name, values in wanted.items()]


def usual(registry: Registry) -> list[Asked]:
    """Return the metrics that are computed whenever a run is scored."""
    return [_ask_one(registry, one.name, {}) for one in registry.metrics.entries() if one.item.usual]


def _ask_one(registry: Registry, name: str, values: Mapping[str, Any], unnamed: bool = False) -> Asked:
    entry = registry.metric(name)
    options: type[Options] = import_or_tell(entry.item.options, f"metric '{name}' of {entry.source}")
    try:
        return Asked(entry.name, entry.item, options.from_dict(values), unnamed)
    except ZooError as error:
        raise ZooError(f"metric {name}: {error}") from None


def score(
    subject: Subject, asked: Sequence[Asked], progress: Progress | None = None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the scores of a subject by name, and the values of each image `(N,)` of those that are means of such."""
    with _examined(subject):
        found, likelihood = measure(subject, asked, progress), likelihood_of(subject)
    per_image = {score_key(name): one.per_image for name, one in found.items() if one.per_image is not None}
    return {**as_scores(found), "likelihood": likelihood}, per_image


def measure(subject: Subject, asked: Sequence[Asked], progress: Progress | None = None) -> dict[str, Measure]:
    """Return what each metric finds; one that the model lacks the ability for finds nothing, with a reason.

    Arguments:
        subject: The model, put in eval mode for the time, and its images.
        asked: The metrics.
        progress: Who is told of each metric that was asked for by name.

    Raises:
        ZooError: If a metric's code does not import.
        TooFewSamples: If a metric that was named needs more samples than the subject draws.
    """
    found = {}
    with _examined(subject):
        for one in asked:
            if progress is not None and not one.spec.usual:
                progress.say(f"computing {one.name}")
            found[one.name] = _compute(subject, one)
    return found


@contextmanager
def _examined(subject: Subject) -> Iterator[None]:
    """Put the model in eval mode, and draw and compute without a trace."""
    training = subject.model.training
    subject.model.eval()
    try:
        with torch.no_grad(), isolated(subject.seed):
            yield
    finally:
        subject.model.train(training)


def _compute(subject: Subject, asked: Asked) -> Measure:
    if not isinstance(subject.model, getattr(zoo, asked.spec.needs)):
        return Measure(None, f"the model is no {asked.spec.needs}, which {asked.spec.name} needs")
    kind = import_or_tell(asked.spec.metric, f"metric '{asked.name}'")
    with isolated(block_seed(subject.seed, asked.spec.name)):
        metric: Metric = kind(asked.options, subject)
        try:
            return metric.compute()
        except TooFewSamples as error:
            if not asked.unnamed:
                raise
            return Measure(None, str(error))


def as_scores(found: Mapping[str, Measure]) -> dict[str, Any]:
    """Return measures as scores: each under its name, what belongs to it as `name.detail`, and why there is none.

    Names have underscores in files, as those of options do.
    """
    scores: dict[str, Any] = {}
    for name, one in found.items():
        key = score_key(name)
        scores[key] = list(one.value) if isinstance(one.value, Sequence) else one.value
        scores.update({f"{key}.{detail}": value for detail, value in one.details.items()})
    for kind in ("reason", "warning"):
        if told := {score_key(name): getattr(one, kind) for name, one in found.items() if getattr(one, kind)}:
            scores[f"{kind}s"] = told
    return scores
