"""Losses averaged over their noise, and of images that are tiled."""

from __future__ import annotations

__all__ = ["Average", "average_loss", "compares_images", "distortions_of_tiled", "likelihoods_of_tiled", "repeated"]

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from zoo.interfaces import Batch, Likelihood, Loss, Model, Step
from zoo.testing.models.case import ModelCase

_DRAWS = 48
_MODELS = 3


@dataclass(frozen=True)
class Average:
    """A mean over draws, and its standard error."""

    mean: float
    error: float


def compares_images(model: Model) -> bool:
    """Whether the loss of a model says of itself that it compares the images of a batch with each other."""
    return any(module.compares_images for module in model.modules() if isinstance(module, Loss))


def repeated(batch: Batch) -> Batch:
    """Return a batch with each image twice."""
    twice = {name: torch.cat([value, value]) for name, value in batch.y.items()}
    return Batch(torch.cat([batch.x, batch.x]), twice, torch.cat([batch.index, batch.index]))


@torch.no_grad()
def average_loss(model: Model, batch: Batch, step: Step, name: str, draws: int = _DRAWS) -> Average | None:
    """Return the mean of `loss` or a term over draws; nothing if there is no such term."""
    found = []
    for _ in range(draws):
        terms = model.loss(batch, step)
        named = {**terms.logs, "loss": terms.loss}
        if name not in named:
            return None
        found.append(named[name].double())
    values = torch.stack(found)
    return Average(float(values.mean()), float(values.std() / draws**0.5))


def distortions_of_tiled(case: ModelCase) -> tuple[float, float]:
    """Return the distortion, or else the loss, of images and of images tiled to twice their width.

    Each is that of models of that shape at their first weights, whose mean images are as blank as each other's.
    """
    channels, height, width = case.shape
    single, double = (
        sum(_first_distortion(case, shape) for _ in range(_MODELS)) / _MODELS
        for shape in (case.shape, (channels, height, 2 * width))
    )
    return single, double


def _first_distortion(case: ModelCase, shape: tuple[int, int, int]) -> float:
    model, batch = case.model(shape).eval(), case.batch()
    tiled = Batch(batch.x.repeat(1, 1, 1, shape[2] // case.shape[2]), batch.y, batch.index)
    found = average_loss(model, tiled, case.end, "distortion", 4) or average_loss(model, tiled, case.end, "loss", 4)
    assert found is not None, "every model has a loss"
    return found.mean


@torch.no_grad()
def likelihoods_of_tiled(case: ModelCase) -> Iterator[tuple[str, float, float]]:
    """Yield what each likelihood says of an image and of the image tiled to twice its width, in nats."""
    channels, height, width = case.shape
    plain, wide = case.model().eval(), case.model((channels, height, 2 * width)).eval()
    heads = dict(wide.named_modules())
    x = case.batch(2).x
    for name, head in plain.named_modules():
        if isinstance(head, Likelihood):
            values = torch.randn(2, head.values_per_pixel * channels, height, width)
            single = head(values).log_prob(x).mean()
            double = heads[name](values.repeat(1, 1, 1, 2)).log_prob(x.repeat(1, 1, 1, 2)).mean()
            yield f"likelihood {type(head).__name__}", -float(single), -float(double)
