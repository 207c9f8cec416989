"""The maximum mean discrepancy between two samples: kernels and an unbiased estimate."""

from __future__ import annotations

__all__ = ["discrepancy", "imq", "rbf"]

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Kernel: TypeAlias = Callable[[Tensor, float], Tensor]


def imq(square: Tensor, width: float) -> Tensor:
    """Return the inverse multiquadratic kernel C / (C + square) of squared distances; its tails reach far outliers."""
    return width / (width + square)


def rbf(square: Tensor, width: float) -> Tensor:
    """Return the Gaussian kernel exp(-square / C) of squared distances."""
    return torch.exp(-square / width)


def discrepancy(a: Tensor, b: Tensor, kernel: Kernel, widths: Sequence[float]) -> Tensor:
    """Return an unbiased estimate of the squared discrepancy of the laws of two samples, `()`; it may be negative.

    sum_{i != j} k(a_i, a_j) / (n (n - 1)) + sum_{i != j} k(b_i, b_j) / (n (n - 1)) - 2 sum_{i, j} k(a_i, b_j) / n²

    with k the sum of one kernel at several widths.

    Arguments:
        a, b: Samples of the two laws, `(n, d)` each. One of each says nothing, and the estimate is then 0.
        kernel: Of squared distances and a width.
        widths: C of each kernel.

    References:
        A Kernel Two-Sample Test (Gretton et al., 2012), Journal of Machine Learning Research 13.

    Example:
        >>> discrepancy(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [1.0]]), imq, [1.0])
        tensor(-0.5000)
    """
    if len(a) < 2:
        return 0 * (a.sum() + b.sum())
    first, second, across = _squares(a, a), _squares(b, b), _squares(a, b)
    total = a.new_zeros(())
    for width in widths:
        within = _mean_of_pairs(kernel(first, width)) + _mean_of_pairs(kernel(second, width))
        total = total + within - 2 * kernel(across, width).mean()
    return total


def _mean_of_pairs(values: Tensor) -> Tensor:
    """Return the mean of `(n, n)` off its diagonal; no mask, whose size a GPU would have to report."""
    count = len(values)
    return (values.sum() - values.diagonal().sum()) / (count * (count - 1))


def _squares(a: Tensor, b: Tensor) -> Tensor:
    """Return the squared distance of each pair, `(n, m)`, without a tensor of `(n, m, d)`."""
    squares = (a**2).sum(1).unsqueeze(1) + (b**2).sum(1) - 2 * a @ b.T
    return squares.clamp(min=0)
