"""The importance-weighted bound on log p(x), streamed over samples."""

from __future__ import annotations

__all__ = ["IwaeBound", "importance_weighted_bound"]

import math
from collections.abc import Iterator, Mapping
from typing import cast, final

import torch
from torch import Tensor

from zoo import LatentModel, Measure, Metric, Subject, given
from zoo.distributions import Distribution
from zoo_likelihood.densities import NoBound, log_likelihood, rate_weight
from zoo_likelihood.options import IwaeBoundOptions
from zoo_likelihood.weights import Bound, Weights

DRAWN = 20
"""Codes of each image that are drawn at once: a part of what the number is, as it fixes who gets which noise."""

PIXELS = 2**18
"""Pixels that each thread of a CPU decodes at once: enough for products of large matrices, and few for its cache."""

MORE_PIXELS = 2**24
"""The same of any other device, as long as its memory is not known."""

BYTES = 2**11
"""Of a GPU's memory, how much there is for each pixel that it decodes at once."""

FEW = 10
"""Effective samples below which the bias of an image's L_k, about half their inverse, is more than 0.05 nats."""

SHARE = 0.05
"""The share of images with so few that is warned of."""

RISE = 0.05
"""Nats by which L_k may be above L_{k/2} without a warning."""


@final
class IwaeBound(Metric):
    """L_k = E log 1/k sum_i w_i, averaged over images: a lower bound on log p(x), in nats per image.

    It rises with k to log p(x). An `mse` with a beta counts as the Gaussian of variance beta / 2.

    How far it still has to go is judged by two numbers of the same codes. `effective_samples` is how many of an image's
    codes carry its weight, `(sum w)^2 / sum w^2`, averaged over images; `few_samples` is the share of images with fewer
    than 10 of them (or k / 2, if that is less). `rise` is how far L_k is above the mean of the bounds of two halves of
    its codes, which estimates L_k - L_{k/2} without the noise of other codes and is never negative. There is a warning
    where `rise` is above 0.05 nats or `few_samples` above 0.05.

    It rests on this: weights of finite variance v, relative to their mean, leave a bias of v / 2k, so that what the
    last doubling of k added is what is still missing, and k / (1 + v) samples are effective. Where the variance is not
    finite, more is missing than `rise`. Codes that lie where no sample fell show in neither, against which
    `annealed-bound` is the check.

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
        values = torch.cat([bound.value for bound in bounds]).cpu()
        counts = torch.cat([bound.effective_samples for bound in bounds])
        details: dict[str, float] = {
            "k": self.k,
            "images": len(values),
            "effective_samples": float(counts.mean()),
            "few_samples": float((counts < min(FEW, self.k / 2)).double().mean()),
        }
        if self.k > 1:
            details["rise"] = float(torch.cat([bound.rise for bound in bounds]).mean())
        if len(values) > 1:
            details["standard_error"] = float(values.std()) / math.sqrt(len(values))
        return Measure(float(values.mean()), "", details, values, _warning(details))

    def _bounds(self) -> Iterator[Bound]:
        model = cast(LatentModel, self.subject.model)
        beta = rate_weight(model, self.subject.step)
        for batch in self.subject.test(self.images):
            yield importance_weighted_bound(model, batch.x, self.k, beta=beta, y=batch.y)


def _warning(details: Mapping[str, float]) -> str:
    k, few = int(details["k"]), details["few_samples"]
    if "rise" not in details:
        return "one code of each image cannot tell how far L_1 is below log p(x); take a larger --iwae-bound.k"
    if details["rise"] <= RISE and few <= SHARE:
        return ""
    return (
        f"L_{k} has not converged: the last doubling of k added {details['rise']:.2f} nats, at least as many are "
        f"missing, and {few:.0%} of the images rest on fewer than {min(FEW, k / 2):g} samples; take a larger "
        f"--iwae-bound.k, or annealed-bound"
    )


@torch.no_grad()
def importance_weighted_bound(
    model: LatentModel,
    x: Tensor,
    k: int,
    *,
    beta: float | None = None,
    y: Mapping[str, Tensor] | None = None,
) -> Bound:
    """Return L_k of each image.

    Codes are drawn in blocks of fixed size from torch's default generator, so that for a seed the first ones are the
    same whatever k is; weights are summed as they come, so that memory does not grow with k. How many are decoded at
    once depends on the device, and changes nothing but rounding.

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
    weights = Weights(x)
    for z, log_q in _drawn(q, k, max(1, pixels_at_once(x.device) // (DRAWN * x.numel()))):
        weights.add(_in_parts(model, x, z, beta, labels) + prior.log_prob(z) - log_q)
    return weights.bound()


def pixels_at_once(device: torch.device) -> int:
    """Return how many pixels are decoded at once: a matter of speed and of memory alone."""
    if device.type == "cpu":
        return PIXELS * torch.get_num_threads()
    if device.type == "cuda":
        # Of all there is, and not of what is free now, so that the same scores come out each time.
        return max(1, torch.cuda.get_device_properties(device).total_memory // BYTES)
    return MORE_PIXELS


def _drawn(q: Distribution, k: int, draws: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield codes `(S, B, *latent)` and their log q(z|x), `(S, B)`, k in all, of several draws at a time."""
    for start in range(0, k, draws * DRAWN):
        drawn = [q.draw((DRAWN,)) for _ in range(start, min(k, start + draws * DRAWN), DRAWN)]
        z = torch.cat([code for code, _ in drawn])[: k - start]
        told = [log_q for _, log_q in drawn if log_q is not None]
        yield z, torch.cat(told)[: k - start] if told else q.log_prob(z)


def _in_parts(model: LatentModel, x: Tensor, z: Tensor, beta: float | None, y: Mapping[str, Tensor]) -> Tensor:
    """Return log p(x|z) for codes `(S, B, *latent)`, `(S, B)`, some images at a time."""
    images = max(1, pixels_at_once(x.device) // (len(z) * x[0].numel()))
    parts = []
    for i in range(0, len(x), images):
        chosen = slice(i, i + images)
        labels = {name: value[chosen] for name, value in y.items()}
        parts.append(log_likelihood(model, x[chosen], z[:, chosen], beta, labels))
    return torch.cat(parts, 1)
