"""A loss compiled by torch: its small operations fused, after a warm-up that is told."""

from __future__ import annotations

__all__ = ["Compiled"]

import time
from collections.abc import Callable

import torch

from zoo.errors import one_line
from zoo.interfaces import Batch, Model, Step, Terms
from zoo.training.randomness import random_state, set_random_state


class Compiled:
    """A model's loss through `torch.compile`, for batches of one size; as it is for others, and where it fails.

    Only one size is compiled, because each takes as long as the first, and an epoch's last batch comes once.

    Arguments:
        model: The model.
        size: Images in a batch that is compiled for.
        say: Told how long it took, or why it was not done.
    """

    def __init__(self, model: Model, size: int, say: Callable[[str], None]) -> None:
        self._model = model
        self._size = size
        self._say = say
        self._compiled: Callable[[Batch, Step], Terms] | None = None

    def __call__(self, batch: Batch, step: Step) -> Terms:
        """Return the terms of a batch."""
        if self._compiled is None or len(batch.index) != self._size or not self._model.training:
            return self._model.loss(batch, step)
        return self._compiled(batch, step)

    def warm_up(self, batch: Batch, step: Step) -> None:
        """Compile for batches like this one, forward and backward, and leave no other trace."""
        if self._compiled is not None or len(batch.index) != self._size:
            return
        started = time.perf_counter()
        random = random_state(batch.x.device)
        buffers = [(buffer, buffer.detach().clone()) for buffer in self._model.buffers()]
        if len(self._model.players()) > 1:
            # They ask one graph for their gradients in turn, so none may use up its memory.
            torch._functorch.config.donated_buffer = False
        compiled = torch.compile(self._model.loss, dynamic=False)
        parameters = [value for value in self._model.parameters() if value.requires_grad]
        self._model.train()
        try:
            # The gradients' half is compiled when they are first asked for.
            torch.autograd.grad(compiled(batch, step).loss, parameters, allow_unused=True)
        except Exception as error:
            # Whatever a compiler stumbles over, the loss is there without it.
            self._say(f"NOTE: not compiled: {one_line(error)}")
        else:
            self._compiled = compiled
            self._say(f"compiled the loss in {time.perf_counter() - started:.0f} s")
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        set_random_state(random, batch.x.device)
