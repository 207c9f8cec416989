"""Layers that the backbones share."""

from __future__ import annotations

__all__ = ["LinearToMap", "ToVector", "activation", "dense_stack", "norm", "norm_and_activation"]

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "leaky-relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
}


def activation(name: str) -> nn.Module:
    """Return a new activation layer by the name that users type."""
    return _ACTIVATIONS[name]()


def norm(name: str, channels: int, *, spatial: bool) -> list[nn.Module]:
    """Return the normalisation layer of `channels`, as a list that is empty for `none`."""
    if name == "batch":
        return [nn.BatchNorm2d(channels) if spatial else nn.BatchNorm1d(channels)]
    # A lone value minus its mean is 0 whatever it was: features without pixels form one group, and one channel none.
    if name == "group" and channels > 1:
        groups = [g for g in range(1, 9) if spatial and channels % g == 0 and channels >= 4 * g]
        return [nn.GroupNorm(max(groups, default=1), channels)]
    return []


def norm_and_activation(norm_name: str, act: str, channels: int, *, spatial: bool) -> list[nn.Module]:
    """Return what follows a layer: its normalisation, unless that is `none`, and its activation."""
    normalisation = norm(norm_name, channels, spatial=spatial)
    follower = activation(act)
    if normalisation and isinstance(follower, nn.ReLU):
        # A normalisation keeps what came in and not what came out, so that this needs no memory of its own.
        follower.inplace = True
    return [*normalisation, follower]


def dense_stack(sizes: Iterable[int], act: str, norm_name: str = "none") -> list[nn.Module]:
    """Return linear layers between successive sizes, each followed by normalisation and activation."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        followers = norm_and_activation(norm_name, act, n_out, spatial=False)
        layers += [nn.Linear(n_in, n_out, bias=len(followers) == 1), *followers]
    return layers


@final
class LinearToMap(nn.Linear):
    """Features `(N, F)` as maps `(N, C, H, W)`, by a linear layer whose numbers come in the order of channels first.

    Where a batch has more rows than there are features, it is the weights that are put into the order in which
    convolutions are fastest, and not what comes out.

    Arguments:
        c_in: Features, `F`.
        shape: The shape of a map.
        bias: Whether a number is added to every value.
    """

    def __init__(self, c_in: int, shape: tuple[int, int, int], *, bias: bool) -> None:
        super().__init__(c_in, math.prod(shape), bias=bias)
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        c, h, w = self.shape
        if len(x) <= self.in_features:
            return _channels_last(super().forward(x).reshape(-1, c, h, w))
        weight, bias = (None if p is None else _channels_behind(p, c) for p in (self.weight, self.bias))
        return F.linear(x, weight, bias).reshape(-1, h, w, c).permute(0, 3, 1, 2)


@final
class ToVector(nn.Module):
    """Maps `(N, C, H, W)` as features `(N, C * H * W)`, whose gradient comes back in the layout of convolutions.

    Left as it is, it would meet the activation's own output in another layout, where torch goes number by number.
    """

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = _Flat.apply(x)
        return features


class _Flat(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.flatten(1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.shape = inputs[0].shape

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _channels_last(grad.reshape(ctx.shape))


def _channels_behind(values: Tensor, channels: int) -> Tensor:
    """Return values `(C * H * W, ...)` in the order `(H * W * C, ...)`."""
    return values.reshape(channels, -1, *values.shape[1:]).transpose(0, 1).reshape(values.shape)


def _channels_last(x: Tensor) -> Tensor:
    """Return maps in the layout of convolutions; by permutation, because `vmap` knows no other way."""
    return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
