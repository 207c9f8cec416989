"""Test images in blocks of a fixed size, for scores and figures that do not depend on how they are batched."""

from __future__ import annotations

__all__ = ["BLOCK", "evaluate_model", "figure_batches", "measure_model", "test_feed"]

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from zoo.data.images import ImageSet
from zoo.data.options import DataOptions
from zoo.evaluation.measure import Asked, measure
from zoo.evaluation.metrics import Scores, score
from zoo.interfaces import Batch, Measure, Model, Step
from zoo.training.feed import Feed
from zoo.training.randomness import isolated

BLOCK = 500
"""Images in a block; its noise is drawn from a generator of its own."""


def test_feed(images: ImageSet, options: DataOptions) -> Feed:
    """Return the test images in blocks."""
    return Feed(images, images.test, replace(options, augment="none"), BLOCK, 0)


def evaluate_model(
    model: Model, images: ImageSet, options: DataOptions, step: Step, device: torch.device, seed: int
) -> Scores:
    """Score a model on the test images; the same seed gives the same numbers to the bit."""
    with isolated(seed):
        return score(model, _test_batches(images, options, device), step, seed)


def measure_model(
    model: Model,
    asked: Sequence[Asked],
    images: ImageSet,
    options: DataOptions,
    step: Step,
    device: torch.device,
    seed: int,
) -> dict[str, Measure]:
    """Return what metrics find on the test images: for a seed the same images to the bit that are scored."""
    with isolated(seed):
        return measure(model, asked, _test_batches(images, options, device), step, seed)


def _test_batches(images: ImageSet, options: DataOptions, device: torch.device) -> Iterator[Batch]:
    return (_to_device(batch, device) for batch in test_feed(images, options).in_order())


def figure_batches(images: ImageSet, options: DataOptions, device: torch.device, count: int) -> Sequence[Batch]:
    """Return the first test images, for figures."""
    with isolated(0):
        feed = test_feed(replace(images, test=images.test[:count]), options)
        return [_to_device(batch, device) for batch in feed.in_order()]


def _to_device(batch: Batch, device: torch.device) -> Batch:
    return Batch(batch.x.to(device), {name: value.to(device) for name, value in batch.y.items()}, batch.index)
