"""What a run learns from, where it is, and how it ended."""

from __future__ import annotations

__all__ = ["Counters", "Outcome", "TrainingData"]

from dataclasses import dataclass, field

from zoo.training.feed import Feed


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from.

    Arguments:
        train: The training images.
        validation: Images held out of them, if any.
    """

    train: Feed
    validation: Feed | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Arguments:
        reason: `finished`, `budget` or `patience`.
        epochs: Epochs taken, with the fraction of the last.
        steps: Steps taken.
        seconds: Time spent in training steps.
        images_per_second: Median over the epochs, training alone.
    """

    reason: str
    epochs: float
    steps: int
    seconds: float
    images_per_second: float


@dataclass
class Counters:
    """Where a run is; all of it is in the checkpoint."""

    epoch: int = 0
    position: int = 0
    count: int = 0
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    speeds: list[float] = field(default_factory=list)
    reason: str = ""
