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
import statistics
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
    given,
)
from zoo.options import Options
from zoo.training.randomness import random_state, set_random_state

ACTIVE = 0.01
"""The variance of a posterior mean above which a unit is active (Burda et al., 2016, arXiv:1509.00519)."""


@dataclass
class _Pass:
    """What one pass over the images found, in double precision.

    Values are kept as plain numbers and sums are added to in place: small tensors that stay, among large ones that go,
    would leave a step of evaluation less and less memory to use again.

    Arguments:
        beta: The weight of the rate in the model's loss, where it has one.
        values: By name, one value for each image.
        sums: By name, the sum over images of several values for each, `(n,)`.
        images: How many there were.
        likelihood: Which kind of number for log p(x) the model has, and of which pixels, if any.
    """

    beta: float | None
    values: dict[str, list[float]] = field(default_factory=dict)
    sums: dict[str, Tensor] = field(default_factory=dict)
    images: int = 0
    likelihood: str | None = None
    _unread: dict[str, list[Tensor]] = field(default_factory=dict)

    def add(self, name: str, values: Tensor) -> None:
        """Add the values of a batch, `(B,)`."""
        self._unread.setdefault(name, []).append(values.double())

    def add_several(self, name: str, values: Tensor) -> None:
        """Add several values of each image of a batch, `(B, n)`, of which the mean alone is kept."""
        total = values.double().sum(0)
        self.sums[name] = self.sums[name].add_(total) if name in self.sums else total

    def read(self) -> None:
        """Read the values that were added since the last time, for which a GPU waits."""
        for name, parts in self._unread.items():
            self.values.setdefault(name, []).extend(torch.cat(parts).tolist())
        self._unread.clear()

    def mean(self, name: str) -> Tensor | None:
        """Return the mean over images of what is kept as sums, `(n,)`, or nothing if the name was never added."""
        return self.sums[name].cpu() / self.images if name in self.sums else None


def _look(subject: Subject) -> _Pass:
    """Go over the images once."""
    found = _Pass(_beta(subject))
    for batch in subject.test():
        found.images += len(batch.index)
        state = random_state(batch.x.device)
        loss = subject.model.loss(batch, subject.step).loss
        found.add("objective", loss.expand(len(batch.index)))
        # Of the same noise, so that objective, distortion and rate are of the same codes.
        set_random_state(state, batch.x.device)
        _look_at(found, given(subject.model, batch.y), batch)
        if batch.x.device.type == "cpu":
            found.read()
    found.read()
    return found


def _beta(subject: Subject) -> float | None:
    """Return the weight of the rate, read once for all images."""
    model = subject.model
    beta = model.rate_weight(subject.step) if isinstance(model, LatentModel) else None
    return float(beta) if beta is not None else None


def _look_at(found: _Pass, model: Model, batch: Batch) -> None:
    """Add what a model's abilities tell of a batch."""
    if isinstance(model, Reconstructs):
        found.add("mse", ((model.reconstruct(batch.x) - batch.x) ** 2).flatten(1).mean(1))
    if isinstance(model, Embeds):
        code = model.embed(batch.x).flatten(1).double()
        found.add_several("code", code)
        found.add_several("code_square", code**2)
    if isinstance(model, ExactLikelihood):
        log_prob = model.log_prob(batch.x)
        found.likelihood = "exact, grey levels"
        found.add("log_likelihood", log_prob)
        found.add("bits_per_dim", -log_prob.double() / (batch.x[0].numel() * math.log(2)))
    if isinstance(model, LatentModel):
        _look_at_latents(found, model, batch)


def _look_at_latents(found: _Pass, model: LatentModel, batch: Batch) -> None:
    q, prior = model.encode(batch.x), model.prior_distribution()
    z, log_q = q.draw()
    p = model.decode(z)
    found.add("sse", ((p.mean - batch.x) ** 2).flatten(1).sum(1))
    found.add("distortion", -p.log_prob(batch.x))
    if not q.has_density:
        return
    rates = kl_per_group(q, prior, z, log_q)
    rate = rates.sum(-1)
    found.add("rate", rate)
    if rates.shape[-1] > 1:
        found.add_several("rate_per_group", rates)
    units = kl_per_unit(q, prior, z) if log_q is None else None
    if units is not None:
        found.add_several("kl_per_unit", units.flatten(1))
    elbo = _elbo(p, batch.x, rate, found.beta)
    if elbo is not None:
        found.add("elbo", elbo)
        binary = p.support == "binary"
        found.likelihood = "bound, binary pixels" if binary else "bound, density of pixels in [0, 1]"


def _elbo(p: Distribution, x: Tensor, rate: Tensor, beta: float | None) -> Tensor | None:
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
    def of(self, found: _Pass) -> Measure | None:
        """Return the score, or nothing where the pass has none."""

    @final
    def compute(self) -> Measure:
        return self.of(self.subject.once(_look)) or Measure(None, "its parts give none")


class _Mean(_Core):
    """The mean over images."""

    @final
    def of(self, found: _Pass) -> Measure | None:
        if self.name not in found.values:
            return None
        values = torch.tensor(found.values[self.name], dtype=torch.float64)
        return Measure(float(values.mean()), per_image=values)


class _MeanOfEach(_Core):
    """The mean over images of each of several values."""

    @final
    def of(self, found: _Pass) -> Measure | None:
        mean = found.mean(self.name)
        return Measure([float(value) for value in mean]) if mean is not None else None


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

    def of(self, found: _Pass) -> Measure:
        # A loss is of a whole batch, and so no value of one image.
        return Measure(statistics.fmean(found.values[self.name]))


@final
class ActiveUnits(_Core):
    """The number of latents whose posterior mean varies over the images by more than 0.01.

    References:
        Importance Weighted Autoencoders (Burda, Grosse & Salakhutdinov, 2016), arXiv:1509.00519.
    """

    name = "code"

    def of(self, found: _Pass) -> Measure | None:
        mean, square = found.mean("code"), found.mean("code_square")
        if mean is None or square is None:
            return None
        model = self.subject.model
        if isinstance(model, DecodesLatents) and not model.continuous:
            return Measure(None, "a code of a codebook is in use or not, whatever its numbers are; see code-usage")
        spread = square - mean**2
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
