"""The law of a transformed sample: its density comes along with the draw."""

from __future__ import annotations

__all__ = ["Pushforward"]

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from zoo import ZooError
from zoo.distributions import Distribution, Normal


@dataclass(frozen=True, eq=False)
class Pushforward(Distribution):
    """The law of f(z0) for z0 of a normal: log q(z) = log q0(z0) - log |det df/dz0|.

    Arguments:
        base: The law of z0, batch `(B,)`, event `(d,)`.
        forward: The flow f: `(*S, B, d)` to the same shape and its log-determinants `(*S, B)`.
        inverse: The flow back, with the log-determinants of f; nothing where it has no formula.
        name: What users call the posterior, for messages.

    Example:
        >>> import torch
        >>> base = Normal(torch.zeros(1, 2), torch.ones(1, 2))
        >>> q = Pushforward(base, lambda z: (2 * z, z.new_full(z.shape[:-1], 2 * 0.6931)))
        >>> z, log_q = q.draw((5,))
        >>> z.shape, log_q.shape
        (torch.Size([5, 1, 2]), torch.Size([5, 1]))
    """

    base: Normal
    forward: Callable[[Tensor], tuple[Tensor, Tensor]]
    inverse: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None
    name: str = "flow"

    exact_mean: ClassVar[bool] = False

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return self.base.batch_shape

    @property
    def event_shape(self) -> tuple[int, ...]:
        return self.base.event_shape

    @property
    def mean(self) -> Tensor:
        """The flow of the base's mean; the mean of the flow itself has no formula."""
        return self.forward(self.base.mean)[0]

    def draw(self, shape: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
        start = self.base.rsample(shape)
        z, log_det = self.forward(start)
        return z, self.base.log_prob(start) - log_det

    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        return self.draw(shape)[0]

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density in nats, `(*shape, *batch)`, by the flow's inverse.

        Raises:
            ZooError: If the flow has none: it knows the density of its own samples only, as `draw` returns it.
        """
        if self.inverse is None:
            raise ZooError(
                f"a {self.name} posterior knows the density of its own samples only, and this asks for that of other "
                f"codes; choose a --loss that takes it with the draw, such as elbo, or --posterior iaf or normal"
            )
        start, log_det = self.inverse(value)
        return self.base.log_prob(start) - log_det
