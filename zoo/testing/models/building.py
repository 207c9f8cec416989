"""From settings to a model and its images, as a run would make them."""

from __future__ import annotations

__all__ = ["COUNT", "batch", "build", "feed", "prepare", "site"]

import torch
from torch.nn import functional as F

from zoo.assembly import build_model
from zoo.data.images import ImageSet, Split, class_counts
from zoo.interfaces import Batch, Model, Site
from zoo.registry import Registry
from zoo.runs.loading import place
from zoo.settings import Settings
from zoo.training.feed import Feed

COUNT = 16
"""How many images there are."""

_CLASSES = 3


def images(shape: tuple[int, int, int]) -> ImageSet:
    """Return smooth pictures of a shape, in 256 levels, the same ones each time."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(COUNT, shape[0], 3, 3, generator=generator)
    smooth = F.interpolate(coarse, shape[1:], mode="bilinear", align_corners=True)
    split = Split((255 * smooth).round().to(torch.uint8), {"label": torch.arange(COUNT) % _CLASSES})
    return ImageSet("kit", split, split, 1 / 255, "drawn by the conformance kit")


def feed(settings: Settings, shape: tuple[int, int, int], count: int) -> Feed:
    """Return what gives the first `count` images, all of them in one batch."""
    whole = images(shape)
    return Feed(whole, whole.train[:count], settings.data_options, count, settings.training.seed)


def batch(settings: Settings, shape: tuple[int, int, int], count: int) -> Batch:
    """Return the first images, as a trainer would feed them."""
    return feed(settings, shape, count).batch(torch.arange(count), varied=False)


def site(shape: tuple[int, int, int]) -> Site:
    """Return what parts are told of the images."""
    return Site(shape, COUNT, {}, class_counts(images(shape).train))


def build(registry: Registry, settings: Settings, shape: tuple[int, int, int]) -> Model:
    """Build a model, placed as a run places it."""
    spec = settings.model
    return place(build_model(registry, spec.composition, spec.parts, settings.options, site(shape)), "cpu")


def prepare(model: Model, first: Batch) -> Model:
    """Let the parts of a model start from data."""
    with torch.no_grad():
        model.prepare(first)
    return model.train()
