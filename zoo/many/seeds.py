"""One model trained with several seeds: a run for each, and what their scores have in common."""

from __future__ import annotations

__all__ = ["Seeded", "summary", "train_seeds"]

import re
import shlex
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.distributed.launch import refuse_launch
from zoo.errors import Interrupted, ZooError, one_line
from zoo.experiment import open_or_fall_back
from zoo.many.choice import Way
from zoo.many.reuse import find_finished, was_stopped
from zoo.many.task import Task
from zoo.many.trained import Trained, train_many
from zoo.registry import Registry
from zoo.runs.folder import Run, new_run_folder
from zoo.settings import Settings
from zoo.tracking import Tracker
from zoo.training.progress import Progress


@dataclass(frozen=True)
class Seeded:
    """What became of one seed: its run, or why there is none."""

    seed: int
    run: Run | None = None
    error: str = ""


def train_seeds(
    registry: Registry,
    settings: Settings,
    seeds: int,
    progress: Progress,
    out: Path | None = None,
    trackers: Sequence[Tracker] = (),
    way: Way = "auto",
) -> list[Seeded]:
    """Train a model with successive seeds; where the same was begun and stopped, it goes on.

    Arguments:
        registry: Where models, parts and data sets are found.
        settings: What determines the run of the first seed.
        seeds: How many.
        progress: Who is told.
        out: The folder that the runs lie in, each as `<model>-<data>-seed<S>`; by default they are the next
            `runs/<model>-<data>-<N>-seed<S>`.
        trackers: What follows the runs.
        way: Whether they are trained side by side.

    Raises:
        ZooError: If a setting does not fit, data cannot be had, or a folder holds something else.
        Interrupted: If it was stopped; the same call goes on.
    """
    refuse_launch("--seeds")
    for tracker in trackers:
        tracker.load()
    settings, _ = open_or_fall_back(registry, settings, progress)
    settings = replace(settings, data_asked=True)
    first = settings.training.seed
    each = [replace(settings, training=replace(settings.training, seed=first + i)) for i in range(seeds)]
    tasks = [_task(registry, one, folder) for one, folder in zip(each, _folders(registry, each, out), strict=True)]
    try:
        trained = train_many(registry, tasks, progress, trackers, way, anywhere=False)
        return [_take(trained, task) for task in tasks]
    except KeyboardInterrupt:
        raise Interrupted("interrupted and saved; the same command goes on with it") from None


def summary(runs: Sequence[Run]) -> dict[str, dict[str, float | None]]:
    """Return the mean of each score that all runs have, and its standard deviation if there are two."""
    scores = [run.scores for run in runs]
    found: dict[str, dict[str, float | None]] = {}
    for name in scores[0] if scores else ():
        values = [one.get(name) for one in scores]
        numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        if len(numbers) == len(values):
            spread = statistics.stdev(numbers) if len(numbers) > 1 else None
            found[name] = {"mean": statistics.fmean(numbers), "sd": spread}
    return found


def _task(registry: Registry, settings: Settings, folder: Path) -> Task:
    command = shlex.join(["zoo", *registry.plugins.flags, "train", "--config", str(folder / "config.toml")])
    return Task(f"seed {settings.training.seed}", settings, folder, command)


def _take(trained: Trained, task: Task) -> Seeded:
    seed = task.settings.training.seed
    if task.folder not in trained.ended:
        trained.progress.say(f"{task.label}:")
    try:
        return Seeded(seed, trained.take(task)[0])
    except ZooError as error:
        return Seeded(seed, error=str(error))
    # One that fails, in whatever way its code does, must not cost the others.
    except Exception as error:
        return Seeded(seed, error=one_line(error))


def _folders(registry: Registry, each: Sequence[Settings], out: Path | None) -> list[Path]:
    """Return where the runs go.

    Raises:
        ZooError: If one of them is taken.
    """
    if out is None:
        return _numbered(registry, each)
    folders = [out / f"{_stem(one)}-seed{one.training.seed}" for one in each]
    for settings, folder in zip(each, folders, strict=True):
        if folder.exists() and not _is_ours(registry, settings, folder):
            new_run_folder(folder, settings.model.name, settings.data)
    return folders


def _numbered(registry: Registry, each: Sequence[Settings]) -> list[Path]:
    """Return the folders of the next number, or of the last one where the same was begun and is not done."""
    stem = _stem(each[0])
    numbers = [
        int(match[1]) for path in Path("runs").glob(f"{stem}-*") if (match := _NUMBER.match(path.name, len(stem)))
    ]
    last = max(numbers, default=0)
    folders = [Path("runs") / f"{stem}-{last}-seed{one.training.seed}" for one in each]
    begun = [was_stopped(registry, one, folder) for one, folder in zip(each, folders, strict=True)]
    ours = [not folder.exists() or _is_ours(registry, one, folder) for one, folder in zip(each, folders, strict=True)]
    if any(begun) and all(ours):
        return folders
    return [Path("runs") / f"{stem}-{last + 1}-seed{one.training.seed}" for one in each]


_NUMBER = re.compile(r"-(\d+)(?:-seed\d+)?$")


def _is_ours(registry: Registry, settings: Settings, folder: Path) -> bool:
    """Whether a folder holds a run of these settings, finished or not."""
    return was_stopped(registry, settings, folder) or (
        find_finished(registry, settings, folder, anywhere=False) is not None
    )


def _stem(settings: Settings) -> str:
    title = settings.model.name + (f".{settings.recipe}" if settings.recipe else "")
    return f"{title}-{re.sub(r'[^A-Za-z0-9.]+', '-', settings.data).strip('-.') or 'data'}"
