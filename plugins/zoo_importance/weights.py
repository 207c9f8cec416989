"""The bounds of importance-weighted training, and how much each sample counts in their gradients."""

from __future__ import annotations

__all__ = ["Estimate", "ciwae", "effective_samples", "miwae", "piwae"]

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Estimate:
    """A bound on log p(x) from S samples for each of B images, and the weights of its gradients.

    Arguments:
        bound: The bound, `(B,)`, in nats.
        generative: Weight of each d log p(x, z) in the gradient of decoder and prior, `(S, B)`.
        inference: Weight of each d log w along its sample in the gradient of the encoder, `(S, B)`.
    """

    bound: Tensor
    generative: Tensor
    inference: Tensor


def miwae(log_w: Tensor, groups: int, doubly: bool) -> Estimate:
    """Average the importance-weighted bounds of groups of samples; one group is IWAE.

    Arguments:
        log_w: log p(x, z) - log q(z|x) of each sample, `(S, B)`; S is a multiple of `groups`.
        groups: How many groups.
        doubly: Whether the encoder's gradient is doubly reparameterised, which squares the weights.

    Example:
        >>> miwae(torch.tensor([[-1.0], [-3.0]]), groups=2, doubly=False).bound
        tensor([-2.])
    """
    grouped = log_w.reshape(groups, -1, log_w.shape[1])
    share = grouped.softmax(1)
    bound = (grouped.logsumexp(1) - math.log(grouped.shape[1])).mean(0)
    generative = share.flatten(0, 1) / groups
    return Estimate(bound, generative, share.square().flatten(0, 1) / groups if doubly else generative)


def ciwae(log_w: Tensor, elbo_share: Tensor | float, doubly: bool) -> Estimate:
    """Mix the ELBO, averaged over all samples, with their importance-weighted bound.

    Arguments:
        log_w: log p(x, z) - log q(z|x) of each sample, `(S, B)`.
        elbo_share: The weight of the ELBO, in [0, 1].
        doubly: Whether the encoder's gradient is doubly reparameterised; the ELBO's then sticks the landing.
    """
    tight = miwae(log_w, 1, doubly)
    even, other = elbo_share / len(log_w), 1 - elbo_share
    generative = even + other * tight.generative
    bound = elbo_share * log_w.mean(0) + other * tight.bound
    return Estimate(bound, generative, even + other * tight.inference if doubly else generative)


def piwae(log_w: Tensor, groups: int, doubly: bool) -> Estimate:
    """Weigh all samples together for decoder and prior, and in groups for the encoder.

    Arguments:
        log_w: log p(x, z) - log q(z|x) of each sample, `(S, B)`; S is a multiple of `groups`.
        groups: How many groups the encoder sees.
        doubly: Whether the encoder's gradient is doubly reparameterised.
    """
    whole = miwae(log_w, 1, doubly=False)
    return Estimate(whole.bound, whole.generative, miwae(log_w, groups, doubly).inference)


def effective_samples(log_w: Tensor) -> Tensor:
    """Return how many samples carry the weight of S, `(S, B) -> (B,)`: (sum w)^2 / sum w^2, from 1 to S."""
    return torch.exp(2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0))
