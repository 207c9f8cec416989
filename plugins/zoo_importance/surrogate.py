"""From weights to gradients: one loss whose value is the bound and whose gradient is any estimator's."""

from __future__ import annotations

__all__ = ["importance_weighted"]

from collections.abc import Callable

import torch
from torch import Tensor

from zoo import Batch, LatentModel, Terms, ZooError
from zoo.distributions import Distribution
from zoo_importance.options import Estimator
from zoo_importance.weights import Estimate, effective_samples

AT_ONCE = 10
"""Codes of each image that are decoded at once in evaluation, whose blocks of images are large."""


def importance_weighted(
    model: LatentModel,
    batch: Batch,
    samples: int,
    estimator: Estimator,
    estimate: Callable[[Tensor], Estimate],
    *,
    apart: bool,
) -> Terms:
    """Return the terms of an importance-weighted bound: the loss is minus the bound, in nats per image.

    With log w = log p(x|z) + log p(z) - log q(z|x) for each of S samples, the gradient has two sets of weights: of
    d log p(x, z) at a fixed z, for decoder and prior, and of d log w along dz, for the encoder. What log q(z|x) says
    of its own parameters at a fixed z is kept (`plain`) or left out (`stl`, `dreg`).

    Arguments:
        model: The model.
        batch: The images, B of them.
        samples: Codes drawn for each image, S.
        estimator: Whether log q keeps the gradient of its parameters.
        estimate: The bound and the weights from log w `(S, B)`, which carries no gradient.
        apart: Whether the two sets of weights differ; it costs one more pass back through the decoder.

    Raises:
        ZooError: If the posterior has no density, or the estimator needs one that is known for any code.
    """
    q, p = model.encode(batch.x), model.prior_distribution()
    z, log_q = _draw(q, samples, estimator)
    learns = torch.is_grad_enabled()
    code = z.detach().requires_grad_() if apart and learns else z
    log_likelihood, log_prior = _log_likelihood(model, code, batch.x), p.log_prob(code)
    log_w = (log_likelihood + log_prior - log_q).detach()
    found = estimate(log_w)
    loss = -found.bound.mean()
    if learns:
        log_joint = log_likelihood + log_prior
        surrogate = _average(found.inference * log_q) - _average(found.generative * log_joint)
        if apart:
            (slope,) = torch.autograd.grad(_average(found.inference * log_joint), code, retain_graph=True)
            surrogate = surrogate - (slope * z).sum()
        # The value is the bound's, and the gradient the surrogate's.
        loss = loss + surrogate - surrogate.detach()
    logs = {
        "bound": found.bound.mean(),
        "distortion": -log_likelihood.detach().mean(),
        "rate": (log_q - log_prior).detach().mean(),
        "effective_samples": effective_samples(log_w).mean(),
    }
    return Terms.collect(loss, logs, q, p)


def _draw(q: Distribution, samples: int, estimator: Estimator) -> tuple[Tensor, Tensor]:
    """Draw codes `(S, B, *latent)` and their log-density `(S, B)`, which moves with the codes in any case."""
    if not q.has_density:
        raise ZooError(f"an importance-weighted bound needs a density, and a {_name(q)} has none; change --posterior")
    z, log_q = q.draw((samples,))
    if estimator == "plain":
        return z, q.log_prob(z) if log_q is None else log_q
    cut = q.detached()
    if cut is None:
        raise ZooError(
            f"--loss.estimator {estimator} needs a posterior whose density is known for any code, and a {_name(q)} "
            f"knows it for its own draws alone; take --loss.estimator plain"
        )
    return z, cut.log_prob(z)


def _log_likelihood(model: LatentModel, code: Tensor, x: Tensor) -> Tensor:
    """Return log p(x|z) of codes `(S, B, *latent)`, `(S, B)`; a few at a time where nothing is kept for gradients."""
    at_once = len(code) if torch.is_grad_enabled() else AT_ONCE
    return torch.cat([model.decode(part).log_prob(x) for part in torch.split(code, at_once)])


def _average(weighted: Tensor) -> Tensor:
    """Sum over samples and average over images, `(S, B) -> ()`."""
    return weighted.sum(0).mean()


def _name(q: Distribution) -> str:
    return f"{type(q).__name__} posterior"
