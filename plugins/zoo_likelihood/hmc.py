"""Hamiltonian Monte Carlo on the codes of images, at an inverse temperature of the likelihood."""

from __future__ import annotations

__all__ = ["Joint", "State", "evaluate", "transition"]

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeAlias

import torch
from torch import Tensor

from zoo_likelihood.densities import NoBound

Joint: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Gives log p(z) and log p(x|z), `(S, B)` each, of codes `(S, B, *latent)`."""


SPREAD = 0.5
"""The share of its step size by which a trajectory's own may be shorter, at random."""


@dataclass(frozen=True)
class State:
    """Where S chains of B images are.

    Arguments:
        z: The codes, `(S, B, *latent)`.
        prior, likelihood: log p(z) and log p(x|z), `(S, B)`.
        prior_slope, likelihood_slope: Their gradients in z, `(S, B, *latent)`.
    """

    z: Tensor
    prior: Tensor
    likelihood: Tensor
    prior_slope: Tensor
    likelihood_slope: Tensor

    def energy(self, power: float) -> Tensor:
        """Return -log of the density p(z) p(x|z)^power, `(S, B)`."""
        return -(self.prior + power * self.likelihood)

    def slope(self, power: float) -> Tensor:
        """Return the gradient of log of that density, `(S, B, *latent)`."""
        return self.prior_slope + power * self.likelihood_slope


def evaluate(joint: Joint, z: Tensor) -> State:
    """Return the state at codes.

    Raises:
        NoBound: If prior or decoder has no gradient in the codes.
    """
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        terms = joint(z)
        if not all(term.requires_grad for term in terms):
            raise NoBound("its prior or its decoder has no gradient in a code, which moves the chains")
        slopes = [torch.autograd.grad(term.sum(), z)[0] for term in terms]
    prior, likelihood = (term.detach() for term in terms)
    return State(z.detach(), prior, likelihood, *slopes)


def transition(joint: Joint, state: State, power: float, step: Tensor, leaps: int) -> tuple[State, Tensor]:
    """Move chains, leaving p(z) p(x|z)^power as it is; return where they are, and the chance that each had to move.

    Arguments:
        joint: The densities.
        state: Where the chains are.
        power: The inverse temperature of the likelihood.
        step: The longest leapfrog step, `(S, B)` or broadcast to it.
        leaps: Leapfrog steps of a trajectory.

    References:
        MCMC using Hamiltonian dynamics (Neal, 2011), arXiv:1206.1901.
    """
    start = torch.randn_like(state.z)
    # Trajectories of one length would come back to where they began along some direction.
    step = _as_events(step * (1 - SPREAD * torch.rand_like(state.prior)), state.z)
    threshold = torch.rand_like(state.prior).log()
    momentum, moved = start + step / 2 * state.slope(power), state
    for leap in range(leaps):
        moved = evaluate(joint, moved.z + step * momentum)
        momentum = momentum + (step if leap + 1 < leaps else step / 2) * moved.slope(power)
    gain = state.energy(power) - moved.energy(power) + _kinetic(start) - _kinetic(momentum)
    # A trajectory that ran off to infinity has an energy that is no number, and is refused.
    gain = gain.nan_to_num(nan=-torch.inf)
    return _choose(threshold < gain, moved, state), gain.clamp(max=0).exp()


def _kinetic(momentum: Tensor) -> Tensor:
    return momentum.square().flatten(2).sum(-1) / 2


def _choose(accepted: Tensor, moved: State, state: State) -> State:
    def one(name: str) -> Tensor:
        new, old = getattr(moved, name), getattr(state, name)
        return torch.where(_as_events(accepted, new), new, old)

    return State(*(one(field.name) for field in fields(State)))


def _as_events(value: Tensor, like: Tensor) -> Tensor:
    """Return `(S, B)` with as many dimensions as `like` has, to be broadcast to it."""
    return value.reshape(*value.shape, *[1] * (like.ndim - value.ndim))
