"""What goes into a step of training and what comes out of it: batches, progress, terms, players."""

from __future__ import annotations

__all__ = ["Batch", "Player", "Step", "Terms", "at_step", "number_at_step"]

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor, nn

from zoo.distributions import Distribution
from zoo.options import Scheduled
from zoo.schedules import Schedule, Varied

_Number: TypeAlias = Tensor | float
"""On the device, or on the host."""


@dataclass(frozen=True)
class Batch:
    """A batch of images.

    Arguments:
        x: The images `(B, C, H, W)`, `float32` in [0, 1].
        y: Labels and factors by name, each `(B,)` or `(B, n)`.
        index: Their places in the data set, `(B,)`.
    """

    x: Tensor
    y: Mapping[str, Tensor]
    index: Tensor


@dataclass(frozen=True)
class Step:
    """How far a run is, as 0-d tensors, so that a captured step sees them change.

    Arguments:
        count: Steps taken.
        epoch: Epochs taken, with its fraction.
        fraction: Share of the run, in [0, 1].
    """

    count: Tensor
    epoch: Tensor
    fraction: Tensor

    @classmethod
    def of(cls, count: float, epoch: float, fraction: float, device: torch.device | str = "cpu") -> Step:
        """Return the step at given numbers."""
        values = torch.tensor([count, epoch, fraction], dtype=torch.float32, device=device)
        return cls(*values.unbind())

    def position(self, unit: str) -> Tensor:
        """Return the position in a schedule's unit: steps, epochs or percent."""
        return {"": self.count, "ep": self.epoch, "%": 100 * self.fraction}[unit]


def at_step(value: Scheduled, step: Step) -> Tensor | float:
    """Return a scheduled option's value: a number as it is, a schedule as a 0-d tensor.

    Example:
        >>> from zoo.schedules import parse_schedule
        >>> at_step(parse_schedule("linear:0..1@100"), Step.of(25, 0.5, 0.1))
        tensor(0.2500)
    """
    if isinstance(value, Varied):
        now: Tensor = value.now
        return now
    if not isinstance(value, Schedule):
        return value
    return _value_at(value, step.position(value.unit))


def number_at_step(value: Scheduled, step: Step) -> float:
    """Return the same as a plain number, several times as fast on a CPU; a GPU would be waited for."""
    if not isinstance(value, Schedule):
        return float(at_step(value, step))
    return float(_value_at(value, float(step.position(value.unit))))


def _value_at(schedule: Schedule, position: _Number) -> _Number:
    if schedule.shape == "steps":
        # By comparisons: a table of values would have to be sent to a GPU, which a captured step must not do.
        now: _Number = 0.0 * position + schedule.values[0]
        for point, after in zip(schedule.points[1:], schedule.values[1:], strict=True):
            now = _choose(position >= point, after, now)
        return now
    share = position / schedule.points[1]
    if schedule.shape == "one-cycle":
        return schedule.values[0] * _one_cycle(_clamp(share))
    start, end = schedule.values
    if schedule.shape == "cyclic":
        return start + (end - start) * _clamp(2 * (share % 1))
    share = _clamp(share)
    return start + (end - start) * (_ease(share) if schedule.shape == "cosine" else share)


def _one_cycle(share: _Number, warm_up: float = 0.3, first: float = 1 / 25, last: float = 1e-4) -> _Number:
    rising = first + (1 - first) * _ease(_clamp(share / warm_up))
    falling = 1 + (last - 1) * _ease(_clamp((share - warm_up) / (1 - warm_up)))
    return _choose(share < warm_up, rising, falling)


def _ease(share: _Number) -> _Number:
    angle = math.pi * share
    return 0.5 * (1 - (torch.cos(angle) if isinstance(angle, Tensor) else math.cos(angle)))


def _clamp(share: _Number) -> _Number:
    return share.clamp(0, 1) if isinstance(share, Tensor) else min(max(share, 0.0), 1.0)


def _choose(condition: Tensor | bool, then: _Number, otherwise: _Number) -> _Number:
    if isinstance(condition, Tensor):
        return torch.where(condition, then, otherwise)
    return then if condition else otherwise


@dataclass(frozen=True)
class Terms:
    """What a loss returns, in nats per image, averaged over the batch.

    Arguments:
        loss: What the model's optimiser minimises, `()`; may be a surrogate.
        logs: Named terms to log, each `()`: `distortion`, `rate`, …
        adversaries: What each other player minimises, each `()`.
    """

    loss: Tensor
    logs: Mapping[str, Tensor]
    adversaries: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def collect(cls, loss: Tensor, logs: Mapping[str, Tensor], *distributions: Distribution) -> Terms:
        """Return the terms of a loss with what the distributions in it add: their penalties and their own terms."""
        extras: dict[str, Tensor] = {}
        for distribution in distributions:
            if distribution.penalty is not None:
                loss = loss + distribution.penalty
            extras.update({name: value.detach() for name, value in distribution.extras.items()})
        return cls(loss, {**logs, **extras})


@dataclass(frozen=True)
class Player:
    """Parameters with an optimiser of their own, of the run's kind.

    What is left out is the run's: `--lr` with its schedule, `--momentum`, `--square-decay`. What is given stands
    instead, constant over the run, so that an adversary need not follow the model's learning rate down.

    Arguments:
        parameters: What it optimises, by name.
        every: It moves at each `every`-th step.
        lr: Its learning rate.
        momentum: Decay of its gradient's running mean.
        square_decay: Decay of its squared gradient's running mean, where the optimiser keeps one.
    """

    parameters: Mapping[str, nn.Parameter]
    every: int = 1
    lr: float | None = None
    momentum: float | None = None
    square_decay: float | None = None
