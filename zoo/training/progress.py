"""What a trainer tells whoever watches."""

from __future__ import annotations

__all__ = ["Progress", "Silent"]

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, final


class Progress(ABC):
    """Receives what happens in a run; the command line draws it."""

    @abstractmethod
    def say(self, message: str) -> None:
        """Show one line."""

    @abstractmethod
    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None:
        """Start with `done` steps taken."""

    @abstractmethod
    def step(self, count: int, epoch: int, images_per_second: float) -> None:
        """A step was taken; called for every one, so it must be quick."""

    @abstractmethod
    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is done; `record` is its line of `metrics.jsonl`."""

    @abstractmethod
    def stop(self) -> None:
        """The run ended, however it did."""


@final
class Silent(Progress):
    """Shows nothing."""

    def say(self, message: str) -> None:
        """Show nothing."""

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None:
        """Show nothing."""

    def step(self, count: int, epoch: int, images_per_second: float) -> None:
        """Show nothing."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        """Show nothing."""

    def stop(self) -> None:
        """Show nothing."""
