"""Flows fitted to codes by gradients, with an early stop: masked autoregressive, affine or by splines."""

from __future__ import annotations

__all__ = ["FittedAffineFlow", "FittedSplineFlow"]

import math
from typing import Any, final

import torch
import zuko
from torch import Tensor, nn

from zoo import FittedPrior, Posterior, Site, ZooError
from zoo.distributions import Distribution
from zoo_priors.codes import flat_codes, spread
from zoo_priors.flow import FlowDistribution
from zoo_priors.options import FlowFitOptions, SplineFitOptions

_CHECK_EVERY = 100
_LARGEST_GRADIENT = 5.0


class _FittedFlow(FittedPrior):
    """A flow over standardised codes, and how it is trained.

    A tenth of the codes is held out; every hundredth step looks at their likelihood. The best weights are kept.
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, options: FlowFitOptions, site: Site, flow: Any) -> None:
        super().__init__()
        head = site.part("posterior", Posterior)
        self.latent_shape = head.latent_shape
        self.options = options
        self.register_buffer("loc", torch.zeros(head.latent_size))
        self.register_buffer("scale", torch.ones(head.latent_size))
        self.flow = flow.transform

    def forward(self, c: Tensor | None = None) -> Distribution:
        return FlowDistribution(self.flow(), self.loc, self.scale, self.latent_shape)

    @torch.enable_grad()
    def fit(self, codes: Tensor) -> None:
        z = flat_codes(codes)
        self.loc.copy_(z.mean(0))
        self.scale.copy_(spread(z))
        codes = codes.detach()[torch.randperm(len(z))]
        held = max(1, len(codes) // 10)
        self._maximise(codes[held:], codes[:held])

    def _maximise(self, codes: Tensor, held: Tensor) -> None:
        optimiser = torch.optim.Adam(self.parameters(), self.options.lr)
        best, waited, kept = -math.inf, 0, self._copy()
        for step in range(self.options.steps + 1):
            if step % _CHECK_EVERY == 0 or step == self.options.steps:
                found = self._likelihood(held)
                waited = 0 if found > best else waited + 1
                if found > best:
                    best, kept = found, self._copy()
                if waited >= self.options.patience or step == self.options.steps:
                    break
            self._step(optimiser, codes[torch.randint(len(codes), (self.options.batch_size,))])
        if not math.isfinite(best):
            raise ZooError("the flow never gave held-out codes a finite likelihood; take a lower --lr")
        self.load_state_dict(kept)

    def _step(self, optimiser: torch.optim.Optimizer, batch: Tensor) -> None:
        optimiser.zero_grad()
        loss = -self().log_prob(batch).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters(), _LARGEST_GRADIENT)
        optimiser.step()

    @torch.no_grad()
    def _likelihood(self, codes: Tensor) -> float:
        return float(self().log_prob(codes).mean())

    def _copy(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.state_dict().items()}


@final
class FittedAffineFlow(_FittedFlow):
    """A masked autoregressive flow: each unit is scaled and shifted by what those before it say.

    The layers are those of zuko, in turn from the first unit on and from the last.

    References:
        Masked Autoregressive Flow for Density Estimation (Papamakarios, Pavlakou & Murray, 2017), arXiv:1705.07057.
    """

    def __init__(self, options: FlowFitOptions, site: Site) -> None:
        size = site.part("posterior", Posterior).latent_size
        flow = zuko.flows.MAF(size, transforms=options.transforms, hidden_features=options.hidden)
        super().__init__(options, site, flow)


@final
class FittedSplineFlow(_FittedFlow):
    """A neural spline flow: each unit passes through a monotonic rational spline that those before it shape.

    The layers are those of zuko; the splines lie between -5 and 5 standard deviations, and leave what is beyond alone.

    References:
        Neural Spline Flows (Durkan et al., 2019), arXiv:1906.04032.
    """

    def __init__(self, options: SplineFitOptions, site: Site) -> None:
        size = site.part("posterior", Posterior).latent_size
        flow = zuko.flows.NSF(size, transforms=options.transforms, bins=options.bins, hidden_features=options.hidden)
        super().__init__(options, site, flow)
