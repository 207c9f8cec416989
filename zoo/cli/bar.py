"""How far something has come, for what is no training: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

__all__ = ["bar"]

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress

EVERY = 0.1
LINE_EVERY = 10.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def bar(what: str, unit: str = "images", scale: float = 1.0) -> Iterator[Callable[[int, int], None]]:
    """Show inside the `with` what it is told: how much is done, and how much there is; nothing before it is told.

    Arguments:
        what: What is done.
        unit: What is counted.
        scale: What a count is multiplied by to be in that unit.
    """
    shown = _Bar(what, unit, scale) if sys.stderr.isatty() else _Lines(what, unit, scale)
    try:
        yield shown
    finally:
        shown.stop()


class _Lines:
    """A line every ten seconds."""

    def __init__(self, what: str, unit: str, scale: float) -> None:
        self._what, self._unit, self._scale = what, unit, scale
        self._told = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told >= LINE_EVERY:
            self._told = now
            counts = f"{done * self._scale:,.0f} of {total * self._scale:,.0f} {self._unit}"
            click.echo(f"{self._what}: {counts}", err=True)

    def stop(self) -> None:
        """Nothing is open."""


class _Bar:
    """A bar with speed and time left."""

    def __init__(self, what: str, unit: str, scale: float) -> None:
        self._what, self._unit, self._scale = what, unit, scale
        self._progress: Progress | None = None
        self._begun = self._shown = 0.0
        self._first = 0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._progress is None:
            self._start(done, total)
        elif now - self._shown < EVERY and done < total:
            return
        assert self._progress is not None
        self._shown = now
        speed = (done - self._first) * self._scale / max(now - self._begun, EVERY)
        self._progress.update(self._progress.task_ids[0], completed=done, speed=f"{speed:,.0f} {self._unit}/s")
        if done >= total:
            self.stop()

    def _start(self, done: int, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._begun, self._first = time.monotonic(), done
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[speed]}"))
        self._progress = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        self._progress.add_task(self._what, total=total, completed=done, speed="")
        self._progress.start()

    def stop(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
