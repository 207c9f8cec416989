"""How a classifier is trained: on the training images of a set, slightly varied, the same for everyone."""

from __future__ import annotations

__all__ = ["learn", "targets_of"]

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

import zoo
from zoo.data.images import ImageSet
from zoo.features.classifier import Classifier, Facts, Unjudged
from zoo.features.fingerprint import of_test, of_training
from zoo.features.net import Net
from zoo.training.progress import Progress, Silent
from zoo.training.randomness import isolated

EPOCHS = 8
"""Times that each image is looked at, unless it is told otherwise."""

SEED, BATCH, LEARNING_RATE, WEIGHT_DECAY, SMOOTHING = 0, 100, 6e-3, 0.05, 0.1
"""How a classifier is trained: a part of what the numbers are, and so no options."""

TURN, STRETCH, SHIFT = math.radians(10), 0.1, 2 / 28
"""By how much an image is turned, stretched (a share) and moved (a share of its side) at most."""

LEAST = 16
"""Images without which there is nothing to learn."""

SEEN = 2000
"""Images that are looked at at the least; where there are fewer, each is looked at more often."""


@torch.enable_grad()
def learn(
    images: ImageSet,
    label: str = "label",
    progress: Progress | None = None,
    *,
    epochs: int = EPOCHS,
    command: str | None = None,
) -> Classifier:
    """Return a classifier of the training images of a set, trained on the CPU.

    It depends on the images and their labels alone, whatever was drawn before, and leaves torch's generators as they
    were.

    Arguments:
        images: The data set.
        label: The name of the label that it learns.
        progress: Who is told of each epoch.
        epochs: How often each image is looked at; where there are few, it is more often.
        command: What trains it again; `zoo features train DATA` by default.

    Raises:
        Unjudged: If the images have no such label, are too few, or are all of one class.
    """
    labels, targets = targets_of(images, label)
    with isolated(SEED):
        net = Net(images.shape, len(labels)).to(memory_format=torch.channels_last)
        _train(net, images, targets, _Plan(len(targets), epochs), progress or Silent())
    facts = Facts(
        data=images.name,
        shape=images.shape,
        label=label,
        images=len(images.train),
        accuracy=_accuracy(net.eval(), labels, images, label),
        train=of_training(images, label),
        test=of_test(images),
        command=command or f"zoo features train {images.name}",
        versions={"zoo": zoo.__version__, "torch": torch.__version__},
    )
    return Classifier(net, labels, facts)


def targets_of(images: ImageSet, label: str) -> tuple[Tensor, Tensor]:
    """Return the labels `(K,)`, and which of them each training image has, `(N,)`.

    Raises:
        Unjudged: If there is nothing to learn.
    """
    y = images.train.y.get(label)
    if y is None or y.ndim != 1 or y.is_floating_point():
        raise Unjudged(f"the images have no classes called '{label}', which a classifier could learn")
    if len(y) < LEAST:
        raise Unjudged(f"{len(y)} training images are too few for a classifier, which needs {LEAST}")
    labels, targets = torch.unique(y.long(), return_inverse=True)
    if len(labels) < 2:
        raise Unjudged(f"all images that a classifier could learn from have the {label} {int(labels[0])}")
    return labels, targets


@dataclass(frozen=True)
class _Plan:
    """Which images are seen at which step; the rest of an epoch is left out, since one image has no spread."""

    count: int
    least: int

    @property
    def batch(self) -> int:
        return min(BATCH, max(LEAST, self.count // 10))

    @property
    def steps(self) -> int:
        return self.count // self.batch

    @property
    def epochs(self) -> int:
        return max(self.least, math.ceil(SEEN / self.count))

    def epoch(self) -> Iterator[Tensor]:
        """Yield the indices of each batch of an epoch, `(B,)`."""
        yield from torch.split(torch.randperm(self.count), self.batch)[: self.steps]


def _train(net: Net, images: ImageSet, targets: Tensor, plan: _Plan, progress: Progress) -> None:
    optimiser = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = plan.epochs * plan.steps
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    progress.start(plan.epochs, plan.steps, 0)
    try:
        for epoch in range(1, plan.epochs + 1):
            started, total = time.perf_counter(), 0.0
            for number, index in enumerate(plan.epoch(), 1):
                loss = F.cross_entropy(
                    net(_vary(images.read(images.train.x[index]))), targets[index], label_smoothing=SMOOTHING
                )
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch's
                optimiser.step()
                schedule.step()
                total += loss.item()
                speed = number * plan.batch / (time.perf_counter() - started)
                progress.step((epoch - 1) * plan.steps + number, epoch, speed)
            record = {"epoch": epoch, "steps": epoch * plan.steps, "train": {"loss": total / plan.steps}}
            seconds = time.perf_counter() - started
            progress.epoch({**record, "images_per_second": speed, "seconds": seconds})
    finally:
        progress.stop()


def _vary(x: Tensor) -> Tensor:
    """Return images `(B, C, H, W)` each slightly turned, stretched and moved, drawn from torch's default generator."""
    turn = _draw(1, len(x))[0] * TURN
    (wide, high), (right, down) = 1 + _draw(2, len(x)) * STRETCH, _draw(2, len(x)) * 2 * SHIFT
    # The grid goes from -1 to 1, so that a side is 2.
    rows = (turn.cos() * wide, -turn.sin() * high, right, turn.sin() * wide, turn.cos() * high, down)
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False).contiguous(memory_format=torch.channels_last)


def _draw(*shape: int) -> Tensor:
    """Draw from -1 to 1."""
    return torch.rand(shape) * 2 - 1


@torch.no_grad()
def _accuracy(net: Net, labels: Tensor, images: ImageSet, label: str) -> float:
    y = images.test.y.get(label)
    if y is None:
        return 0.0
    parts = torch.split(torch.arange(len(y)), 500)
    right = (labels[net(images.read(images.test.x[part])).argmax(1)] == y[part] for part in parts)
    return sum(int(one.sum()) for one in right) / len(y)
