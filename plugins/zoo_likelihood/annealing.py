"""Annealed importance sampling from the prior of codes to their posterior, and back."""

from __future__ import annotations

__all__ = ["Ladder", "anneal", "anneal_back", "sigmoidal", "tuned_steps"]

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo_likelihood.hmc import Joint, evaluate, transition

ACCEPTED = 0.65
"""The share of trajectories that the step size aims at, as in Wu et al."""

FIRST_STEP = 0.5
"""The step size that tuning starts from, at the prior."""

GAIN = 0.3
"""How fast the logarithm of the step size follows the acceptance."""

STEEPNESS = 4.0
"""The sigmoid is taken from -4 to 4, as in Wu et al."""


@dataclass(frozen=True)
class Ladder:
    """What is climbed from prior to posterior.

    Arguments:
        powers: Inverse temperatures of the likelihood, from 0 to 1.
        leaps: Leapfrog steps of a trajectory, of which there is one at each power but the ends.
    """

    powers: list[float]
    leaps: int


def sigmoidal(count: int) -> list[float]:
    """Return `count` + 1 inverse temperatures from 0 to 1, dense at both ends.

    Example:
        >>> [round(power, 3) for power in sigmoidal(4)]
        [0.0, 0.105, 0.5, 0.895, 1.0]
    """
    values = torch.sigmoid(torch.linspace(-STEEPNESS, STEEPNESS, count + 1, dtype=torch.float64))
    powers: list[float] = ((values - values[0]) / (values[-1] - values[0])).tolist()
    return powers


def tuned_steps(joint: Joint, z: Tensor, ladder: Ladder) -> Tensor:
    """Return a step size for each power between the ends and each image, `(T - 1, B)`, by chains that adapt theirs.

    Each chain's step grows while its trajectories are accepted more often than by 0.65, and else shrinks; the sizes of
    an image's chains are averaged, as logarithms.

    Arguments:
        joint: The densities.
        z: Draws of the prior to start from, `(S, B, *latent)`.
        ladder: What is climbed.
    """
    state = evaluate(joint, z)
    log_step = torch.full_like(state.prior, FIRST_STEP).log()
    steps = []
    for power in ladder.powers[1:-1]:
        steps.append(log_step.mean(0).exp())
        state, chance = transition(joint, state, power, log_step.exp(), ladder.leaps)
        log_step = log_step + GAIN * (chance - ACCEPTED)
    return torch.stack(steps) if steps else z.new_empty(0, z.shape[1])


def anneal(joint: Joint, z: Tensor, ladder: Ladder, steps: Tensor) -> Tensor:
    """Return log w of chains from the prior to the posterior, `(S, B)` in double precision; E w = p(x).

    Arguments:
        joint: The densities.
        z: Draws of the prior, `(S, B, *latent)`.
        ladder: What is climbed.
        steps: Step sizes, `(T - 1, B)`, that do not depend on these chains.

    References:
        Annealed Importance Sampling (Neal, 2001), arXiv:physics/9803008.
    """
    state, low = evaluate(joint, z), ladder.powers[0]
    log_w = torch.zeros_like(state.likelihood, dtype=torch.float64)
    for i, power in enumerate(ladder.powers[1:]):
        log_w += (power - low) * state.likelihood
        low = power
        if i < len(steps):
            state, _ = transition(joint, state, power, steps[i], ladder.leaps)
    return log_w


def anneal_back(joint: Joint, z: Tensor, ladder: Ladder, steps: Tensor) -> Tensor:
    """Return log w of chains from the posterior to the prior, `(S, B)` in double precision; E 1/w = 1/p(x).

    They are the chains of `anneal` in reverse: the same steps at the same powers.

    Arguments:
        joint: The densities.
        z: Draws of the posterior, `(S, B, *latent)`.
        ladder: What is climbed down.
        steps: Step sizes, `(T - 1, B)`, that do not depend on these chains.

    References:
        Sandwiching the marginal likelihood using bidirectional Monte Carlo (Grosse, Ghahramani & Adams, 2015),
        arXiv:1511.02543.
    """
    state, high = evaluate(joint, z), ladder.powers[-1]
    log_w = torch.zeros_like(state.likelihood, dtype=torch.float64)
    for i, power in reversed(list(enumerate(ladder.powers[:-1]))):
        log_w += (high - power) * state.likelihood
        high = power
        if i:
            state, _ = transition(joint, state, power, steps[i - 1], ladder.leaps)
    return log_w
