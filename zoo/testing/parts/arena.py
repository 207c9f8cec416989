"""A linear Gaussian autoencoder, of which log p(x) and the exact posterior are known: where losses are tried."""

from __future__ import annotations

__all__ = ["Arena", "arena_with"]

from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor, nn

from zoo.assembly import compose
from zoo.distributions import Distribution, Normal
from zoo.interfaces import Batch, LatentModel, Likelihood, Loss, Network, Part, Posterior, Prior, Site
from zoo.options import Options
from zoo.registry import Registry

SHAPE = (1, 4, 5)
_LATENTS, _NOISE = 4, 0.7


@final
class _Flat(Network):
    """The image as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.out_shape = (20,)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


@final
class _Linear(Network):
    """One matrix `(D, d)` of orthogonal columns, so that the exact posterior has independent units."""

    def __init__(self) -> None:
        super().__init__()
        self.out_shape = SHAPE
        start = torch.linalg.qr(torch.randn(20, _LATENTS, dtype=torch.float64)).Q
        self.weight = nn.Parameter(start * torch.linspace(1.5, 0.5, _LATENTS, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.weight.T).reshape(-1, *SHAPE)


@final
class _Head(Posterior):
    """q(z|x) = N(W'x / noise^2 / precision, widen^2 / precision); exact where it is not widened."""

    def __init__(self, decoder: _Linear, widen: float) -> None:
        super().__init__()
        self.latent_shape = (_LATENTS,)
        weight = decoder.weight.detach()
        precision = 1 + weight.square().sum(0) / _NOISE**2
        self.matrix = nn.Parameter(weight / _NOISE**2 / precision)
        self.logvar = nn.Parameter(2 * torch.log(widen * precision**-0.5))

    def forward(self, features: Tensor) -> Distribution:
        loc = features @ self.matrix
        return Normal(loc, torch.exp(0.5 * self.logvar).expand_as(loc))


@final
class _Noise(Likelihood):
    """Normal pixels of one noise."""

    values_per_pixel = 1

    def forward(self, values: Tensor) -> Distribution:
        return Normal(values, torch.tensor(_NOISE, dtype=values.dtype), event_ndim=3)


@final
class _Standard(Prior):
    """Standard normal codes."""

    def forward(self, c: Tensor | None = None) -> Distribution:
        zeros = torch.zeros(_LATENTS, dtype=torch.float64)
        return Normal(zeros, torch.ones_like(zeros))


@dataclass(frozen=True, eq=False)
class Arena:
    """The autoencoder with a loss.

    Arguments:
        model: The model, which is what the loss is handed.
        loss: The loss.
        decoder: Its matrix says what the images are.
    """

    model: LatentModel
    loss: Loss
    decoder: _Linear

    def batch(self, count: int) -> Batch:
        """Return images drawn from the model itself."""
        z = torch.randn(count, _LATENTS, dtype=torch.float64)
        with torch.no_grad():
            x = self.decoder(z)
        return Batch(x + _NOISE * torch.randn_like(x), {"label": torch.arange(count) % 10}, torch.arange(count))

    def log_marginal(self, x: Tensor) -> Tensor:
        """Return log p(x), `(B,)`, exactly."""
        weight = self.decoder.weight.detach()
        covariance = weight @ weight.T + _NOISE**2 * torch.eye(len(weight), dtype=weight.dtype)
        law = torch.distributions.MultivariateNormal(torch.zeros(len(weight)).to(weight), covariance)
        found: Tensor = law.log_prob(x.flatten(1))  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return found


def arena_with(registry: Registry, loss: type[Loss], options: Options, widen: float = 1.0) -> Arena:
    """Build the autoencoder with a loss, in double precision and training mode.

    Arguments:
        registry: Where the composition is found.
        loss: The loss, built as `loss(options, site)`.
        options: Its options.
        widen: By how much the posterior is wider than the exact one.

    Raises:
        ZooError: If the loss asks for other parts.
    """
    decoder = _Linear()
    parts: dict[str, Part] = {
        "encoder": _Flat(),
        "posterior": _Head(decoder, widen),
        "prior": _Standard(),
        "likelihood": _Noise(),
        "decoder": decoder,
    }
    site = Site(SHAPE, 10_000, parts, {"label": (1000,) * 10})
    parts["loss"] = loss(options, site)
    model = compose(registry, "autoencoder", parts, replace(site, parts={})).double()
    assert isinstance(model, LatentModel), "the autoencoder is one"
    return Arena(model, parts["loss"], decoder)  # type: ignore[arg-type]  # the loss that was just built
