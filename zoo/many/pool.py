"""Worker processes, each of which trains whole runs by the ordinary code."""

from __future__ import annotations

__all__ = ["train_in_processes"]

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from zoo.many.board import Board
from zoo.many.messages import Start, receive, send, unpack
from zoo.many.task import Ended, Lost, Task
from zoo.registry import Registry
from zoo.tracking import Tracker
from zoo.training.progress import Progress

_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from zoo.many.worker import main; main()"
_LOOK = 0.5
"""Seconds between two chances for Ctrl-C, where a wait cannot be interrupted."""
_PATIENCE = 10
"""Seconds that a process has to end once it has said its last word."""


def train_in_processes(
    registry: Registry, tasks: Sequence[Task], progress: Progress, trackers: Sequence[Tracker], workers: int
) -> list[Ended]:
    """Train runs in worker processes of one thread each, and return what became of each.

    A worker that is killed costs the run that it was at; another takes its place.

    Arguments:
        registry: Where models, parts and data sets are found.
        tasks: The runs.
        progress: Who is told.
        trackers: What follows the runs.
        workers: How many processes.

    Raises:
        KeyboardInterrupt: If interrupted, once all runs in work are saved; a second time, at once.
    """
    board = Board(progress, tasks)
    pool = _Pool(Start(registry.loading, tuple(trackers), 1), tasks, board, progress)
    board.start()
    try:
        return pool.run(workers)
    finally:
        board.stop()


class _Worker:
    """A process, with a thread each for what it tells and for what is printed in it."""

    def __init__(self, number: int, start: Start, events: queue.SimpleQueue[tuple[_Worker, str, Any]]) -> None:
        self.number = number
        self.task: int | None = None
        threads = str(start.threads)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
            # Ctrl-C of the terminal is for the parent, which tells the others.
            start_new_session=True,
        )
        self._events = events
        self._threads = [threading.Thread(target=read, daemon=True) for read in (self._listen, self._overhear)]
        for thread in self._threads:
            thread.start()
        self.send(start)

    def send(self, message: object) -> None:
        """Tell it something; one that has ended tells so itself."""
        assert self._process.stdin is not None, "it is a pipe"
        with suppress(OSError):
            send(self._process.stdin, message)

    def dismiss(self) -> None:
        """Let it end: at once if it is idle, else once its run is saved."""
        assert self._process.stdin is not None, "it is a pipe"
        with suppress(OSError):
            self._process.stdin.close()

    def wait(self) -> int:
        """Wait until it is gone, and return its exit code."""
        try:
            return self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it at once."""
        self.dismiss()
        self._process.kill()
        return self._process.wait()

    def close(self) -> None:
        """Leave nothing of it behind."""
        self.dismiss()
        for thread in self._threads:
            thread.join(_PATIENCE)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None, "it is a pipe"
        while (data := receive(self._process.stdout)) is not None:
            self._events.put((self, "told", unpack(data)))
        self._events.put((self, "gone", None))

    def _overhear(self) -> None:
        assert self._process.stderr is not None, "it is a pipe"
        for line in self._process.stderr:
            self._events.put((self, "printed", line.decode(errors="replace").rstrip()))


@dataclass
class _Pool:
    """Workers, and what they are at."""

    start: Start
    tasks: Sequence[Task]
    board: Board
    progress: Progress

    def __post_init__(self) -> None:
        self._events: queue.SimpleQueue[tuple[_Worker, str, Any]] = queue.SimpleQueue()
        self._waiting = deque(range(len(self.tasks)))
        self._members = [self.board.member(number) for number in range(len(self.tasks))]
        self._ended: dict[int, Ended] = {}
        self._workers: list[_Worker] = []

    def run(self, count: int) -> list[Ended]:
        """Train all of them."""
        try:
            for _ in range(min(count, len(self.tasks))):
                self._hire()
            while len(self._ended) < len(self.tasks):
                self._take_event()
            self._part()
        except KeyboardInterrupt:
            self.progress.say("interrupted: saving the runs in work; once more ends them at once")
            self._part()
            raise
        finally:
            for worker in self._workers:
                worker.kill()
                worker.close()
        return [self._ended[number] for number in range(len(self.tasks))]

    def _hire(self) -> None:
        worker = _Worker(len(self._workers), self.start, self._events)
        self._workers.append(worker)
        self._assign(worker)

    def _assign(self, worker: _Worker) -> None:
        worker.task = self._waiting.popleft() if self._waiting else None
        if worker.task is None:
            worker.dismiss()
        else:
            worker.send(self.tasks[worker.task])

    def _part(self) -> None:
        """Dismiss all workers and hear them out."""
        self._waiting.clear()
        for worker in self._workers:
            worker.dismiss()
        while self._workers:
            self._take_event(parting=True)

    def _take_event(self, *, parting: bool = False) -> None:
        try:
            worker, kind, value = self._events.get(timeout=_LOOK)
        except queue.Empty:
            return
        if kind == "gone":
            self._lose(worker, parting)
        elif kind == "printed":
            self._print(worker, value)
        else:
            self._hear(worker, value)

    def _lose(self, worker: _Worker, parting: bool) -> None:
        code = worker.wait()
        worker.close()
        self._workers.remove(worker)
        if worker.task is None or parting:
            return
        self._end(worker.task, Ended(error=Lost(f"its process ended before it did ({_how(code)})")))
        if self._waiting:
            self._hire()

    def _print(self, worker: _Worker, line: str) -> None:
        if worker.task is None:
            self.progress.say(line)
        else:
            self.board.say(worker.task, line)

    def _hear(self, worker: _Worker, told: tuple[Any, ...]) -> None:
        assert worker.task is not None, "one without a run has nothing to tell"
        member = self._members[worker.task]
        match told:
            case ("say", message):
                member.say(message)
            case ("start", epochs, steps, done):
                member.start(epochs, steps, done)
            case ("step", count, epoch, speed):
                member.step(count, epoch, speed)
            case ("epoch", record):
                member.epoch(record)
            case ("stop",):
                member.stop()
            case ("ended", ended):
                self._end(worker.task, ended)
                self._assign(worker)

    def _end(self, number: int, ended: Ended) -> None:
        self._ended[number] = ended
        self.board.ended(number)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in signal.Signals._value2member_map_ else f"signal {-code}"
    return f"{name}, often for want of memory" if name == "SIGKILL" else name
