"""Layers that the backbones share."""

from __future__ import annotations

__all__ = ["activation", "dense_stack", "norm"]

from collections.abc import Iterable
from itertools import pairwise

from torch import nn

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
    if name == "group":
        groups = max(g for g in range(1, min(8, channels) + 1) if channels % g == 0)
        return [nn.GroupNorm(groups, channels)]
    return []


def dense_stack(sizes: Iterable[int], act: str, norm_name: str = "none") -> list[nn.Module]:
    """Return linear layers between successive sizes, each followed by normalisation and activation."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers.append(nn.Linear(n_in, n_out, bias=norm_name == "none"))
        layers += [*norm(norm_name, n_out, spatial=False), activation(act)]
    return layers
