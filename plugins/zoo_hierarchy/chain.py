"""Groups of latents, each normal given the group before it, as one distribution over one code."""

from __future__ import annotations

__all__ = ["Chain", "Link", "merge"]

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import torch
from torch import Tensor
from torch.func import functional_call

from zoo.distributions import Distribution, Normal, sum_event
from zoo_hierarchy.networks import GaussianNet

T = TypeVar("T")


def merge(a: Normal, b: Normal) -> Normal:
    """Return the product of two normals, itself normal: means weighted by precision, precisions added.

    Example:
        >>> both = merge(Normal(torch.zeros(1), torch.ones(1)), Normal(torch.ones(1), torch.ones(1)))
        >>> both.loc, both.scale**2
        (tensor([0.5000]), tensor([0.5000]))
    """
    of_a, of_b = a.scale**-2, b.scale**-2
    variance = 1 / (of_a + of_b)
    return Normal(variance * (of_a * a.loc + of_b * b.loc), variance.sqrt())


@dataclass(frozen=True, eq=False)
class Link:
    """A group given the group before it: a net's normal, merged with what else is known of the group.

    Arguments:
        net: The group before it, `(*S, n)`, to a normal over this one, `(*S, m)`.
        evidence: Another normal over this group, batch `(B,)`, such as what an image says of it.
        temperature: Multiplies the spread.
        frozen: Whether gradients stop at the net's weights; they always reach its input.
    """

    net: GaussianNet
    evidence: Normal | None = None
    temperature: float = 1.0
    frozen: bool = False

    def given(self, z: Tensor) -> Normal:
        """Return the normal over this group."""
        weights = {name: value.detach() for name, value in self.net.named_parameters()} if self.frozen else {}
        found: Normal = functional_call(self.net, weights, (z,)) if self.frozen else self.net(z)
        merged = found if self.evidence is None else merge(self.evidence, found)
        return merged if self.temperature == 1.0 else merged.tempered(self.temperature)

    def detached(self) -> Link:
        """Return the same without gradients to its parameters."""
        evidence = None if self.evidence is None else self.evidence.detached()
        return replace(self, evidence=evidence, frozen=True)


@dataclass(frozen=True, eq=False)
class Chain(Distribution):
    """Groups of units, one code: z = [z_1, ..., z_L], with z_1 nearest to the image.

    Downwards it is N(z_L) N(z_{L-1} | z_L) ... N(z_1 | z_2), and upwards N(z_1) N(z_2 | z_1) ... N(z_L | z_{L-1}).

    Arguments:
        first: The group that is drawn first, batch `(*batch)`.
        others: Each following group given the one before it, in the order in which they are drawn.
        downwards: Whether the first is the last group of the code, z_L, and not z_1.
    """

    first: Normal
    others: tuple[Link, ...]
    downwards: bool

    exact_mean: ClassVar[bool] = False

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self.first.batch_shape

    @property
    def event_shape(self) -> tuple[int, ...]:
        return (sum(self.sizes),)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of units in each group, z_1 first."""
        drawn = [self.first.loc.shape[-1], *(other.net.size for other in self.others)]
        return tuple(self._in_order(drawn))

    @property
    def mean(self) -> Tensor:
        """The mean of the first group, and of each other given the mean before it; exact for linear nets."""
        groups = [self.first.mean]
        for other in self.others:
            groups.append(other.given(groups[-1]).mean)
        return self._code(groups)

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        groups = [self.first.rsample(shape)]
        for other in self.others:
            groups.append(other.given(groups[-1]).rsample())
        return self._code(groups)

    def log_prob(self, value: Tensor) -> Tensor:
        parts = zip(self.conditionals(value), self.split(value), strict=True)
        return torch.stack([normal.log_prob(group) for normal, group in parts]).sum(0)

    def split(self, z: Tensor) -> list[Tensor]:
        """Return the groups of codes `(*S, d)`, z_1 first."""
        return list(torch.split(z, list(self.sizes), dim=-1))

    def conditionals(self, z: Tensor) -> list[Normal]:
        """Return the normal over each group given those of codes `(*S, d)` drawn before it, z_1 first."""
        drawn = self._in_order(self.split(z))
        found = [self.first, *(other.given(before) for other, before in zip(self.others, drawn, strict=False))]
        return self._in_order(found)

    def kl_by_group(self, other: Distribution, z: Tensor) -> Tensor | None:
        """Return KL(self || other) of each group, `(*batch, L)`, against a downward chain of the same groups.

        It is in closed form, given the groups of the sample z, where no group is involved that is drawn later: for
        each group of a downward chain, and for the top of an upward one. Elsewhere it is log q - log p at z.
        """
        if not isinstance(other, Chain) or not other.downwards or other.sizes != self.sizes:
            return None
        q, p, groups = self.conditionals(z), other.conditionals(z), self.split(z)
        rates = [
            _closed(a, b) if self.downwards or b is p[-1] else a.log_prob(group) - b.log_prob(group)
            for a, b, group in zip(q, p, groups, strict=True)
        ]
        return torch.stack(torch.broadcast_tensors(*rates), dim=-1)  # type: ignore[no-untyped-call]  # torch's

    def detached(self) -> Chain:
        return Chain(self.first.detached(), tuple(other.detached() for other in self.others), self.downwards)

    def tempered(self, temperature: float) -> Chain:
        others = tuple(replace(other, temperature=temperature * other.temperature) for other in self.others)
        return Chain(self.first.tempered(temperature), others, self.downwards)

    def _in_order(self, groups: Sequence[T]) -> list[T]:
        """Turn the order of drawing into that of the code, or back."""
        return list(groups)[::-1] if self.downwards else list(groups)

    def _code(self, drawn: Sequence[Tensor]) -> Tensor:
        return torch.cat(self._in_order(drawn), dim=-1)


def _closed(q: Normal, p: Normal) -> Tensor:
    units = q.kl_to(p)
    assert units is not None
    return sum_event(units, 1)
