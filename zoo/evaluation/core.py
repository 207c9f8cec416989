"""The scores that every run has as far as its model can: one pass over the images, of which each takes its share.

Each name means one thing, in logs, tables and files; what each one is stands with its class.
"""

from __future__ import annotations

__all__ = [
    "ACTIVE",
    "ActiveUnits",
    "BitsPerDim",
    "Distortion",
    "Elbo",
    "KlPerUnit",
    "LogLikelihood",
    "Mse",
    "Objective",
    "Rate",
    "RatePerGroup",
    "Sse",
    "likelihood_of",
]

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from torch import Tensor

from zoo.distributions import Distribution, kl_per_group, kl_per_unit, normalised
from zoo.evaluation.subject import Subject
from zoo.interfaces import (
    Batch,
    DecodesLatents,
    Embeds,
    ExactLikelihood,
    LatentModel,
    Measure,
    Metric,
    Model,
    Reconstructs,
    Step,
    given,
)
from zoo.options import Options
from zoo.training.randomness import random_state, set_random_state

ACTIVE = 0.01
"""The variance of a posterior mean above which a unit is active (Burda et al., 2016, arXiv:1509.00519)."""

Parts = dict[str, list[Tensor]]


@dataclass
class _Pass:
    """What one pass over the images found, in double precision.

    Arguments:
        values: By name, one value for each image, `(N,)`, or several, `(N, n)`.
        likelihood: Which kind of number for log p(x) the model has, and of which pixels, if any.
    """

    values: dict[str, Tensor] = field(default_factory=dict)
    likelihood: str | None = None


def _look(subject: Subject) -> _Pass:
    """Go over the images once."""
    found, parts = _Pass(), Parts()
    for batch in subject.test():
        state = random_state(batch.x.device)
        terms = subject.model.loss(batch, subject.step)
        _add(parts, "objective", terms.loss.expand(len(batch.index)))
        # Of the same noise, so that objective, distortion and rate are of the same codes.
        set_random_state(state, batch.x.device)
        found.likelihood = _look_at(parts, given(subject.model, batch.y), batch, subject.step) or found.likelihood
    found.values = {name: torch.cat(tensors) for name, tensors in parts.items()}
    return found


def _add(parts: Parts, name: str, values: Tensor) -> None:
    parts.setdefault(name, []).append(values.detach().double().cpu())


def _look_at(parts: Parts, model: Model, batch: Batch, step: Step) -> str | None:
    """Add what a model's abilities tell of a batch; return what kind of likelihood it has."""
    likelihood = None
    if isinstance(model, Reconstructs):
        _add(parts, "mse", ((model.reconstruct(batch.x) - batch.x) ** 2).flatten(1).mean(1))
    if isinstance(model, Embeds):
        _add(parts, "code", model.embed(batch.x).flatten(1))
    if isinstance(model, ExactLikelihood):
        log_prob = model.log_prob(batch.x)
        likelihood = "exact, grey levels"
        _add(parts, "log_likelihood", log_prob)
        _add(parts, "bits_per_dim", -log_prob.double() / (batch.x[0].numel() * math.log(2)))
    if isinstance(model, LatentModel):
        likelihood = _look_at_latents(parts, model, batch, step) or likelihood
    return likelihood


def _look_at_latents(parts: Parts, model: LatentModel, batch: Batch, step: Step) -> str | None:
    q, prior = model.encode(batch.x), model.prior_distribution()
    z, log_q = q.draw()
    p = model.decode(z)
    _add(parts, "sse", ((p.mean - batch.x) ** 2).flatten(1).sum(1))
    _add(parts, "distortion", -p.log_prob(batch.x))
    if not q.has_density:
        return None
    rates = kl_per_group(q, prior, z, log_q)
    rate = rates.sum(-1)
    _add(parts, "rate", rate)
    if rates.shape[-1] > 1:
        _add(parts, "rate_per_group", rates)
    units = kl_per_unit(q, prior, z) if log_q is None else None
    if units is not None:
        _add(parts, "kl_per_unit", units.flatten(1))
    elbo = _elbo(p, batch.x, rate, model.rate_weight(step))
    if elbo is None:
        return None
    _add(parts, "elbo", elbo)
    return "bound, binary pixels" if p.support == "binary" else "bound, density of pixels in [0, 1]"


def _elbo(p: Distribution, x: Tensor, rate: Tensor, beta: Tensor | float | None) -> Tensor | None:
    """The bound of the normalised model: an `mse` with a beta counts as the Gaussian of variance beta / 2."""
    density = normalised(p, beta)
    return density.log_prob(x) - rate if density is not None else None


def likelihood_of(subject: Subject) -> str | None:
    """Return which a model has, an exact value for log p(x), a bound or nothing, and of which pixels."""
    return subject.once(_look).likelihood


class _Core(Metric):
    """A score that the one pass has found."""

    name: ClassVar[str]

    def __init__(self, options: Options, subject: Subject) -> None:
        self.subject = subject

    @abstractmethod
    def of(self, values: Tensor) -> Measure:
        """Return the score of what the pass has under its name, or nothing where it has none."""

    @final
    def compute(self) -> Measure:
        values = self.subject.once(_look).values.get(self.name)
        return self.of(values) if values is not None else Measure(None, "its parts give none")


class _Mean(_Core):
    """The mean over images."""

    @final
    def of(self, values: Tensor) -> Measure:
        return Measure(float(values.mean()), per_image=values)


class _MeanOfEach(_Core):
    """The mean over images of each of several values."""

    @final
    def of(self, values: Tensor) -> Measure:
        return Measure([float(value) for value in values.mean(0)])


@final
class Mse(_Mean):
    """Squared error per pixel between an image and its reconstruction at the posterior mean."""

    name = "mse"


@final
class Sse(_Mean):
    """Expected squared error per image over posterior samples, one of each image."""

    name = "sse"


@final
class Distortion(_Mean):
    """Expected -log p(x|z), as the loss counts it, over posterior samples, one of each image."""

    name = "distortion"


@final
class Rate(_Mean):
    """KL(q(z|x) || p(z)): in closed form where there is one, else of one posterior sample of each image."""

    name = "rate"


@final
class Elbo(_Mean):
    """-(distortion + rate) of the normalised model, a lower bound on log p(x), one posterior sample of each image."""

    name = "elbo"


@final
class LogLikelihood(_Mean):
    """log p(x) itself, of dequantised images, as a density over 256 grey levels."""

    name = "log_likelihood"


@final
class BitsPerDim(_Mean):
    """-log p(x) / (D log 2), of dequantised images, as a density over 256 grey levels."""

    name = "bits_per_dim"


@final
class Objective(_Core):
    """What is minimised, with every schedule at the value that it had when the run ended."""

    name = "objective"

    def of(self, values: Tensor) -> Measure:
        # A loss is of a whole batch, and so no value of one image.
        return Measure(float(values.mean()))


@final
class ActiveUnits(_Core):
    """The number of latents whose posterior mean varies over the images by more than 0.01.

    References:
        Importance Weighted Autoencoders (Burda, Grosse & Salakhutdinov, 2016), arXiv:1509.00519.
    """

    name = "code"

    def of(self, values: Tensor) -> Measure:
        model = self.subject.model
        if isinstance(model, DecodesLatents) and not model.continuous:
            return Measure(None, "a code of a codebook is in use or not, whatever its numbers are; see code-usage")
        spread = values.var(0, correction=0)
        if not spread.isfinite().all():
            return Measure(None, "a posterior mean is not finite")
        return Measure(int((spread > ACTIVE).sum()))


@final
class KlPerUnit(_MeanOfEach):
    """The rate of each latent."""

    name = "kl_per_unit"


@final
class RatePerGroup(_MeanOfEach):
    """The rate of each group of latents, from the image upwards; they sum to the rate."""

    name = "rate_per_group"
