"""What a label's class is worth to a simple learner that sees codes alone."""

from __future__ import annotations

__all__ = ["LinearProbe", "Neighbours"]

from abc import abstractmethod
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from zoo import Measure, Metric, Subject
from zoo_representation.classifier import Linear
from zoo_representation.codes import Codes, Embedded, NoScore, Values
from zoo_representation.options import NeighboursOptions, ProbeOptions

Told = tuple[NDArray[np.bool_], str]

TESTED = 10_000
"""Test images that are looked at."""


class _Probe(Metric):
    """The share of test images whose label a learner tells from their codes, having seen those of training images."""

    def __init__(self, options: ProbeOptions, subject: Subject) -> None:
        self.images = options.images
        self.label = options.label
        self.subject = subject

    @abstractmethod
    def tell(self, x: Values, y: NDArray[Any], held_x: Values, held_y: NDArray[Any]) -> Told:
        """Return which of the held-back codes it tells the class of, and a warning if there is one.

        Raises:
            NoScore: If it cannot learn that from so few.
        """

    @final
    def compute(self) -> Measure:
        codes = self.subject.once(Embedded)
        try:
            learnt, held = codes.train(self.images), codes.test(TESTED)
            label = self.label or _first_classes(learnt)
            y, truth = _classes(learnt, held, label)
            right, warning = self.tell(learnt.values, y, held.values, truth)
        except NoScore as reason:
            return Measure(None, str(reason))
        chance = float((truth == _commonest(y)).mean())
        details = {"images": len(learnt), "tested": len(held), "chance": chance}
        return Measure(float(right.mean()), "", details, torch.from_numpy(right).double(), warning)


def _first_classes(codes: Codes) -> str:
    for name, label in codes.labels.items():
        if label.dtype.kind in "iub":
            return name
    raise NoScore("the images have no label of classes, which could be learnt")


def _classes(learnt: Codes, held: Codes, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    y, truth = learnt.labels.get(name), held.labels.get(name)
    if y is None or truth is None or y.dtype.kind not in "iub":
        raise NoScore(f"the images have no classes called '{name}', which could be learnt")
    if len(np.unique(y)) < 2:
        raise NoScore(f"all of the {len(y):,} training images have the {name} {y[0]}")
    if not np.isin(truth, y).any():
        raise NoScore(f"no {name} of a test image is that of one of the {len(y):,} training images")
    return y, truth


def _commonest(y: NDArray[Any]) -> Any:
    classes, counts = np.unique(y, return_counts=True)
    return classes[counts.argmax()]


@final
class LinearProbe(_Probe):
    """Accuracy on test images of a linear classifier that learns a label from the codes of training images.

    Logistic regression on posterior means with mean 0 and variance 1. `chance` is the accuracy of the commonest class.

    References:
        Understanding intermediate layers using linear classifier probes (Alain & Bengio, 2016), arXiv:1610.01644.
    """

    def tell(self, x: Values, y: NDArray[Any], held_x: Values, held_y: NDArray[Any]) -> Told:
        linear = Linear(x, y)
        warning = "" if linear.converged else "The linear classifier had not come to its end when it was stopped."
        return linear.right(held_x, held_y), warning


@final
class Neighbours(_Probe):
    """Accuracy on test images of the vote of the k training images with the nearest codes.

    Nearest in the Euclidean distance of posterior means as they are: a latent that hardly varies hardly counts.

    References:
        Nearest neighbor pattern classification (Cover & Hart, 1967), https://doi.org/10.1109/TIT.1967.1053964.
    """

    def __init__(self, options: NeighboursOptions, subject: Subject) -> None:
        super().__init__(options, subject)
        self.k = options.k

    def tell(self, x: Values, y: NDArray[Any], held_x: Values, held_y: NDArray[Any]) -> Told:
        from sklearn.neighbors import KNeighborsClassifier

        if len(x) < self.k:
            raise NoScore(f"{len(x)} training images have no {self.k} neighbours; it needs {self.k}")
        voters = KNeighborsClassifier(self.k, algorithm="brute").fit(x, y)
        return np.asarray(voters.predict(held_x) == held_y), ""
