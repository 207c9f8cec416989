"""Whether samples are nearer to training images than they should be."""

from __future__ import annotations

__all__ = ["DataCopying", "share_nearer"]

from typing import final

import torch
from torch import Tensor

from zoo import Measure, Metric, Subject, Unjudged
from zoo_samples.neighbours import nearest
from zoo_samples.options import FeatureOptions
from zoo_samples.seen import View

CLOSE = 0.01
"""The share of test images that are the closest to a training image: nearer than these is a copy."""


def share_nearer(x: Tensor, y: Tensor) -> float:
    """Return how often a value of `x (N,)` is below one of `y (M,)`, over all pairs; equal ones count half.

    It is the Mann-Whitney statistic over its largest value.
    """
    sorted_y = y.sort().values
    above = len(y) - torch.searchsorted(sorted_y, x, right=True)
    not_below = len(y) - torch.searchsorted(sorted_y, x, right=False)
    return float((above + not_below).double().mean()) / (2 * len(y))


@final
class DataCopying(Metric):
    """How often a sample is nearer to a training image than a test image is, in the features of a net.

    All training images are searched. Samples that are as new as test images get 0.5, copies get 1, samples that are
    unlike all images get 0; so a mixture of copies and poor samples may get 0.5 too. `copies` is the share of samples
    that are nearer to a training image than 99 % of test images are, of which chance makes 0.01. `distance` and
    `test_distance` are the medians, of samples and of test images.

    References:
        A Non-Parametric Test to Detect Data-Copying in Generative Models (Meehan, Chaudhuri & Dasgupta, 2020),
        arXiv:2004.05675.
    """

    def __init__(self, options: FeatureOptions, subject: Subject) -> None:
        self.features = options.features
        self.subject = subject

    def compute(self) -> Measure:
        try:
            view = View.of(self.subject, self.features)
            images, samples = view.pair(1)
            known = view.all_train()
            of_test = nearest(images, known).sqrt()
            of_samples = nearest(samples, known).sqrt()
        except Unjudged as reason:
            return Measure(None, str(reason))
        details: dict[str, float | str] = {
            "copies": float((of_samples < torch.quantile(of_test, CLOSE)).double().mean()),
            "distance": float(of_samples.median()),
            "test_distance": float(of_test.median()),
            "samples": len(of_samples),
            "images": len(of_test),
            "features": view.extractor.name,
        }
        return Measure(share_nearer(of_samples, of_test), details=details)
