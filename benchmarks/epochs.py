"""The zoo's real training, run folder and all, heard of after each epoch, and stopped at will."""

from __future__ import annotations

__all__ = ["Enough", "train"]

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

import zoo
from zoo.training.progress import Progress


class Enough(Exception):
    """Nobody wants another epoch, nor scores."""


@final
class _Listening(Progress):
    def __init__(self, start: Callable[[int], None], epoch: Callable[[Mapping[str, Any]], None]) -> None:
        self._start, self._epoch = start, epoch

    def say(self, message: str) -> None:
        sys.stderr.write(f"{message}\n")

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None:
        self._start(steps_per_epoch)

    def step(self, count: int, epoch: int, images_per_second: float) -> None: ...

    def epoch(self, record: Mapping[str, Any]) -> None:
        self._epoch(record)

    def stop(self) -> None: ...


def train(
    model: str,
    epoch: Callable[[Mapping[str, Any]], None],
    start: Callable[[int], None] = lambda steps: None,
    **settings: Any,
) -> None:
    """Train until `epoch` raises `Enough`, into a folder that is thrown away.

    Arguments:
        model: A model of the registry.
        epoch: Called with each epoch's record, once its checkpoint is written.
        start: Called with the number of steps of an epoch before the first one.
        settings: Those of `zoo.train`.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            zoo.train(model, out=Path(folder) / "run", progress=_Listening(start, epoch), **settings)
        except Enough:
            return
