"""Many runs from their tasks to their folders, whose steps are taken together."""

from __future__ import annotations

__all__ = ["train_together"]

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from zoo.datasets import sharing_images
from zoo.experiment import Fit
from zoo.interfaces import Step
from zoo.many.board import Board
from zoo.many.reuse import train_or_reuse
from zoo.many.task import Ended, Task
from zoo.many.vectorised.build import joint_step
from zoo.many.vectorised.lockstep import Take, go_in_step
from zoo.many.vectorised.threads import RunThread
from zoo.registry import Registry
from zoo.tracking import Tracker
from zoo.training.capture import recorded_on
from zoo.training.feed import Several
from zoo.training.progress import Progress
from zoo.training.randomness import isolated


def train_together(
    registry: Registry, tasks: Sequence[Task], progress: Progress, trackers: Sequence[Tracker]
) -> list[Ended]:
    """Train runs of one kind in one process, their steps computed together, and return what became of each.

    Each run is the ordinary one but for the loss and its gradients, which are computed for all at once. Where that
    cannot be done, or would not be what each computes alone, it is told, and they are trained one after another.

    Arguments:
        registry: Where models, parts and data sets are found.
        tasks: The runs.
        progress: Who is told.
        trackers: What follows the runs.

    Raises:
        KeyboardInterrupt: If interrupted, once all runs are saved.
    """
    board = Board(progress, tasks)
    with isolated(0), sharing_images():
        return _Together(registry, tasks, board, progress, trackers).train()


class _Together:
    def __init__(
        self,
        registry: Registry,
        tasks: Sequence[Task],
        board: Board,
        progress: Progress,
        trackers: Sequence[Tracker],
    ) -> None:
        self._registry = registry
        self._tasks = tasks
        self._board = board
        self._progress = progress
        self._trackers = trackers
        self._runs = [RunThread(partial(self._work, number)) for number in range(len(tasks))]

    def train(self) -> list[Ended]:
        try:
            for run in self._runs:
                run.start()
                self._check(run)
            self._board.start()
            for numbers in self._groups():
                self._go(numbers)
        except KeyboardInterrupt:
            for run in self._runs:
                run.abandon()
            raise
        finally:
            self._board.stop()
        return [run.ended for run in self._runs if run.ended is not None]

    def _check(self, run: RunThread) -> None:
        if run.interrupted:
            raise KeyboardInterrupt

    def _work(self, number: int, fit: Fit) -> Ended:
        task = self._tasks[number]
        try:
            run, reused = train_or_reuse(
                self._registry,
                task.settings,
                task.folder,
                self._board.member(number),
                task.command,
                self._trackers,
                anywhere=False,
                fit=fit,
            )
        except Exception as error:
            return Ended(error=error)
        return Ended(run.path, reused)

    def _groups(self) -> list[list[int]]:
        """Return the runs that are at one step, of those that have come to where they train."""
        found: dict[tuple[int, int], list[int]] = defaultdict(list)
        for number, run in enumerate(self._runs):
            if run.ended is None:
                found[(run.trainer.count, len(run.trainer.data.train))].append(number)
        return list(found.values())

    def _go(self, numbers: list[int]) -> None:
        runs = [self._runs[number] for number in numbers]

        def build(live: Sequence[int], stored: Several, step: Step) -> Take:
            trainers = [runs[i].trainer for i in live]
            generators = [runs[i].generator for i in live]
            settings = [self._tasks[numbers[i]].settings for i in live]
            joint = joint_step(self._registry, trainers, generators, settings, stored, step)
            return recorded_on(step.count.device, joint, self._progress.say)

        ends = go_in_step(runs, build, self._tell_unfit)
        for number, end in zip(numbers, ends, strict=True):
            self._runs[number].end(end)
            self._board.ended(number)
        for run in runs:
            self._check(run)

    def _tell_unfit(self, reason: str) -> None:
        self._progress.say(f"NOTE: not vectorised but one after another: {reason}")
