"""Live progress of a run on a terminal, one line an epoch elsewhere; always on stderr."""

from __future__ import annotations

__all__ = ["watch"]

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

import click

from zoo.training.progress import Progress, epoch_line

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

EVERY = 0.1


def watch() -> Progress:
    """Return what shows a run's progress here."""
    return _Live() if sys.stderr.isatty() else _Lines()


def _line(record: Mapping[str, Any], epochs: int, left: float) -> str:
    return f"{epoch_line(record, epochs)}  {_duration(left)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


@final
class _Lines(Progress):
    """One line an epoch."""

    def __init__(self) -> None:
        self._epochs = 0

    def say(self, message: str) -> None:
        click.echo(message, err=True)

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None:
        self._epochs = epochs

    def step(self, count: int, epoch: int, images_per_second: float) -> None:
        """Lines are for epochs."""

    def epoch(self, record: Mapping[str, Any]) -> None:
        left = (self._epochs - record["epoch"]) * record["seconds"]
        click.echo(_line(record, self._epochs, left), err=True)

    def stop(self) -> None:
        """Nothing is open."""


@final
class _Live(Progress):
    """A bar for the epoch in work, above it a line for each that is done."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._epochs = 0
        self._steps = 0
        self._shown = 0.0

    def say(self, message: str) -> None:
        if self._bar is None:
            click.echo(message, err=True)
        else:
            self._bar.console.print(message, markup=False, highlight=False)

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._epochs, self._steps = epochs, steps_per_epoch
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[speed]}"))
        self._bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("starting", total=epochs * steps_per_epoch, completed=done, speed="")
        self._bar.start()

    def step(self, count: int, epoch: int, images_per_second: float) -> None:
        now = time.monotonic()
        if self._bar is None or self._task is None or now - self._shown < EVERY:
            return
        self._shown = now
        speed = f"{images_per_second:,.0f} images/s"
        self._bar.update(self._task, completed=count, description=f"epoch {epoch}/{self._epochs}", speed=speed)

    def epoch(self, record: Mapping[str, Any]) -> None:
        left = (self._epochs - record["epoch"]) * record["seconds"]
        self.say(_line(record, self._epochs, left))
        # The bar keeps up with the lines above it.
        self._shown = 0.0
        self.step(record["steps"], record["epoch"], record["images_per_second"])

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
