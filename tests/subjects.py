"""Models whose codes are known, and metrics of them: what tests of metrics share."""

from __future__ import annotations

import torch
from torch import Tensor

import zoo
from zoo import Batch, LatentModel, Measure, Step, Subject, Terms
from zoo.distributions import Distribution, Normal
from zoo.evaluation.measure import ask, measure
from zoo.registry import load_registry

START = Step.of(0, 0, 0)


class Stub(zoo.Model):
    """A model with no ability, that keeps the images it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def loss(self, batch: Batch, step: Step) -> Terms:
        self.seen.append(batch.x)
        return Terms(torch.zeros(()), {})

    def sample(self, n: int, options: zoo.SampleOptions | None = None) -> Tensor:
        return torch.rand(n, 1, 2, 2)

    def players(self) -> dict[str, zoo.Player]:
        return {}

    def prepare(self, batch: Batch) -> None:
        return None


class Posteriors(Stub, LatentModel):
    """A model whose posterior means are the images' first two pixels, with one spread."""

    def __init__(self, spread: float) -> None:
        super().__init__()
        self.spread = spread

    def encode(self, x: Tensor) -> Distribution:
        loc = x.flatten(1)[:, :2]
        return Normal(loc, torch.full_like(loc, self.spread))

    def decode(self, z: Tensor) -> Distribution:
        raise NotImplementedError

    def prior_distribution(self) -> Distribution:
        return Normal(torch.zeros(2), torch.ones(2))

    def rate_weight(self, step: Step) -> float:
        return 1.0


def subject_of(model: zoo.Model, x: Tensor, block: int = 500, *, labels: bool = False) -> Subject:
    """A model with images, in blocks; every other image has the label 1."""
    parts = [
        Batch(part, {"label": torch.arange(len(part)) % 2} if labels else {}, torch.arange(len(part)))
        for part in x.split(block)
    ]
    return Subject(model, START, lambda: iter(parts))


def measured(model: zoo.Model, name: str, x: Tensor, block: int = 500, **options: object) -> Measure:
    """What a metric finds, as `zoo evaluate` asks for it."""
    asked = ask(load_registry(third_party=False), {name: options})
    return measure(subject_of(model, x, block), asked)[name]
