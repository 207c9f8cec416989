"""The kernel distance between test images and samples, in the features of a classifier or of Inception v3."""

from __future__ import annotations

__all__ = ["KernelDistance", "kernel_distance"]

import math
from typing import final

import torch
from torch import Tensor

from zoo import Measure, Metric, Subject, Unjudged
from zoo_samples.options import KernelDistanceOptions
from zoo_samples.seen import View

LEAST = 2
"""Images and samples that it needs."""


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Return the unbiased estimate of MMD^2 between rows `(N, F)` and `(M, F)` under `(a.b / F + 1)^3`.

    It may be below 0, as it must be to be unbiased.

    References:
        Demystifying MMD GANs (Bińkowski et al., 2018), arXiv:1801.01401.
    """
    within = [(kernel.sum() - kernel.trace()) / (len(kernel) * (len(kernel) - 1)) for kernel in (_k(x, x), _k(y, y))]
    return float(within[0] + within[1] - 2 * _k(x, y).mean())


def _k(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


@final
class KernelDistance(Metric):
    """Kernel distance (KID) of samples to test images: unbiased, so that few images do not make it larger.

    Images and samples are shuffled and parted into blocks; the score is the mean over pairs of blocks, `sd` its
    standard deviation over them, `standard_error` that of the mean. `floor` is the same of training images.

    References:
        Demystifying MMD GANs (Bińkowski et al., 2018), arXiv:1801.01401.
    """

    def __init__(self, options: KernelDistanceOptions, subject: Subject) -> None:
        self.block = options.block
        self.features = options.features
        self.subject = subject

    def compute(self) -> Measure:
        try:
            view = View.of(self.subject, self.features)
            seen, drawn = view.pair(LEAST)
        except Unjudged as reason:
            return Measure(None, str(reason))
        found = self._of_blocks(seen, drawn)
        details: dict[str, float | str] = {"blocks": len(found), "block": min(self.block, len(seen), len(drawn))}
        if len(found) > 1:
            details |= {"sd": float(found.std()), "standard_error": float(found.std()) / math.sqrt(len(found))}
        known = view.train()
        if len(known) >= LEAST:
            details["floor"] = float(self._of_blocks(seen, known).mean())
        details |= {"samples": len(drawn), "images": len(seen), "features": view.extractor.name}
        return Measure(float(found.mean()), details=details)

    def _of_blocks(self, seen: Tensor, drawn: Tensor) -> Tensor:
        """Return the distance of each pair of blocks, `(blocks,)`."""
        size = min(self.block, len(seen), len(drawn))
        pairs = zip(_parts(seen, size), _parts(drawn, size), strict=False)
        return torch.tensor([kernel_distance(x, y) for x, y in pairs], dtype=torch.float64)


def _parts(features: Tensor, size: int) -> tuple[Tensor, ...]:
    """Part rows into blocks in an order of their own: data sets lie in some order, and blocks should be alike."""
    order = torch.randperm(len(features))[: len(features) // size * size]
    return torch.split(features[order], size)
