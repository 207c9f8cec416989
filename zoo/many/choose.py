"""Whether many runs are trained side by side, and how, by rules that people can read."""

from __future__ import annotations

__all__ = ["choose"]

from collections.abc import Sequence

from zoo.device import choose_device
from zoo.many.choice import Choice, Way
from zoo.many.effort import effort_of
from zoo.many.resources import cores, room
from zoo.many.task import Task
from zoo.many.vectorised.alike import alike
from zoo.registry import Registry

LEAST_SECONDS = 20.0
"""Training of all runs one after another, below which processes would take longer to start than they save."""


def choose(registry: Registry, tasks: Sequence[Task], way: Way) -> Choice:
    """Choose how runs are trained.

    On the CPU, processes of one thread each: as many as there are cores, runs, and memory for. Where there is little to
    train, one after another. On a GPU, which one small net leaves idle, vectorised as far as runs are of one kind.

    Arguments:
        registry: Where models, parts and data sets are found.
        tasks: At least two runs that are not there yet.
        way: What was asked for.

    Raises:
        ZooError: If they cannot be trained in the way that was asked for, or not at all.
    """
    if way == "processes":
        return Choice("processes", min(len(tasks), cores(), room()))
    if way == "vectorised":
        return Choice("vectorised")
    if any(choose_device(task.settings.training.device).type != "cpu" for task in tasks):
        several = any(len(numbers) > 1 for numbers in alike(tasks))
        return Choice("vectorised") if several else Choice("off", reason="on a GPU, and no two are of one kind")
    if cores() < 2:
        return Choice("off", reason="there is one core")
    if _seconds(registry, tasks[0]) * len(tasks) < LEAST_SECONDS:
        return Choice("off")
    workers = min(len(tasks), cores(), room())
    return Choice("processes", workers) if workers > 1 else Choice("off", reason="there is memory for one alone")


def _seconds(registry: Registry, task: Task) -> float:
    try:
        return effort_of(registry, task).seconds
    except Exception:
        # Whatever is wrong with it is told in its turn.
        return 0.0
