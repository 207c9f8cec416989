"""The importance-weighted bound on log p(x), streamed over samples."""

from __future__ import annotations

__all__ = ["IwaeBound", "NoBound", "importance_weighted_bound"]

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor

from zoo import LatentModel, Measure, Metric, Subject, given
from zoo.distributions import Distribution, normalised
from zoo_likelihood.options import IwaeBoundOptions

DRAWN = 20
"""Codes of each image that are drawn at once: a part of what the number is, as it fixes who gets which noise."""

PIXELS = 2**22
"""Pixels that are decoded at once: a matter of memory alone."""


class NoBound(Exception):
    """Why a model has no bound on log p(x), as the end of a sentence."""


@dataclass(frozen=True)
class Bound:
    """L_k of each image, and how many of the k samples carry its weight: `(B,)` each, in double precision."""

    value: Tensor
    effective_samples: Tensor


@final
class IwaeBound(Metric):
    """L_k = E log 1/k sum_i w_i, averaged over images: a lower bound on log p(x), in nats per image.

    It rises with k to log p(x), and is far below it as long as only a few samples carry the weight: look at
    `effective_samples`. An `mse` with a beta counts as the Gaussian of variance beta / 2.

    References:
        Importance Weighted Autoencoders (Burda, Grosse & Salakhutdinov, 2016), arXiv:1509.00519.
    """

    def __init__(self, options: IwaeBoundOptions, subject: Subject) -> None:
        self.k = options.k
        self.images = options.images
        self.subject = subject

    def compute(self) -> Measure:
        try:
            bounds = list(self._bounds())
        except NoBound as reason:
            return Measure(None, str(reason))
        values = torch.cat([bound.value for bound in bounds])
        counts = torch.cat([bound.effective_samples for bound in bounds])
        details = {"k": self.k, "images": len(values), "effective_samples": float(counts.mean())}
        if len(values) > 1:
            details["standard_error"] = float(values.std()) / math.sqrt(len(values))
        return Measure(float(values.mean()), details=details, per_image=values)

    def _bounds(self) -> Iterator[Bound]:
        model = cast(LatentModel, self.subject.model)
        beta = model.rate_weight(self.subject.step)
        for batch in self.subject.test(self.images):
            yield importance_weighted_bound(model, batch.x, self.k, beta=beta, y=batch.y)


@torch.no_grad()
def importance_weighted_bound(
    model: LatentModel,
    x: Tensor,
    k: int,
    *,
    beta: Tensor | float | None = None,
    y: Mapping[str, Tensor] | None = None,
) -> Bound:
    """Return L_k of each image.

    Codes are drawn in blocks of fixed size from torch's default generator, so that for a seed the first ones are the
    same whatever k is; weights are summed as they come, so that memory does not grow with k.

    Arguments:
        model: The model, in eval mode.
        x: The images, `(B, C, H, W)`.
        k: Codes drawn for each.
        beta: The weight of the rate in the model's loss, by which an `mse` stands for a Gaussian.
        y: Their labels, for a model that is told them.

    Raises:
        NoBound: If posterior or likelihood has no density.
    """
    labels = y or {}
    told = given(model, labels)
    q, prior = told.encode(x), told.prior_distribution()
    if not q.has_density:
        raise NoBound("a posterior that is a point has no density")
    total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
    squares = total
    for start in range(0, k, DRAWN):
        z, drawn_log_q = q.draw((DRAWN,))
        log_q = q.log_prob(z) if drawn_log_q is None else drawn_log_q
        log_w = _log_likelihood(model, x, z[: k - start], beta, labels) + (prior.log_prob(z) - log_q)[: k - start]
        log_w = log_w.double()
        total = torch.logaddexp(total, log_w.logsumexp(0))
        squares = torch.logaddexp(squares, (2 * log_w).logsumexp(0))
    return Bound(total - math.log(k), torch.exp(2 * total - squares))


def _log_likelihood(
    model: LatentModel, x: Tensor, z: Tensor, beta: Tensor | float | None, y: Mapping[str, Tensor]
) -> Tensor:
    """Return log p(x|z) of the normalised model for codes `(S, B, *latent)`: `(S, B)`, some images at a time."""
    images = max(1, PIXELS // (len(z) * x[0].numel()))
    parts = []
    for i in range(0, len(x), images):
        chosen = slice(i, i + images)
        told = given(model, {name: value[chosen] for name, value in y.items()})
        parts.append(_density(told.decode(z[:, chosen]), beta).log_prob(x[chosen]))
    return torch.cat(parts, 1)


def _density(p: Distribution, beta: Tensor | float | None) -> Distribution:
    density = normalised(p, beta)
    if density is None:
        raise NoBound(
            "its likelihood is no density: a squared error is one only beside a rate with a weight above 0, which "
            "gives its variance"
        )
    return density
