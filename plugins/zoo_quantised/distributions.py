"""Distributions over sequences of codes: a point among K^n, and the uniform one."""

from __future__ import annotations

__all__ = ["Quantised", "UniformCodes"]

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from zoo.distributions import Distribution, Support


@dataclass(frozen=True, eq=False)
class Quantised(Distribution):
    """All mass at one map of codes for each image: a point among the K^n of a codebook.

    Codes are counted, not measured: `log_prob` is the logarithm of a probability, 0 at the point, and the KL to
    another distribution over the same codes is finite. `rsample` gives the codes, and hands their gradient through.

    Arguments:
        values: The vectors of the chosen codes, `(B, D, h, w)`; their gradient is that of what was quantised.
        indices: Which codes they are, `(B, h, w)`.
        codes: How many there are, K.
        penalties: What the codebook asks a loss to add, each `()`, in nats per image.
    """

    values: Tensor
    indices: Tensor
    codes: int
    penalties: Mapping[str, Tensor] = field(default_factory=dict)

    support: ClassVar[Support] = "codes"
    reparameterised: ClassVar[bool] = False

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape[:1])

    @property
    def event_shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape[1:])

    @property
    def mean(self) -> Tensor:
        return self.values

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return self.values.expand(*shape, *self.values.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        here = (value == self.values).flatten(-3).all(-1)
        return torch.zeros_like(here, dtype=self.values.dtype).masked_fill(~here, -torch.inf)

    def detached(self) -> Quantised:
        return replace(self, values=self.values.detach())

    @property
    def extras(self) -> dict[str, Tensor]:
        """The share of codes that the batch uses, exp of the entropy of their frequencies, and each penalty."""
        # Added up in place: to count bins, torch looks for the largest, for which a GPU would be waited for.
        chosen = self.indices.flatten()
        ones = torch.ones_like(chosen, dtype=torch.get_default_dtype())
        frequency = ones.new_zeros(self.codes).scatter_add(0, chosen, ones) / chosen.numel()
        used = (frequency > 0).float().mean()
        return {"usage": used, "perplexity": torch.special.entr(frequency).sum().exp(), **self.penalties}

    @property
    def penalty(self) -> Tensor | None:
        return sum(self.penalties.values(), torch.zeros_like(self.values[0, 0, 0, 0])) if self.penalties else None


@dataclass(frozen=True, eq=False)
class UniformCodes(Distribution):
    """Maps of codes drawn independently and uniformly: batch `()`, event `(D, h, w)`.

    `log_prob` is -n log K for n = h * w places, whatever codes it is asked about: it does not look for them.

    Arguments:
        codebook: The codes, `(K, D)`.
        plane: Height and width of a map.
    """

    codebook: Tensor
    plane: tuple[int, int]

    support: ClassVar[Support] = "codes"
    reparameterised: ClassVar[bool] = False

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return ()

    @property
    def event_shape(self) -> tuple[int, ...]:
        return (self.codebook.shape[1], *self.plane)

    @property
    def mean(self) -> Tensor:
        return self.codebook.mean(0)[:, None, None].expand(self.event_shape)

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        indices = torch.randint(len(self.codebook), (*shape, *self.plane), device=self.codebook.device)
        return self.codebook[indices].movedim(-1, -3)

    def log_prob(self, value: Tensor) -> Tensor:
        nats = math.prod(self.plane) * math.log(len(self.codebook))
        return value.new_full(value.shape[:-3], -nats)
