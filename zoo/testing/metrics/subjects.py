"""Models and images that a metric under test is asked about: small, untrained, and of every kind of code."""

from __future__ import annotations

__all__ = ["SEEDS", "Scored", "value_of"]

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property, partial
from typing import Any, final

import torch
from torch import Tensor

from zoo.assembly import build_model
from zoo.catalogue import Entry
from zoo.data.images import ImageSet, Split, class_counts
from zoo.errors import ZooError
from zoo.evaluation.measure import Asked, ask, measure
from zoo.evaluation.subject import Subject
from zoo.features.classifier import Classifier
from zoo.features.learning import learn
from zoo.interfaces import Batch, Measure, Model, Site, Step
from zoo.registry import Registry
from zoo.settings import Settings, resolve
from zoo.specs import MetricSpec
from zoo.testing.check import NotApplicable
from zoo.testing.parts.places import roughen
from zoo.training.randomness import isolated

_IMAGES = 48
"""Test images, of which the last few are unlike the others."""

_MANY = 8
"""How many times as many there are for a metric that has no number for so few."""

SEEDS = (0, 1, 2)
"""Seeds of evaluation whose scores tell how noisy a metric is."""

_TRAIN, _SAMPLES, _SIDE, _ODD = 120, 200, 12, 6


@final
class Scored:
    """A metric, and what it is asked about.

    Arguments:
        registry: Where it and the models are found.
        entry: The metric.
        options: Its options, as far as they are not to be the defaults.
    """

    def __init__(self, registry: Registry, entry: Entry[MetricSpec], options: Mapping[str, Any]) -> None:
        self.registry = registry
        self.entry = entry
        self.options = options
        self._times = 1

    @property
    def images(self) -> int:
        """How many test images there are."""
        return self._times * _IMAGES

    @cached_property
    def asked(self) -> Asked:
        """The metric with its options."""
        return ask(self.registry, {self.entry.name: self.options})[0]

    @cached_property
    def models(self) -> dict[str, Settings]:
        """The plugin's own models, and one of ours for each kind of model and of code, by name."""
        kinds, found = set(), {}
        own = self.entry.source.distribution
        entries = [one for one in self.registry.models.entries() if one.source.ours or one.source.distribution == own]
        for one in sorted(entries, key=lambda one: (one.source.ours, one.name != "vae", one.name)):
            if "tiny" not in one.item.recipes:
                continue
            parts = one.item.parts
            kind = (one.item.composition, parts.get("posterior"), parts.get("condition"))
            if one.source.ours and kind in kinds:
                continue
            try:
                settings = resolve(self.registry, f"{one.name}.tiny")
                self._build(settings)
            except ZooError:
                # It takes other images, which is no fault of the metric.
                continue
            found[one.name] = settings
            kinds.add(kind)
        return found

    def build(self, name: str) -> Model:
        """Build one of them, away from its first weights."""
        return self._build(self.models[name])

    def _build(self, settings: Settings) -> Model:
        site = Site(_images().shape, _TRAIN, {}, class_counts(_images().train))
        with isolated(0):
            spec = settings.model
            model = build_model(self.registry, spec.composition, spec.parts, settings.options, site)
            with torch.no_grad():
                model.prepare(next(_blocks(_images().train, (32,))))
            roughen(model, 0.2)
        return model.eval()

    def measure(self, model: Model, *, seed: int = 0, blocks: Sequence[int] = ()) -> Measure:
        """Ask the metric of a model, its test images in blocks of these sizes, or all at once."""
        images = _images(self._times)
        subject = Subject(
            model,
            Step.of(1000, 10, 1),
            lambda: _blocks(images.test, blocks or (self.images,)),
            lambda: _blocks(images.train, (len(images.train),)),
            seed=seed,
            samples=_SAMPLES,
            data="the kit's",
            classifier=partial(_classifier, self._times),
        )
        return measure(subject, [self.asked])[self.asked.name]

    @cached_property
    def example(self) -> tuple[str, Measure]:
        """The first model that the metric has a number for, and what it finds.

        Raises:
            NotApplicable: If there is none.
        """
        reasons: dict[str, None] = {}
        for self._times in (1, _MANY):
            for name in self.models:
                found = self.measure(self.build(name))
                if found.value is not None:
                    return name, found
                reasons[found.reason] = None
        raise NotApplicable(f"it has no number for the small models of the kit: {'; '.join(list(reasons)[:3])}")


def value_of(found: Measure) -> Tensor:
    """Return a score as a tensor, `()` or `(n,)`."""
    return torch.tensor(found.value, dtype=torch.float64)


@cache
def _images(times: int = 1) -> ImageSet:
    """Draw pictures of two bars, whose places are known."""
    draw = torch.Generator().manual_seed(5)
    train = times * _TRAIN
    count = train + times * _IMAGES
    row, column, label = (torch.randint(0, high, (count,), generator=draw) for high in (4, 3, 3))
    x = 20 * torch.rand(count, 1, _SIDE, _SIDE, generator=draw)
    for image, i, j, k in zip(x[:, 0], row.tolist(), column.tolist(), label.tolist(), strict=True):
        image[3 * i] += 60 * (k + 1)
        image[:, 4 * j] += 60 * (k + 1)
    odd = times * _ODD
    x[-odd:] = 200 - x[-odd:] / 2
    y = {"label": label, "row": row, "column": column}
    whole = Split(x.clamp(0, 255).to(torch.uint8), y)
    return ImageSet("the kit's", whole[:train], whole[train:], 1 / 255, "drawn by the conformance kit")


@cache
def _classifier(times: int, label: str) -> Classifier:
    return learn(_images(times), label, epochs=1)


def _blocks(split: Split, sizes: Sequence[int]) -> Iterator[Batch]:
    start = 0
    for size in sizes:
        part = split[start : start + size]
        yield Batch(_images().read(part.x), part.y, torch.arange(start, start + len(part)))
        start += size
