"""A small classifier of the data at hand: what metrics of samples see with."""

from __future__ import annotations

__all__ = ["Classifier", "LabelledImages", "Unjudged", "finite", "train_classifier"]

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import Batch

FEATURES = 64
"""Values of a feature: few enough that a thousand images tell their covariance."""

EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY, SMOOTHING = 8, 50, 6e-3, 0.05, 0.1
"""How the classifier is trained: a part of what the numbers are, and so no options."""

LEAST = 16
"""Images without which there is nothing to learn and nothing to compare."""

AT_ONCE = 500
"""Images that are looked at at once."""


class Unjudged(Exception):
    """Why a classifier has nothing to say, as the end of a sentence."""


@final
class LabelledImages:
    """The first test images, block by block, parted into those that are learnt from and those that are held back.

    Images alternate between the two, so that both are alike even where a data set lies in some order.

    Arguments:
        label: The name of the label.
        limit: How many images to keep.
    """

    def __init__(self, label: str, limit: int) -> None:
        self.label = label
        self.limit = limit
        self._x: list[Tensor] = []
        self._y: list[Tensor] = []
        self._reason = ""

    def add(self, batch: Batch) -> None:
        """Keep a block, as far as there is room."""
        room = self.limit - sum(map(len, self._x))
        if self._reason or room <= 0:
            return
        y = batch.y.get(self.label)
        if y is None or y.ndim != 1 or y.is_floating_point():
            self._reason = f"the images have no classes called '{self.label}', which a classifier could learn"
            return
        self._x.append(batch.x[:room].float())
        self._y.append(y[:room].long())

    def split(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Return images `(N, C, H, W)` and labels `(N,)` to learn from, and those held back.

        Raises:
            Unjudged: If they have no labels, are too few, or are all of one class.
        """
        if self._reason:
            raise Unjudged(self._reason)
        count = sum(map(len, self._x))
        if count < LEAST:
            raise Unjudged(f"{count} test images are too few for a classifier, which needs {LEAST}")
        x, y = torch.cat(self._x), torch.cat(self._y)
        if len(torch.unique(y[::2])) < 2:
            raise Unjudged(f"all images that the classifier learns from have the {self.label} {int(y[0])}")
        return (x[::2], y[::2]), (x[1::2], y[1::2])


@final
class Classifier(nn.Module):
    """Convolutions that halve an image until its sides are 4 or less, a linear layer to features, one to labels.

    Arguments:
        shape: The shape `(C, H, W)` of one image.
        labels: The labels that it tells apart, `(K,)`.
    """

    labels: Tensor

    def __init__(self, shape: Sequence[int], labels: Tensor) -> None:
        super().__init__()
        channels, *sides = shape
        layers = _halve(channels, 32, 5)
        sides, channels = [(side + 1) // 2 for side in sides], 32
        while max(sides) > 4:
            layers += _halve(channels, 64, 3)
            sides, channels = [(side + 1) // 2 for side in sides], 64
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * math.prod(sides), FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, len(labels))
        self.register_buffer("labels", labels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the log-odds of each label, up to a constant, for `x (B, C, H, W)`: `(B, K)`."""
        scores: Tensor = self.head(self.body(x))
        return scores

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """Return what the last layer reads of images `(N, C, H, W)`: `(N, F)`."""
        return torch.cat([self.body(part) for part in _blocks(x)])

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """Return the likeliest label of images `(N, C, H, W)`: `(N,)`."""
        return self.labels[torch.cat([self(part).argmax(1) for part in _blocks(x)])]

    def accuracy(self, x: Tensor, y: Tensor) -> float:
        """Return the share of images `(N, C, H, W)` that are taken for their label `(N,)`."""
        return int((self.classify(x) == y).sum()) / len(x)


def train_classifier(x: Tensor, y: Tensor) -> Classifier:
    """Return a classifier trained on images `(N, C, H, W)` and labels `(N,)`, in eval mode.

    It depends on these alone, whatever was drawn before: its generator has a seed of its own, and the one outside is
    left as it was. Everything is drawn on the CPU.
    """
    with torch.enable_grad(), torch.random.fork_rng(devices=[]), _repeatable():
        torch.default_generator.manual_seed(0)
        labels, targets = torch.unique(y, return_inverse=True)
        net = Classifier(x.shape[1:], labels).to(x.device)
        batch = min(BATCH, len(x))
        steps = EPOCHS * (len(x) // batch)
        optimiser = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
        for _ in range(EPOCHS):
            # The rest of an epoch is left out: batch normalisation has no spread of one image.
            for index in torch.split(torch.randperm(len(x)).to(x.device), batch)[: len(x) // batch]:
                scores = net(x[index].contiguous(memory_format=torch.channels_last))
                optimiser.zero_grad()
                F.cross_entropy(scores, targets[index], label_smoothing=SMOOTHING).backward()  # type: ignore[no-untyped-call]  # torch's
                optimiser.step()
                schedule.step()
    net.eval().requires_grad_(False)
    return net


def finite(samples: Iterator[Tensor]) -> Iterator[Tensor]:
    """Yield blocks of samples as long as they are finite.

    Raises:
        Unjudged: If one is not.
    """
    for x in samples:
        if not bool(x.isfinite().all()):
            raise Unjudged("the samples of the model are not all finite")
        yield x


def _halve(channels: int, width: int, kernel: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, width, kernel, stride=2, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(width), nn.ReLU()]


def _blocks(x: Tensor) -> Iterator[Tensor]:
    return (part.float().contiguous(memory_format=torch.channels_last) for part in torch.split(x, AT_ONCE))


def _repeatable() -> AbstractContextManager[None]:
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
