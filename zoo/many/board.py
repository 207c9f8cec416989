"""Many runs told as one: lines with the name of their run, and one bar for all of them."""

from __future__ import annotations

__all__ = ["Board"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from zoo.many.task import Task
from zoo.training.progress import Progress, epoch_line

TICKS = 1000
"""Into how many steps an epoch is divided: those of different runs are not of one length."""


@dataclass
class _Place:
    """Where one run is: its epochs done and in all, and its speed while it trains."""

    epochs: int
    steps: int = 1
    done: float = 0.0
    speed: float = 0.0


class Board:
    """Gathers what many runs tell.

    Arguments:
        progress: Who is told.
        tasks: The runs.
    """

    def __init__(self, progress: Progress, tasks: Sequence[Task]) -> None:
        self._progress = progress
        self._labels = [task.label for task in tasks]
        self._places = [_Place(task.settings.training.epochs) for task in tasks]

    def start(self) -> None:
        """Start the bar."""
        self._progress.start(sum(place.epochs for place in self._places), TICKS, 0)

    def stop(self) -> None:
        """End the bar."""
        self._progress.stop()

    def say(self, number: int, message: str) -> None:
        """Show a line of one run."""
        self._progress.say(f"{self._labels[number]}: {message}")

    def member(self, number: int) -> Progress:
        """Return what one run is to tell its progress."""
        return _Member(self, number, self._places[number])

    def ended(self, number: int) -> None:
        """A run has ended, however it did: it counts as done."""
        place = self._places[number]
        place.done, place.speed = place.epochs, 0.0
        self.show()

    def show(self) -> None:
        """Show where all of them are."""
        total = sum(place.epochs for place in self._places)
        done = sum(place.done for place in self._places)
        speed = sum(place.speed for place in self._places)
        self._progress.step(round(TICKS * done), min(int(done) + 1, total), speed)


@final
class _Member(Progress):
    """Tells the board where one run is."""

    def __init__(self, board: Board, number: int, place: _Place) -> None:
        self._board = board
        self._number = number
        self._place = place

    def say(self, message: str) -> None:
        self._board.say(self._number, message)

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None:
        self._place.epochs, self._place.steps, self._place.done = epochs, steps_per_epoch, done / steps_per_epoch
        self._board.show()

    def step(self, count: int, epoch: int, images_per_second: float) -> None:
        self._place.done, self._place.speed = count / self._place.steps, images_per_second
        self._board.show()

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.say(epoch_line(record, self._place.epochs))

    def stop(self) -> None:
        self._place.speed = 0.0
