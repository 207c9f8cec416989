"""What a trainer tells whoever watches."""

from __future__ import annotations

__all__ = ["Progress", "Silent", "epoch_line"]

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


def epoch_line(record: Mapping[str, Any], epochs: int) -> str:
    """Return an epoch's line of `metrics.jsonl` as people read it, of so many epochs in all."""
    train = "  ".join(f"{name} {value:.4g}" for name, value in record["train"].items())
    validation = "  ".join(f"{name} {value:.4g}" for name, value in record.get("validation", {}).items())
    terms = train + (f"  | validation: {validation}" if validation else "")
    return f"epoch {record['epoch']}/{epochs}  {terms}  {record['images_per_second']:,.0f} images/s"
