"""Checkpoints: everything that a run needs to go on as if it had never stopped, in one file."""

from __future__ import annotations

__all__ = ["Checkpoint", "Checkpoints", "read_checkpoint", "write_checkpoint"]

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from torch import Tensor

from zoo.runs.weights import read_tensors, write_tensors

FILE = "checkpoint/last.safetensors"

APART = 0.5
"""Seconds of training that a crash may take: epochs may be so short that a checkpoint takes as long as one."""


@dataclass(frozen=True)
class Checkpoint:
    """A trainer's state.

    Arguments:
        tensors: Weights, buffers, optimiser state, generator states, by prefixed name.
        facts: Counters and numbers, as JSON can hold them.
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    def under(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors below a prefix, without it."""
        start = f"{prefix}/"
        return {name.removeprefix(start): value for name, value in self.tensors.items() if name.startswith(start)}


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint of a run in one step: tensors and facts are in one file, so they always agree."""
    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    write_tensors(path, checkpoint.tensors, checkpoint.facts)


@final
class Checkpoints:
    """Writes the checkpoints of a run, those that follow closely upon another left out.

    Never left out is the first one, one within an epoch, which is of a run that is interrupted, the one at the end, and
    one that comes a second time.

    Arguments:
        folder: The run's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = -math.inf
        self._step: int | None = None

    def __call__(self, checkpoint: Checkpoint) -> None:
        """Write a trainer's state, or leave it out."""
        facts, again = checkpoint.facts, checkpoint.facts["count"] == self._step
        self._step = facts["count"]
        if again or facts["position"] or facts["reason"] or time.monotonic() - self._written >= APART:
            write_checkpoint(self._folder, checkpoint)
            self._written = time.monotonic()


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the checkpoint of a run, or nothing if it has none.

    Raises:
        ZooError: If the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    tensors, facts = read_tensors(path)
    return Checkpoint(tensors, facts)
