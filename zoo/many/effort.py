"""How long the training of a run takes, seen from a few of its steps."""

from __future__ import annotations

__all__ = ["Effort", "effort_of"]

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.assembly import build_model
from zoo.data.images import class_counts
from zoo.datasets import open_images
from zoo.device import choose_device
from zoo.interfaces import Model, Site, Step
from zoo.many.task import Task
from zoo.registry import Registry
from zoo.runs.loading import place
from zoo.training.feed import Feed
from zoo.training.randomness import isolated

_STEPS = 3


@dataclass(frozen=True)
class Effort:
    """What a run costs.

    Arguments:
        steps: How many steps it takes.
        seconds: How long its training takes, its optimiser left out.
    """

    steps: int
    seconds: float


def effort_of(registry: Registry, task: Task) -> Effort:
    """Return what a run costs, by the fastest of a few steps of its model with its threads on its device.

    Raises:
        ZooError: If it cannot be trained at all.
    """
    settings, training = task.settings, task.settings.training
    images = open_images(registry, settings.data, settings.data_options)
    device = choose_device(training.device)
    with isolated(training.seed):
        site = Site(images.shape, len(images.train), {}, class_counts(images.train))
        parts = settings.model.parts
        model = place(build_model(registry, settings.model.composition, parts, settings.options, site), device)
        few = images.train[: 2 * training.batch_size]
        feed = Feed(images, few, settings.data_options, training.batch_size, training.seed)
        seconds = _seconds(model, feed, device)
    steps = training.epochs * max(1, len(images.train) // training.batch_size)
    return Effort(steps, steps * seconds)


def _seconds(model: Model, feed: Feed, device: torch.device) -> float:
    batch = next(feed.shuffled(0))
    with torch.no_grad():
        model.prepare(batch)
    model.train()
    start = Step.of(0, 0.0, 0.0, device)

    def step() -> Tensor:
        terms = model.loss(batch, start)
        terms.loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return terms.loss

    return min(_timed(step) for _ in range(_STEPS))


def _timed(step: Callable[[], Tensor]) -> float:
    started = time.perf_counter()
    # A loss that is read has been computed.
    float(step().detach())
    return time.perf_counter() - started
