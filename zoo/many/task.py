"""What is to be trained, and what became of it."""

from __future__ import annotations

__all__ = ["Ended", "Lost", "Task"]

from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ZooError
from zoo.settings import Settings


class Lost(ZooError):
    """A run whose process ended before the run did: exit code 1."""

    exit_code = 1


@dataclass(frozen=True)
class Task:
    """One run among many.

    Arguments:
        label: What messages call it.
        settings: What determines it.
        folder: Where it is trained.
        command: The command that trains the same again, for the card.
    """

    label: str
    settings: Settings
    folder: Path
    command: str = ""


@dataclass(frozen=True)
class Ended:
    """What became of a run.

    Arguments:
        path: Where it lies, unless it failed.
        reused: Whether it was there before.
        error: Why it failed.
    """

    path: Path | None = None
    reused: bool = False
    error: Exception | None = None
