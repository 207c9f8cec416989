"""What the zoo asks of a distribution: the torch protocol, and a closed-form KL where there is one."""

from __future__ import annotations

__all__ = [
    "Distribution",
    "Factorised",
    "Support",
    "fits",
    "kl",
    "kl_per_group",
    "kl_per_unit",
    "normalised",
    "sum_event",
]

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields, replace
from typing import ClassVar, Literal, Self, TypeAlias

from torch import Tensor

Support: TypeAlias = Literal["real", "positive", "unit-interval", "binary", "codes", "sphere"]

_WITHIN: dict[Support, tuple[Support, ...]] = {
    "real": ("real",),
    "positive": ("positive", "real"),
    "unit-interval": ("unit-interval", "positive", "real"),
    "binary": ("binary",),
    "codes": ("codes",),
    # A density by area is none by volume: a sphere fits nothing that surrounds it.
    "sphere": ("sphere",),
}


class Distribution(ABC):
    """A distribution over events of some shape, with a batch shape before it.

    Follows `torch.distributions`: `rsample(shape)` draws `(*shape, *batch, *event)` and carries gradients,
    `log_prob` sums over the event. Arguments are never validated, as this is the hot path.

    Attributes:
        support: Where the density is positive; decides whether a posterior fits a prior.
        has_density: Whether a KL can be finite; a Delta's cannot.
        normalised: Whether `exp(log_prob)` integrates to one.
        exact_mean: Whether `mean` is the expectation, and not only a value in the midst of the distribution.
        reparameterised: Whether gradients through a sample are in the mean those of what is computed from it.
    """

    support: ClassVar[Support] = "real"
    has_density: ClassVar[bool] = True
    normalised: ClassVar[bool] = True
    exact_mean: ClassVar[bool] = True
    reparameterised: ClassVar[bool] = True

    @property
    @abstractmethod
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of independent events."""

    @property
    @abstractmethod
    def event_shape(self) -> tuple[int, ...]:
        """The shape of one event."""

    @property
    @abstractmethod
    def mean(self) -> Tensor:
        """The mean, `(*batch, *event)`."""

    @abstractmethod
    def rsample(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Draw reparameterised samples `(*shape, *batch, *event)` from torch's default generator."""

    @abstractmethod
    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density in nats, summed over the event: `(*shape, *batch)`."""

    def draw(self, shape: tuple[int, ...] = ()) -> tuple[Tensor, Tensor | None]:
        """Draw reparameterised samples, and their log-density `(*shape, *batch)` where only drawing them tells it.

        It is nothing where `log_prob` gives it for any value. A flow computes the density of a sample on its way.
        """
        return self.rsample(shape), None

    def detached(self) -> Distribution | None:
        """Return the same distribution without gradients to its parameters, or nothing where they cannot be cut."""
        return None

    def sample(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Draw samples without gradients."""
        return self.rsample(shape).detach()

    def rsample_balanced(self) -> Tensor | None:
        """Draw two samples of each event, `(2, *batch, *event)`, that balance over the batch, or nothing.

        The two lie opposite each other about the mean, and over a batch of at least as many events as units the noise
        of the units is orthogonal: its first three moments are exactly those of the distribution, higher ones nearly,
        so that what is linear or quadratic in the noise is computed without any.
        """
        return None

    @property
    def point(self) -> Tensor:
        """The value that stands for the distribution: its mean."""
        return self.mean

    @property
    def extras(self) -> dict[str, Tensor]:
        """Terms from inside a part, each `()`, to be logged: nats per image, or numbers such as a perplexity."""
        return {}

    @property
    def penalty(self) -> Tensor | None:
        """What a part asks every loss to add for it, `()` in nats per image, such as a commitment to a codebook."""
        return None

    def kl_to(self, other: Distribution) -> Tensor | None:
        """Return KL(self || other) per unit `(*batch, *event)` where a closed form is known, else nothing."""
        return None

    def kl_from(self, other: Distribution) -> Tensor | None:
        """Return KL(other || self) where this class knows a closed form that `other` does not, else nothing.

        A prior that is newer than the posteriors it meets implements this.
        """
        return None

    def kl_by_group(self, other: Distribution, z: Tensor) -> Tensor | None:
        """Return KL(self || other) of groups of units, `(*batch, groups)`, where it is known by group, else nothing.

        A sphere is one group. In a hierarchy a group's KL is that of its conditionals, given the other groups of a
        sample z of this distribution; its mean over samples is then the whole KL.
        """
        return None

    def with_variance(self, variance: Tensor | float) -> Distribution | None:
        """Return the normalised distribution that this one stands for at an error variance, if any.

        `mse` with a weight beta on the rate is the Gaussian of variance beta / 2. A normalised distribution
        stands for itself, whatever the weight.
        """
        return self if self.normalised else None

    def tempered(self, temperature: float) -> Distribution | None:
        """Return the distribution with its spread multiplied, or nothing where that has no meaning."""
        return None


class Factorised(Distribution):
    """A distribution whose units are independent, so that every term is a sum over units."""

    @abstractmethod
    def log_prob_per_unit(self, value: Tensor) -> Tensor:
        """Return the log-density of each unit, `(*shape, *batch, *event)`; `value` may broadcast."""

    @property
    @abstractmethod
    def event_ndim(self) -> int:
        """How many trailing dimensions are one event."""

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Return the distribution with each parameter changed; families are dataclasses of tensors."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}  # type: ignore[arg-type]  # dataclass
        changed = {name: change(value) for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **changed)  # type: ignore[type-var]

    def unsqueeze(self) -> Self:
        """Return the distribution with a batch dimension of size one before all others."""
        return self.map(lambda parameter: parameter.unsqueeze(0))

    def select(self, index: Tensor) -> Self:
        """Return the events of a distribution of batch `(K,)` at indices `(N,)`: batch `(N,)`."""
        return self.map(lambda parameter: parameter.expand(self.mean.shape)[index])

    def detached(self) -> Self:
        return self.map(Tensor.detach)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return tuple(self.mean.shape[: self.mean.ndim - self.event_ndim])

    @property
    def event_shape(self) -> tuple[int, ...]:
        return tuple(self.mean.shape[self.mean.ndim - self.event_ndim :])

    def log_prob(self, value: Tensor) -> Tensor:
        return sum_event(self.log_prob_per_unit(value), self.event_ndim)

    def log_prob_of_each(self, value: Tensor) -> Tensor:
        """Return the log-density of values `(*shape, *event)` under each event of a batch `(K,)`: `(*shape, K)`."""
        return self.log_prob(value.unsqueeze(value.ndim - self.event_ndim))


def sum_event(value: Tensor, event_ndim: int) -> Tensor:
    """Sum over the last `event_ndim` dimensions, `(*batch, *event) -> (*batch)`."""
    return value.flatten(-event_ndim).sum(-1) if event_ndim else value


def normalised(p: Distribution, beta: Tensor | float | None) -> Distribution | None:
    """Return the normalised distribution that a likelihood stands for where the rate is weighted by beta, if any.

    `mse` with a beta above 0 stands for the Gaussian of variance beta / 2, a normalised likelihood for itself.
    """
    if p.normalised:
        return p
    return p.with_variance(beta / 2) if beta is not None and float(beta) > 0 else None


def fits(q: Distribution, p: Distribution) -> bool:
    """Whether q is nowhere positive where p is zero, so that KL(q || p) can be finite."""
    return p.support in _WITHIN[q.support]


def kl_per_unit(q: Distribution, p: Distribution, z: Tensor) -> Tensor | None:
    """Return KL(q || p) per unit `(*batch, *event)`, or nothing where it does not split into units.

    Arguments:
        q: A posterior, batch `(B,)`.
        p: A prior over the same events.
        z: A sample of q, for the Monte-Carlo estimate log q(z) - log p(z) where no closed form is known.
    """
    closed = _closed_form(q, p)
    if closed is not None:
        return closed
    if isinstance(q, Factorised) and isinstance(p, Factorised):
        return q.log_prob_per_unit(z) - p.log_prob_per_unit(z)
    return None


def kl(q: Distribution, p: Distribution, z: Tensor, log_q: Tensor | None = None) -> Tensor:
    """Return KL(q || p) in nats, `(*batch)`: in closed form where one is known, else log q(z) - log p(z).

    Arguments:
        q: A posterior, batch `(B,)`.
        p: A prior over the same events.
        z: A sample of q.
        log_q: Its log-density, where only drawing it told it (see `Distribution.draw`).

    For a posterior without a density (a Delta) it is the energy -log p(z), the part of the KL that depends on z.

    Example:
        >>> import torch
        >>> from zoo.distributions import Normal
        >>> q, p = Normal(torch.ones(1, 3), torch.ones(1, 3)), Normal(torch.zeros(3), torch.ones(3))
        >>> kl(q, p, q.rsample())
        tensor([1.5000])
    """
    return kl_per_group(q, p, z, log_q).sum(-1)


def kl_per_group(q: Distribution, p: Distribution, z: Tensor, log_q: Tensor | None = None) -> Tensor:
    """Return KL(q || p) of each group of units, `(*batch, groups)`: one group, unless q has more; arguments as `kl`."""
    groups = q.kl_by_group(p, z)
    if groups is not None:
        return groups
    if log_q is not None:
        return (log_q - p.log_prob(z)).unsqueeze(-1)
    units = kl_per_unit(q, p, z)
    whole = q.log_prob(z) - p.log_prob(z) if units is None else sum_event(units, len(q.event_shape))
    return whole.unsqueeze(-1)


def _closed_form(q: Distribution, p: Distribution) -> Tensor | None:
    found = q.kl_to(p)
    return found if found is not None else p.kl_from(q)


LOG_TWO_PI = math.log(2 * math.pi)
