"""Factors of variation: the values that a drawn data set holds, checked and numbered the same on every machine."""

from __future__ import annotations

__all__ = ["Factor", "columns", "numbers"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.errors import ZooError, did_you_mean


@dataclass(frozen=True)
class Factor:
    """A factor of variation: `count` equally likely values, evenly spaced from `low` to `high`.

    Arguments:
        name: The name in `Split.y` and in `render`.
        low, high: The ends of the range, both included; `render` takes whatever lies between.
        count: The number of values that the data set holds.
        default: The value that `render` takes for a factor that is not given.
        discrete: Whether only whole numbers make sense, kept as `int64`; others are `float32`.
        meaning: The unit and the direction.
    """

    name: str
    low: float
    high: float
    count: int
    default: float
    discrete: bool
    meaning: str

    @property
    def values(self) -> Tensor:
        """The values `(count,)`, ascending."""
        return self.at(torch.arange(self.count))

    def at(self, index: Tensor) -> Tensor:
        """Return the values at whole-number places in the grid."""
        values = self.low + index.to(torch.float64) * ((self.high - self.low) / (self.count - 1))
        return values.to(torch.int64 if self.discrete else torch.float32)


def columns(
    name: str, factors: Sequence[Factor], given: Mapping[str, Tensor | float]
) -> dict[str, NDArray[np.float64]]:
    """Return the values of every factor for some images, `(N,)` each; those that are not given take their default.

    Arguments:
        name: The data set, for messages.
        factors: What it has.
        given: Values by name, each a number or a tensor `(N,)`.

    Raises:
        ZooError: If a name is unknown, a value lies outside its range or the lengths differ.
    """
    names = [factor.name for factor in factors]
    for key in given:
        if key not in names:
            raise ZooError(f"{name} have no factor '{key}'{did_you_mean(key, names)}")
    values = [_check(factor, given.get(factor.name, factor.default)) for factor in factors]
    lengths = {len(column) for column in values if column.ndim}
    if len(lengths) > 1:
        raise ZooError(f"factors must have the same length, got {', '.join(map(str, sorted(lengths)))}")
    shape = (max(lengths, default=1),) if 0 not in lengths else (0,)
    return {key: np.broadcast_to(column, shape) for key, column in zip(names, values, strict=True)}


def _check(factor: Factor, given: Tensor | float) -> NDArray[np.float64]:
    values: NDArray[np.float64] = torch.as_tensor(given, dtype=torch.float64, device="cpu").detach().numpy()
    if values.ndim > 1:
        raise ZooError(f"{factor.name} must be a number or have shape (N,), got {tuple(values.shape)}")
    if not ((values >= factor.low) & (values <= factor.high)).all():
        raise ZooError(f"{factor.name} must lie between {factor.low:g} and {factor.high:g}")
    if factor.discrete and (values != np.floor(values)).any():
        raise ZooError(f"{factor.name} must be a whole number")
    return values


def numbers(seed: int, place: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return numbers of the SplitMix64 sequence by their place in it: 64 random bits each, the same everywhere.

    References:
        Fast splittable pseudorandom number generators (Steele, Lea, Flood, 2014).
    """
    z = (place + np.uint64(seed << 32) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
