"""Several processes of one run, of which one talks."""

from __future__ import annotations

__all__ = ["let_first_speak", "one_voice", "silent"]

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from zoo.distributed.launch import launched
from zoo.errors import ZooError

_PAUSE = 5.0
"""Seconds in which a process waits to be ended, because the first one made the same mistake and tells it."""


def silent() -> bool:
    """Return whether this is not the process that talks."""
    try:
        launch = launched()
    except ZooError:
        # Told by whoever asks in earnest.
        return False
    return launch is not None and launch.rank > 0


@contextmanager
def one_voice() -> Iterator[None]:
    """Show what is said inside the `with` in the first process alone."""
    if not silent():
        yield
        return
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        yield


def let_first_speak() -> None:
    """Wait before a mistake is told that the first process mostly made as well; torchrun then ends this one."""
    if silent():
        time.sleep(_PAUSE)
