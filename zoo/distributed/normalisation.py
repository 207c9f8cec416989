"""Batch normalisation by the mean and the variance of all processes' rows, on any device."""

from __future__ import annotations

__all__ = ["shared_batch_norm"]

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zoo.distributed.world import World


def shared_batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
    world: World,
    *,
    idle: bool = False,
) -> Tensor:
    """Normalise `x (N, C, ...)` as `torch.nn.functional.batch_norm` does in training, over the rows of all processes.

    Torch has this for CUDA tensors alone. Processes may have any number of rows; running means move as those of one
    process that has all rows.

    Arguments:
        x: This process's rows.
        running_mean, running_var: Moved in place, if given, each `(C,)`.
        weight, bias: Of the normalised values, each `(C,)`.
        momentum: How far running means move.
        eps: Added to the variance.
        world: The processes.
        idle: Whether the rows are not this process's own, and count nothing.

    References:
        Batch Normalization (Ioffe & Szegedy, 2015), arXiv:1502.03167.
        Updating Formulae and a Pairwise Algorithm for Computing Sample Variances (Chan, Golub & LeVeque, 1979).
    """
    scale = x.new_ones(x.shape[1]) if weight is None else weight
    shift = torch.zeros_like(scale) if bias is None else bias
    y, mean, variance, count = _BatchNorm.apply(x, scale, shift, eps, world, idle)
    with torch.no_grad():
        if running_mean is not None:
            running_mean.lerp_(mean.to(running_mean), momentum)
        if running_var is not None:
            unbiased = variance * (count / (count - 1).clamp(min=1))
            running_var.lerp_(unbiased.to(running_var), momentum)
    normalised: Tensor = y
    return normalised


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, world: World, idle: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, variance, count = _pool(x, world, idle)
        ctx.save_for_backward(x, weight, mean, variance, count)
        ctx.eps, ctx.world, ctx.idle = eps, world, idle
        ctx.mark_non_differentiable(mean, variance, count)
        return _transform(x, weight, bias, mean, variance, eps), mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *others: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance, count = ctx.saved_tensors
        _, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, mean, variance, None, None, False, ctx.eps, [False, True, True]
        )
        sums = torch.stack([by_weight, by_bias])
        # An idle process's rows moved neither mean nor variance, and no loss of its own weighs anything.
        sums = torch.zeros_like(sums) if ctx.idle else sums
        slope = weight * torch.rsqrt(variance + ctx.eps)
        through = ctx.world.gather(sums.unsqueeze(0), 1).sum(0) * (-slope / count)
        through = torch.zeros_like(through) if ctx.idle else through
        by_x = _transform(x, through[0], through[1], mean, variance, ctx.eps)
        by_x.addcmul_(grad, slope.view(-1, *[1] * (x.ndim - 2)))
        return by_x, by_weight, by_bias, None, None, None


def _pool(x: Tensor, world: World, idle: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean and the biased variance of each channel over all rows, `(C,)`, and their number, `()`."""
    # Torch's own first half of a batch normalisation, many times as fast on a CPU as `var_mean`.
    mean, variance = torch.batch_norm_update_stats(x, None, None, 0.0)
    count = mean.new_full((1,), 0.0 if idle else x.numel() / x.shape[1])
    everyone = world.gather(torch.cat([mean, variance, count]).unsqueeze(0), 1)
    means, variances, counts = everyone.split_with_sizes([len(mean), len(mean), 1], 1)
    total = counts.sum()
    share = counts / total
    pooled = (share * means).sum(0)
    distance = means - pooled
    return pooled, (share * torch.addcmul(variances, distance, distance)).sum(0), total


def _transform(x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
    """Return weight (x - mean) / sqrt(variance + eps) + bias, by torch's kernel, which keeps the memory layout."""
    y: Tensor = torch.native_batch_norm(x, weight, bias, mean, variance, False, 0.0, eps)[0]
    return y
