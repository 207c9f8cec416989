"""Many runs, trained before they are asked for where side by side is faster, else when they are asked for."""

from __future__ import annotations

__all__ = ["Trained", "train_many"]

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.many.choice import Choice, Way
from zoo.many.choose import choose
from zoo.many.pool import train_in_processes
from zoo.many.reuse import find_finished, train_or_reuse
from zoo.many.task import Ended, Task
from zoo.many.vectorised.alike import alike
from zoo.many.vectorised.together import train_together
from zoo.registry import Registry
from zoo.runs.folder import Run, find_run
from zoo.tracking import Tracker
from zoo.training.progress import Progress


@dataclass(frozen=True)
class Trained:
    """Runs that were trained, or will be.

    Arguments:
        registry: Where models, parts and data sets are found.
        ended: What became of those that were trained side by side, by their folders.
        progress: Who is told.
        trackers: What follows those that are trained when they are asked for.
        anywhere: Whether a finished run that lies elsewhere will do.
    """

    registry: Registry
    ended: Mapping[Path, Ended]
    progress: Progress
    trackers: Sequence[Tracker] = ()
    anywhere: bool = True

    def take(self, task: Task) -> tuple[Run, bool]:
        """Return a finished run, as `train_or_reuse` does, and whether it was there already.

        Raises:
            Exception: What its training raised.
        """
        found = self.ended.get(task.folder)
        if found is None:
            return train_or_reuse(
                self.registry,
                task.settings,
                task.folder,
                self.progress,
                task.command,
                self.trackers,
                anywhere=self.anywhere,
            )
        if found.error is not None:
            raise found.error
        assert found.path is not None, "a run either failed or lies somewhere"
        return find_run(found.path, self.registry.plugins.paths), found.reused


def train_many(
    registry: Registry,
    tasks: Sequence[Task],
    progress: Progress,
    trackers: Sequence[Tracker],
    way: Way,
    *,
    anywhere: bool = True,
) -> Trained:
    """Train those of many runs that are not there yet, side by side where that is faster, and say so.

    Arguments:
        registry: Where models, parts and data sets are found.
        tasks: The runs, whose data is settled; of two with the same settings one is trained, and taken for the other.
        progress: Who is told.
        trackers: What follows the runs that are trained.
        way: How they are to be trained.
        anywhere: Whether a finished run that lies elsewhere will do.

    Raises:
        ZooError: If they cannot be trained in the way that was asked for.
        KeyboardInterrupt: If interrupted; runs in work are saved.
    """
    nothing = Trained(registry, {}, progress, trackers, anywhere)
    if way == "off" or len(tasks) < 2:
        return nothing
    missing = _missing(registry, tasks, anywhere)
    if len(missing) < 2:
        return nothing
    choice = choose(registry, missing, way)
    if choice.way == "off":
        if choice.reason:
            progress.say(f"{len(missing)} runs one after another: {choice.reason}")
        return nothing
    return replace(nothing, ended=_train(registry, missing, progress, trackers, choice))


def _missing(registry: Registry, tasks: Sequence[Task], anywhere: bool) -> list[Task]:
    """Return the runs that are not there yet, each of them once, by what determines it."""
    found: dict[str, Task] = {}
    for task in tasks:
        if find_finished(registry, task.settings, task.folder, anywhere=anywhere) is None:
            found.setdefault(json.dumps(task.settings.to_dict(), sort_keys=True), task)
    return list(found.values())


def _train(
    registry: Registry, tasks: Sequence[Task], progress: Progress, trackers: Sequence[Tracker], choice: Choice
) -> dict[Path, Ended]:
    if choice.way == "processes":
        of = f"{choice.workers} processes of 1 thread" if choice.workers > 1 else "1 process of 1 thread"
        progress.say(f"{len(tasks)} runs side by side: {of}")
        ended = train_in_processes(registry, tasks, progress, trackers, choice.workers)
        return {task.folder: one for task, one in zip(tasks, ended, strict=True)}
    found: dict[Path, Ended] = {}
    for numbers in alike(tasks):
        group = [tasks[number] for number in numbers]
        if len(group) > 1:
            progress.say(f"{len(group)} runs vectorised in one step")
            ended = train_together(registry, group, progress, trackers)
            found |= {task.folder: one for task, one in zip(group, ended, strict=True)}
    if len(found) < len(tasks):
        others = len(tasks) - len(found)
        progress.say(
            f"{others} runs one after another, because they differ in more than seeds and options of each step"
        )
    return found
