"""How many threads a step is worth: all cores for a large net, one for a net that is done before a second wakes."""

from __future__ import annotations

__all__ = ["threads_for", "with_threads"]

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from zoo.interfaces import Batch, Model, Step
from zoo.training.randomness import isolated

_WORTH = 5e7
"""Operations in matrix products and convolutions, of one step, that another thread is worth."""


def threads_for(model: Model, batch: Batch, step: Step) -> int:
    """Return how many threads a model's steps should have on this machine.

    A rule and not a race of timings, because sums depend on how they are shared out, so that a race would give another
    model each time. What OMP_NUM_THREADS says is left as it is.

    Arguments:
        model: The model.
        batch: A batch like those of the steps.
        step: Any step.
    """
    most = torch.get_num_threads()
    if most == 1 or os.environ.get("OMP_NUM_THREADS") or batch.x.device.type != "cpu":
        return most
    return max(1, min(most, round(_operations(model, batch, step) / _WORTH)))


@contextmanager
def with_threads(count: int) -> Iterator[None]:
    """Compute with so many threads inside the `with`."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _operations(model: Model, batch: Batch, step: Step) -> float:
    """Return the operations of a step: its loss, and about twice as many for gradients."""
    # In eval mode, where running means stay as they are.
    training = model.training
    model.eval()
    with isolated(0), torch.no_grad(), _Counter() as counter:
        model.loss(batch, step)
    model.train(training)
    return 3.0 * float(counter.total)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Counts operations as torch's own counter does, which would import torch's compiler when it is first used."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.total = 0.0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.total += float(count(*args, **(kwargs or {}), out_val=found))
        return found
