"""Annealed importance sampling of log p(x), with the bidirectional check on simulated images."""

from __future__ import annotations

__all__ = ["AnnealedBound"]

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor

from zoo import LatentModel, Measure, Metric, Subject, given
from zoo.distributions import Distribution
from zoo_likelihood.annealing import Ladder, anneal, anneal_back, sigmoidal, tuned_steps
from zoo_likelihood.densities import NoBound, density_of, log_likelihood, rate_weight
from zoo_likelihood.hmc import Joint
from zoo_likelihood.options import AnnealedBoundOptions
from zoo_likelihood.weights import Bound, Weights

PIXELS = 2**19
"""Pixels that are decoded at once: a part of what the number is, as it fixes who gets which noise."""

TUNING = 2
"""Chains of each image that find its step sizes."""

WIDE = 0.5
"""Nats between the bounds on simulated images that are warned of."""


@dataclass(frozen=True)
class _Images:
    """Images that chains are run for.

    Arguments:
        x: The images `(B, C, H, W)`.
        y: Their labels.
        prior: p(z) under these.
    """

    x: Tensor
    y: Mapping[str, Tensor]
    prior: Distribution

    def starts(self, chains: int) -> Tensor:
        """Draw codes of the prior, `(chains, B, *latent)`."""
        return self.prior.sample((chains, len(self.x)))


@final
class AnnealedBound(Metric):
    """log p(x) by annealed importance sampling, averaged over images, in nats per image: a lower bound in expectation.

    For each image, chains start at draws of the prior and pass through p(z) p(x|z)^b, b rising from 0 to 1 along a
    sigmoid, by a trajectory of Hamiltonian Monte Carlo at each b. The log of the mean of their weights is the value. It
    asks nothing of the encoder, so that it is the check on `iwae-bound`, whose codes it gives. An `mse` with a beta
    counts as the Gaussian of variance beta / 2.

    Step sizes are found for an acceptance of 0.65 by chains of their own, and then kept: a chain that chose its steps
    by its own past, as in Wu et al., would have weights whose mean is not exactly p(x).

    `gap` is the bidirectional check. On images drawn from the model itself, whose code is an exact posterior sample,
    the same chains run backwards give an upper bound. Its mean distance from the lower bound is at least the mean error
    of either there, and says as much of the test images as these are like the model's own. There is a warning where it
    is above 0.5 nats.

    References:
        On the Quantitative Analysis of Decoder-Based Generative Models (Wu et al., 2016), arXiv:1611.04273.
        Sandwiching the marginal likelihood using bidirectional Monte Carlo (Grosse, Ghahramani & Adams, 2015),
        arXiv:1511.02543.
    """

    def __init__(self, options: AnnealedBoundOptions, subject: Subject) -> None:
        self.options = options
        self.subject = subject
        self.model = cast(LatentModel, subject.model)
        self.beta = rate_weight(self.model, subject.step)
        self.ladder = Ladder(sigmoidal(options.temperatures), options.leaps)

    def compute(self) -> Measure:
        try:
            bounds = [self._below(images) for images in self._tested()]
            gaps = [self._gap(images, z) for images, z in self._simulated()]
        except NoBound as reason:
            return Measure(None, str(reason))
        values = torch.cat([bound.value for bound in bounds]).cpu()
        counts = torch.cat([bound.effective_samples for bound in bounds])
        details: dict[str, float] = {
            "images": len(values),
            "chains": self.options.chains,
            "temperatures": self.options.temperatures,
            "effective_samples": float(counts.mean()),
        }
        if len(values) > 1:
            details["standard_error"] = float(values.std()) / math.sqrt(len(values))
        if gaps:
            details |= {"simulated": sum(map(len, gaps)), "gap": float(torch.cat(gaps).mean())}
        return Measure(float(values.mean()), "", details, values, _warning(details))

    def _tested(self) -> Iterator[_Images]:
        for batch in self.subject.test(self.options.images):
            yield from self._parts(batch.x, batch.y)

    def _simulated(self) -> Iterator[tuple[_Images, Tensor]]:
        """Yield images drawn from the model, told the labels of test images, and the code of each."""
        for batch in self.subject.test(self.options.simulated):
            for images in self._parts(batch.x, batch.y):
                z = images.starts(1)
                x = density_of(given(self.model, images.y).decode(z[0]), self.beta).sample()
                yield _Images(x, images.y, images.prior), z

    def _parts(self, x: Tensor, y: Mapping[str, Tensor]) -> Iterator[_Images]:
        size = max(1, PIXELS // (self.options.chains * x[0].numel()))
        for i in range(0, len(x), size):
            labels = {name: value[i : i + size] for name, value in y.items()}
            yield _Images(x[i : i + size], labels, self._prior(labels))

    def _prior(self, y: Mapping[str, Tensor]) -> Distribution:
        prior = given(self.model, y).prior_distribution()
        if prior.support != "real":
            raise NoBound("its codes are not on the real line, along which the chains move")
        return prior

    def _joint(self, images: _Images) -> Joint:
        def joint(z: Tensor) -> tuple[Tensor, Tensor]:
            return images.prior.log_prob(z), log_likelihood(self.model, images.x, z, self.beta, images.y)

        return joint

    def _below(self, images: _Images) -> Bound:
        joint = self._joint(images)
        steps = tuned_steps(joint, images.starts(TUNING), self.ladder)
        return _bound(images, anneal(joint, images.starts(self.options.chains), self.ladder, steps))

    def _gap(self, images: _Images, z: Tensor) -> Tensor:
        """Return how far the bounds of images are apart whose codes `(1, B, *latent)` are known, `(B,)`."""
        joint, chains = self._joint(images), self.options.chains
        steps = tuned_steps(joint, images.starts(TUNING), self.ladder)
        below = anneal(joint, images.starts(chains), self.ladder, steps)
        above = anneal_back(joint, z.expand(chains, *z.shape[1:]), self.ladder, steps)
        return -_bound(images, -above).value - _bound(images, below).value


def _bound(images: _Images, log_w: Tensor) -> Bound:
    weights = Weights(images.x)
    weights.add(log_w)
    return weights.bound()


def _warning(details: Mapping[str, float]) -> str:
    gap = details.get("gap", 0.0)
    if gap <= WIDE:
        return ""
    return (
        f"on simulated images the bounds are {gap:.2f} nats apart, by which log p(x) may be above this; take more "
        f"--annealed-bound.temperatures"
    )
