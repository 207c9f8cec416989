"""A mixture of distributions of one family: VampPrior, mixtures of Gaussians, kernel density estimates."""

from __future__ import annotations

__all__ = ["Mixture"]

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.distributions.base import Distribution, Factorised


@dataclass(frozen=True, eq=False)
class Mixture(Distribution):
    """p(z) = sum_k w_k p_k(z), batch `()`.

    Arguments:
        logits: Log-weights of the components, `(K,)`, up to a constant.
        components: The components, batch `(K,)`.

    Example:
        >>> from zoo.distributions import Normal
        >>> p = Mixture(torch.zeros(2), Normal(torch.tensor([[-3.0], [3.0]]), torch.ones(2, 1)))
        >>> p.sample((5,)).shape, p.log_prob(torch.zeros(7, 1)).shape
        (torch.Size([5, 1]), torch.Size([7]))
    """

    logits: Tensor
    components: Factorised

    reparameterised: ClassVar[bool] = False

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return ()

    @property
    def event_shape(self) -> tuple[int, ...]:
        return self.components.event_shape

    @property
    def mean(self) -> Tensor:
        mean: Tensor = torch.tensordot(self.logits.softmax(-1), self.components.mean, dims=1)
        return mean

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Draw samples; gradients reach the components, not the weights, through which no sample moves."""
        count = torch.Size(shape).numel()
        choice = torch.multinomial(self.logits.softmax(-1), count, replacement=True)
        every = self.components.select(choice).rsample()
        return every.reshape(*shape, *self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.logsumexp(F.log_softmax(self.logits, -1) + self.components.log_prob_of_each(value), -1)

    def tempered(self, temperature: float) -> Mixture | None:
        cooled = self.components.tempered(temperature)
        return Mixture(self.logits, cooled) if isinstance(cooled, Factorised) else None
