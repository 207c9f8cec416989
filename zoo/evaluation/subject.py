"""What a metric sees: a trained model, and images in blocks whose noise is fixed by seed and block."""

from __future__ import annotations

__all__ = ["Subject", "block_seed"]

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import blake2b
from typing import Any, TypeAlias, TypeVar, TypeVarTuple, cast, final

import torch
from torch import Tensor

from zoo.features.classifier import Classifier, Unjudged
from zoo.features.inception import Inception, load_inception
from zoo.interfaces import Batch, Model, SampleOptions, Step
from zoo.training.randomness import isolated

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Batches: TypeAlias = Callable[[], Iterator[Batch]]

DRAWN = 500
"""Samples that are drawn at once: a part of what the number is, as it fixes which get which noise."""


def _no_classifier(label: str) -> Classifier:
    raise Unjudged(f"there is no classifier of the {label} of these images")


def block_seed(seed: int, purpose: str, block: int = 0) -> int:
    """Return the seed of a block's noise: 32 bits, all that torch's generator on the CPU takes in."""
    return int.from_bytes(blake2b(f"{seed} {purpose} {block}".encode(), digest_size=4).digest())


@final
class Subject:
    """A trained model in eval mode, with the images that metrics look at it through.

    Whatever a metric does is repeatable to the bit: each block of images, and each block of samples, comes with torch's
    default generator at a seed of its own, so that neither batch size nor other metrics change what is drawn.

    Arguments:
        model: The model.
        step: Where in its schedules it is.
        test: Yields the images to score it on, in blocks of a fixed size.
        train: Yields the images that it was trained on, in the same way.
        seed: Seed of everything that metrics draw.
        samples: How many images a metric of samples draws.
        data: The name of the data set.
        classifier: Makes the classifier of the data for the name of a label.
        inception: Makes Inception v3.

    Example:
        >>> import zoo
        >>> batch = zoo.Batch(torch.rand(8, 1, 28, 28), {}, torch.arange(8))
        >>> subject = Subject(zoo.build("vae.tiny", (1, 28, 28)), zoo.Step.of(0, 0, 0), lambda: iter([batch]))
        >>> [len(batch.x) for batch in subject.test(5)]
        [5]
    """

    def __init__(
        self,
        model: Model,
        step: Step,
        test: Batches,
        train: Batches = lambda: iter(()),
        *,
        seed: int = 0,
        samples: int = 10_000,
        data: str = "",
        classifier: Callable[[str], Classifier] = _no_classifier,
        inception: Callable[[], Inception] = load_inception,
    ) -> None:
        self.model = model
        self.step = step
        self.seed = seed
        self.samples = samples
        self.data = data
        self._test = test
        self._train = train
        self._classifier = classifier
        self._load_inception = inception
        self._classifiers: dict[str, Classifier] = {}
        self._inception: Inception | None = None
        self._made: dict[tuple[Any, ...], Any] = {}

    def test(self, limit: int | None = None) -> Iterator[Batch]:
        """Yield the test images, or the first of them, block by block; what is drawn between is seeded by the block."""
        return self._blocks(self._test(), "test", limit)

    def train(self, limit: int | None = None) -> Iterator[Batch]:
        """Yield the training images in their own order, not augmented, as `test` does."""
        return self._blocks(self._train(), "train", limit)

    def drawn(self, count: int | None = None, options: SampleOptions | None = None) -> Iterator[Tensor]:
        """Yield samples of the model, `count` or as many as metrics are to draw, in blocks `(<= 500, C, H, W)`."""
        count = self.samples if count is None else count
        for start in range(0, count, DRAWN):
            with isolated(block_seed(self.seed, "samples", start)):
                # Whole blocks, so that the first samples are the same however many are drawn.
                x = self.model.sample(DRAWN, options)
            yield x[: count - start]

    def classifier(self, label: str = "label") -> Classifier:
        """Return the classifier of the data that tells a label, in whose features samples are compared with images.

        It was trained on training images of the set, and knows nothing of the model.

        Raises:
            Unjudged: If the data has no such label, or too few images.
        """
        if label not in self._classifiers:
            self._classifiers[label] = self._classifier(label)
        return self._classifiers[label]

    def inception(self) -> Inception:
        """Return Inception v3, in whose features papers compare samples with images.

        Raises:
            ZooError: If its weights, or the package that has its net, are not on this machine.
        """
        if self._inception is None:
            self._inception = self._load_inception()
        return self._inception

    def once(self, make: Callable[[Subject, *Ts], T], *args: *Ts) -> T:
        """Return `make(subject, *args)`, which is called once for all metrics that share it with these arguments."""
        key = (make, *args)
        if key not in self._made:
            with isolated(block_seed(self.seed, f"{make.__module__}.{make.__qualname__}")):
                self._made[key] = make(self, *args)
        return cast(T, self._made[key])

    def _blocks(self, batches: Iterator[Batch], purpose: str, limit: int | None) -> Iterator[Batch]:
        left = limit
        for number, batch in enumerate(batches):
            if left is not None:
                if left <= 0:
                    return
                batch, left = _first(batch, left), left - len(batch.index)
            torch.manual_seed(block_seed(self.seed, purpose, number))
            yield batch


def _first(batch: Batch, count: int) -> Batch:
    labels = {name: value[:count] for name, value in batch.y.items()}
    return replace(batch, x=batch.x[:count], y=labels, index=batch.index[:count])
