"""A process that trains one run after another for a parent, and ends when it is told to, or when the parent does.

What it is told comes through stdin, what it tells goes through stdout; whatever else is printed goes to stderr. When
stdin ends in the middle of a run, the run is saved as by Ctrl-C.
"""

from __future__ import annotations

__all__ = ["main"]

import _thread
import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any, final

from zoo.errors import one_line
from zoo.many.messages import Start, receive, send, unpack
from zoo.many.task import Ended, Task
from zoo.registry import Registry
from zoo.training.progress import Progress

EVERY = 0.2
"""Seconds between two looks at where a run is."""


def main() -> None:
    """Train what stdin asks for until it ends."""
    # A parent in the background may have handed down that it is to be ignored, and then nothing would end a run.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    inbox = Inbox(sys.stdin.buffer)
    out = _own_stdout()
    # Broken pipes: nobody is left to tell.
    with suppress(KeyboardInterrupt, BrokenPipeError):
        inbox.listen()
        first = inbox.next()
        if first is not None:
            _work(unpack(first), inbox, out)
    with suppress(BrokenPipeError):
        out.close()


def _own_stdout() -> IO[bytes]:
    """Return a stream to the parent, and let everything that is printed go to stderr."""
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return own


class Inbox:
    """Messages as they come, and an interruption of the run in work when they end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._busy = False
        self._ended = False

    def listen(self) -> None:
        """Read in a thread of its own."""
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> bytes | None:
        """Wait for the next message; nothing once there will be no more."""
        return self._waiting.get()

    def busy(self, working: bool) -> None:
        """Say whether a run is in work.

        Raises:
            KeyboardInterrupt: If messages have ended before it.
        """
        with self._lock:
            self._busy = working
            if working and self._ended:
                raise KeyboardInterrupt

    def _read(self) -> None:
        while (data := receive(self._stream)) is not None:
            self._waiting.put(data)
        with self._lock:
            self._ended = True
            if self._busy:
                _thread.interrupt_main()
        self._waiting.put(None)


def _work(start: Start, inbox: Inbox, out: IO[bytes]) -> None:
    # Only now, because it takes seconds, in which the parent may have ended.
    import torch

    torch.set_num_threads(start.threads)
    registry = start.loading.load()
    while (data := inbox.next()) is not None:
        inbox.busy(True)
        ended = _train(registry, start, unpack(data), Telling(out))
        inbox.busy(False)
        send(out, ("ended", _sendable(ended)))


def _train(registry: Registry, start: Start, task: Task, progress: Progress) -> Ended:
    from zoo.many.reuse import train_or_reuse

    try:
        # The parent has looked elsewhere already.
        run, reused = train_or_reuse(
            registry, task.settings, task.folder, progress, task.command, start.trackers, anywhere=False
        )
    except Exception as error:
        return Ended(error=error)
    return Ended(run.path, reused)


def _sendable(ended: Ended) -> Ended:
    """Return it with an error that another process can read."""
    try:
        pickle.loads(pickle.dumps(ended))
    except Exception:
        assert ended.error is not None, "paths can always be sent"
        return Ended(error=RuntimeError(one_line(ended.error)))
    return ended


@final
class Telling(Progress):
    """Tells the parent."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._told = 0.0

    def say(self, message: str) -> None:
        send(self._out, ("say", message))

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None:
        send(self._out, ("start", epochs, steps_per_epoch, done))

    def step(self, count: int, epoch: int, images_per_second: float) -> None:
        now = time.monotonic()
        if now - self._told >= EVERY:
            self._told = now
            send(self._out, ("step", count, epoch, images_per_second))

    def epoch(self, record: Mapping[str, Any]) -> None:
        send(self._out, ("epoch", dict(record)))

    def stop(self) -> None:
        send(self._out, ("stop",))
