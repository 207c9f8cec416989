"""A small classifier of a data set: what metrics of samples see with."""

from __future__ import annotations

__all__ = ["Classifier", "Facts", "Unjudged"]

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from zoo.features.extractor import FeatureExtractor
from zoo.features.net import FEATURES, Net

AT_ONCE = 500
"""Images that are looked at at once."""


class Unjudged(Exception):
    """Why there is no classifier, or it has nothing to say, as the end of a sentence."""


@dataclass(frozen=True)
class Facts:
    """What a classifier was trained on, and how well it does.

    Arguments:
        data: The name of the data set.
        shape: The shape `(C, H, W)` of one image.
        label: The name of the label.
        images: How many images it was trained on.
        accuracy: The share of test images that it takes for their label; 0 where they have none.
        train: SHA-256 of the training images and their labels.
        test: SHA-256 of the test images.
        command: What trains it again.
        versions: Of the zoo and of torch.
    """

    data: str
    shape: tuple[int, int, int]
    label: str
    images: int
    accuracy: float
    train: str
    test: str
    command: str
    versions: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as a header holds them."""
        return {**vars(self), "shape": list(self.shape), "versions": dict(self.versions)}


@final
class Classifier(FeatureExtractor):
    """A classifier of images `(N, C, H, W)` with values in [0, 1], in eval mode.

    What its last layer reads, 64 values of an image, are the features in which samples are compared with images.

    Arguments:
        net: Its net.
        labels: The labels that it tells apart, `(K,)`, in the order of the net's outputs.
        facts: What it was trained on.
    """

    name = "classifier"
    size = FEATURES

    def __init__(self, net: Net, labels: Tensor, facts: Facts) -> None:
        self.net = net.eval().requires_grad_(False)
        self.labels = labels
        self.facts = facts

    @property
    def accuracy(self) -> float:
        """The share of test images that it takes for their label."""
        return self.facts.accuracy

    def to(self, device: torch.device) -> Classifier:
        """Return the classifier on a device."""
        return Classifier(self.net.to(device), self.labels.to(device), self.facts)

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        return torch.cat([self.net.body(part) for part in _blocks(x)])

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """Return the likeliest label of images `(N, C, H, W)`: `(N,)`."""
        return self.labels[torch.cat([self.net(part).argmax(1) for part in _blocks(x)])]


def _blocks(x: Tensor) -> Iterator[Tensor]:
    return (part.float().contiguous(memory_format=torch.channels_last) for part in torch.split(x, AT_ONCE))
