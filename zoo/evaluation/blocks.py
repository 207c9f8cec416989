"""Images in blocks of a fixed size, for scores and figures that do not depend on how they are batched."""

from __future__ import annotations

__all__ = ["BLOCK", "SAMPLES", "figure_batches", "subject_of"]

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import final, overload

import torch

from zoo.data.images import ImageSet, Split
from zoo.data.options import DataOptions
from zoo.data.split import select
from zoo.data.storage import fits_memory
from zoo.evaluation.subject import Subject, block_seed
from zoo.features.find import classifier_of
from zoo.features.inception import Inception, load_inception
from zoo.interfaces import Batch, Model, Step
from zoo.training.feed import Feed
from zoo.training.progress import Progress, Silent
from zoo.training.randomness import isolated

BLOCK = 500
"""Images in a block; its noise is drawn from a generator of its own."""

SAMPLES = 10_000
"""Images that metrics of samples draw, unless they are told another number."""


def subject_of(
    model: Model,
    images: ImageSet,
    options: DataOptions,
    step: Step,
    device: torch.device,
    seed: int,
    *,
    test: Split | None = None,
    train: Split | None = None,
    samples: int = SAMPLES,
    progress: Progress | None = None,
) -> Subject:
    """Return a model with its images, as metrics see them.

    Arguments:
        model: The model.
        images: The data set.
        options: How its images are read.
        step: Where in its schedules the model is.
        device: Where to compute.
        seed: Seed of everything that is drawn, the pixels of `--binarize dynamic` too.
        test: The images to score it on; the set's test images by default.
        train: The images that it was trained on; all the set has for training by default.
        samples: How many images a metric of samples draws.
        progress: Who is told when a classifier of the data is trained, or of what takes long.
    """
    scored = images.test if test is None else test
    seen = images.train if train is None else train

    def blocks(split: Split, purpose: str) -> Iterator[Batch]:
        return _blocks(images, split, options, device, seed, purpose)

    return Subject(
        model,
        step,
        lambda: blocks(scored, "test pixels"),
        lambda: blocks(seen, "train pixels"),
        seed=seed,
        samples=samples,
        data=images.name,
        classifier=lambda label: classifier_of(images, label, progress).to(device),
        inception=lambda: _inception(device, progress or Silent()),
    )


def _inception(device: torch.device, progress: Progress) -> Inception:
    found = load_inception().to(device)
    if device.type == "cpu":
        progress.say("Inception v3 looks at each image and sample, which takes long on a CPU")
    return found


def _blocks(
    images: ImageSet, split: Split, options: DataOptions, device: torch.device, seed: int, purpose: str
) -> Iterator[Batch]:
    feed = Feed(images, split, replace(options, augment="none"), BLOCK, 0)
    for number in range(-(-len(split) // BLOCK)):
        yield _block(feed, number, device, seed, purpose)


def _block(feed: Feed, number: int, device: torch.device, seed: int, purpose: str) -> Batch:
    start = number * BLOCK
    with isolated(block_seed(seed, purpose, number)):
        batch = feed.batch(torch.arange(start, min(start + BLOCK, len(feed.split))), varied=False)
    return _to_device(batch, device)


def figure_batches(images: ImageSet, options: DataOptions, device: torch.device, count: int) -> Sequence[Batch]:
    """Return the first test images, for figures; what would crowd memory is read block by block, whenever asked for."""
    count = min(count, len(images.test))
    if fits_memory(count * math.prod(images.shape) * torch.float32.itemsize):
        return list(_blocks(images, images.test[:count], options, device, 0, "test pixels"))
    first = select(images.test, torch.arange(count))
    return _ReadAgain(Feed(images, first, replace(options, augment="none"), BLOCK, 0), device)


@final
class _ReadAgain(Sequence[Batch]):
    """Test images in blocks, of which none is kept."""

    def __init__(self, feed: Feed, device: torch.device) -> None:
        self._feed = feed
        self._device = device

    def __len__(self) -> int:
        return -(-len(self._feed.split) // BLOCK)

    @overload
    def __getitem__(self, place: int) -> Batch: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Batch]: ...

    def __getitem__(self, place: int | slice) -> Batch | Sequence[Batch]:
        numbers = range(len(self))[place]
        if isinstance(numbers, range):
            return [self[number] for number in numbers]
        return _block(self._feed, numbers, self._device, 0, "test pixels")


def _to_device(batch: Batch, device: torch.device) -> Batch:
    return Batch(batch.x.to(device), {name: value.to(device) for name, value in batch.y.items()}, batch.index)
