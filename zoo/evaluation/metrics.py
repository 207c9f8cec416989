"""Scores of a model on images: each name means one thing, in logs, tables and files.

mse           squared error per pixel, at the posterior mean
sse           expected squared error per image over posterior samples
distortion    expected -log p(x|z), as the loss counts it, in nats per image
rate          KL(q(z|x) || p(z)), in nats per image
objective     what is minimised, schedules at their present value, in nats per image
elbo          -(distortion + rate) of the normalised model, a lower bound on log p(x), in nats per image
log_likelihood  log p(x) itself, of dequantised images, as a density over 256 grey levels, in nats per image
bits_per_dim  minus the same, in bits per pixel value
likelihood    which of these a model has, an exact value, a bound or none, and of which pixels
active_units  latents whose posterior mean varies over the data by more than 0.01
kl_per_unit   the rate of each latent, in nats
rate_per_group the rate of each group of latents, in nats, where there are several
"""

from __future__ import annotations

__all__ = ["ACTIVE", "Scores", "score"]

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from zoo.distributions import Distribution, kl_per_group, kl_per_unit, normalised
from zoo.interfaces import Batch, Embeds, ExactLikelihood, LatentModel, Model, Reconstructs, Step, given
from zoo.training.randomness import isolated

ACTIVE = 0.01
"""The variance of a posterior mean above which a unit is active (Burda et al., 2016, arXiv:1509.00519)."""

Scores: TypeAlias = dict[str, float | int | str | list[float] | None]


@dataclass
class _Sums:
    """Sums over images, in double precision."""

    images: int = 0
    totals: dict[str, Tensor] = field(default_factory=dict)
    likelihood: str | None = None

    def add(self, name: str, values: Tensor) -> None:
        """Add a value for each image, `(B, ...)`, summed over the batch."""
        total = values.double().sum(0)
        self.totals[name] = self.totals[name] + total if name in self.totals else total

    def mean(self, name: str) -> Tensor | None:
        """Return the mean over images, or nothing if the name was never added."""
        return self.totals[name] / self.images if name in self.totals else None


@torch.no_grad()
def score(model: Model, batches: Iterable[Batch], step: Step, seed: int = 0) -> Scores:
    """Return every score that a model's abilities allow; the others are `None`.

    Bit-repeatable for a seed: the noise of each block of images is drawn from a generator seeded by (seed, block).

    Arguments:
        model: The model, put in eval mode for the time.
        batches: The images, in blocks of a fixed size.
        step: Where in its schedules the model is.
        seed: Seed of the posterior samples.

    References:
        Importance Weighted Autoencoders (Burda et al., 2016), arXiv:1509.00519, for active units.
    """
    sums, training = _Sums(), model.training
    model.eval()
    for block, batch in enumerate(batches):
        # Both from the same seed, so that objective, distortion and rate are of the same samples.
        for add in (_add_objective, _add_abilities):
            with isolated((seed << 20) + block):
                add(sums, model, batch, step)
    model.train(training)
    return _finish(sums)


def _add_objective(sums: _Sums, model: Model, batch: Batch, step: Step) -> None:
    sums.images += len(batch.index)
    sums.add("objective", model.loss(batch, step).loss.expand(len(batch.index)))


def _add_abilities(sums: _Sums, model: Model, batch: Batch, step: Step) -> None:
    told = given(model, batch.y)
    if isinstance(told, Reconstructs):
        sums.add("mse", ((told.reconstruct(batch.x) - batch.x) ** 2).flatten(1).mean(1))
    if isinstance(told, Embeds):
        code = told.embed(batch.x).flatten(1).double()
        sums.add("code", code)
        sums.add("code_square", code**2)
    if isinstance(told, ExactLikelihood):
        log_prob = told.log_prob(batch.x)
        sums.likelihood = "exact, grey levels"
        sums.add("log_likelihood", log_prob)
        sums.add("bits_per_dim", -log_prob / (batch.x[0].numel() * math.log(2)))
    if isinstance(told, LatentModel):
        _add_latent(sums, told, batch, step)


def _add_latent(sums: _Sums, model: LatentModel, batch: Batch, step: Step) -> None:
    q, prior = model.encode(batch.x), model.prior_distribution()
    z, log_q = q.draw()
    p = model.decode(z)
    distortion = -p.log_prob(batch.x)
    sums.add("sse", ((p.mean - batch.x) ** 2).flatten(1).sum(1))
    sums.add("distortion", distortion)
    if not q.has_density:
        return
    rates = kl_per_group(q, prior, z, log_q)
    rate = rates.sum(-1)
    sums.add("rate", rate)
    if rates.shape[-1] > 1:
        sums.add("rate_per_group", rates)
    units = kl_per_unit(q, prior, z) if log_q is None else None
    if units is not None:
        sums.add("kl_per_unit", units.flatten(1))
    elbo = _elbo(p, batch.x, rate, model.rate_weight(step))
    if elbo is not None:
        sums.add("elbo", elbo)
        sums.likelihood = "bound, binary pixels" if p.support == "binary" else "bound, density of pixels in [0, 1]"


def _elbo(p: Distribution, x: Tensor, rate: Tensor, beta: Tensor | float | None) -> Tensor | None:
    """The bound of the normalised model: an `mse` with a beta counts as the Gaussian of variance beta / 2."""
    density = normalised(p, beta)
    return density.log_prob(x) - rate if density is not None else None


def _finish(sums: _Sums) -> Scores:
    scores: Scores = {}
    for name in ("mse", "sse", "distortion", "rate", "objective", "elbo", "log_likelihood", "bits_per_dim"):
        mean = sums.mean(name)
        scores[name] = None if mean is None else float(mean)
    scores["likelihood"] = sums.likelihood
    scores["active_units"] = _active_units(sums)
    for name in ("kl_per_unit", "rate_per_group"):
        several = sums.mean(name)
        scores[name] = None if several is None else [float(value) for value in several]
    return scores


def _active_units(sums: _Sums) -> int | None:
    mean, square = sums.mean("code"), sums.mean("code_square")
    if mean is None or square is None:
        return None
    return int((square - mean**2 > ACTIVE).sum())
