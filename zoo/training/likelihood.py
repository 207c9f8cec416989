"""Maximum likelihood by gradients with an early stop: how priors are fitted to codes once training is over."""

from __future__ import annotations

__all__ = ["maximise_likelihood"]

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from zoo.errors import ZooError

CHECK_EVERY = 100
LARGEST_GRADIENT = 5.0


class Pace(Protocol):
    """How fast and how long to go: options that every part fitted in this way has."""

    @property
    def lr(self) -> float:
        """Learning rate of Adam."""

    @property
    def steps(self) -> int:
        """The most steps."""

    @property
    def batch_size(self) -> int:
        """Values in a step."""

    @property
    def patience(self) -> int:
        """Looks at the held-out values without a better likelihood before it stops."""


@torch.enable_grad()
def maximise_likelihood(part: nn.Module, log_prob: Callable[[Tensor], Tensor], values: Tensor, pace: Pace) -> None:
    """Move a part's parameters to where values are likely, and keep the best that held-out ones have seen.

    A tenth of the values is held out; every hundredth step looks at their likelihood.

    Arguments:
        part: What is fitted.
        log_prob: Returns its log-density of values `(B, ...)`, `(B,)`.
        values: What it is fitted to, `(N, ...)`, N at least 2.
        pace: How fast and how long.

    Raises:
        ZooError: If held-out values never had a finite likelihood.
    """
    values = values[torch.randperm(len(values))]
    count = max(1, len(values) // 10)
    held, values = values[:count], values[count:]
    optimiser = torch.optim.Adam(part.parameters(), pace.lr)
    best, waited, kept = -math.inf, 0, _copy(part)
    for step in range(pace.steps + 1):
        if step % CHECK_EVERY == 0 or step == pace.steps:
            found = _mean(log_prob, held, pace.batch_size)
            waited = 0 if found > best else waited + 1
            if found > best:
                best, kept = found, _copy(part)
            if waited >= pace.patience or step == pace.steps:
                break
        _step(part, log_prob, optimiser, values[torch.randint(len(values), (pace.batch_size,))])
    if not math.isfinite(best):
        raise ZooError("held-out codes never had a finite likelihood; take a lower --lr")
    part.load_state_dict(kept)


def _step(
    part: nn.Module, log_prob: Callable[[Tensor], Tensor], optimiser: torch.optim.Optimizer, batch: Tensor
) -> None:
    optimiser.zero_grad()
    loss = -log_prob(batch).mean()
    loss.backward()  # type: ignore[no-untyped-call]  # torch's
    nn.utils.clip_grad_norm_(part.parameters(), LARGEST_GRADIENT)
    optimiser.step()


@torch.no_grad()
def _mean(log_prob: Callable[[Tensor], Tensor], values: Tensor, at_once: int) -> float:
    return float(torch.cat([log_prob(some) for some in torch.split(values, at_once)]).mean())


def _copy(part: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in part.state_dict().items()}
