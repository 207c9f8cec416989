"""The check of what a model leaves behind in a process."""

from __future__ import annotations

__all__ = ["leaves_no_trace"]

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.testing.check import require
from zoo.testing.models.case import ModelCase
from zoo.testing.state import switches
from zoo.testing.wording import some

if TYPE_CHECKING:
    from torch import Tensor


def leaves_no_trace(case: ModelCase) -> None:
    """Building, a step and samples move torch's default generator by drawing, and no other switch or generator."""
    case.shape  # noqa: B018  # found before, as it builds a model too
    before = dict(_state())
    ends = [_generator_after_use(case, seed) for seed in (11, 12)]
    moved = [name for name, value in _state() if value != before[name]]
    require(not moved, f"changes {some(moved)} of the whole process; put it back, or do without")
    require(not ends[0].equal(ends[1]), "seeds torch's default generator; leave that to the run, whose seed it is")


def _generator_after_use(case: ModelCase, seed: int) -> Tensor:
    import torch

    with case.seeded(seed):
        model = case.model()
        model.loss(case.batch(), case.end).loss.backward()  # type: ignore[no-untyped-call]  # torch's
        model.eval().loss(case.batch(), case.end)
        model.sample(2)
        return torch.get_rng_state()


def _state() -> Iterator[tuple[str, Any]]:
    import numpy as np

    numbers: Any = np.random.get_state()
    yield "Python's generator", random.getstate()
    yield "NumPy's generator", (numbers[1].tobytes(), *numbers[2:])
    yield from ((name, value) for name, value, _ in switches())
