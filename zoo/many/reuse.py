"""A run that is trained once: taken from where it lies, gone on with, or trained."""

from __future__ import annotations

__all__ = ["find_finished", "train_or_reuse", "was_stopped"]

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import zoo
from zoo.assembly import providers
from zoo.data.options import DataOptions
from zoo.errors import ZooError
from zoo.experiment import Fit, open_or_fall_back, resume, run_training, settings_from
from zoo.options import describe
from zoo.registry import Registry
from zoo.runs.checkpoint import read_checkpoint
from zoo.runs.folder import Run, find_run
from zoo.settings import Settings
from zoo.tracking import Tracker
from zoo.training.progress import Progress
from zoo.training.trainer import Trainer

ELSEWHERE = ("runs/*", "compare/*/runs/*", "sweep/*/runs/*")
"""Where runs of the same settings may lie, below the working folder."""


def train_or_reuse(
    registry: Registry,
    settings: Settings,
    folder: Path,
    progress: Progress,
    command: str = "",
    trackers: Sequence[Tracker] = (),
    *,
    anywhere: bool = True,
    fit: Fit = Trainer.fit,
) -> tuple[Run, bool]:
    """Return a finished run of these settings, and whether it was there already.

    A run is the same if its settings are, with the same versions of the zoo and of the plugins that it is made of. It
    is looked for in `folder`, beside it, and where runs, comparisons and sweeps of the working folder lie. One in
    `folder` that was stopped is gone on with; else one is trained there.

    Arguments:
        registry: Where models, parts and data sets are found.
        settings: What determines the run.
        folder: Where it is trained.
        progress: Who is told.
        command: The command that trains the same again, for the card.
        trackers: What follows the run if it is trained, or gone on with, here.
        anywhere: Whether one that lies elsewhere will do.
        fit: Has the trainer train, by itself or among others.

    Raises:
        ZooError: If a setting does not fit, data cannot be had, or `folder` holds something else.
        Diverged: If training stopped making sense.
    """
    if not settings.data_asked:
        settings, _ = open_or_fall_back(registry, settings, progress)
        settings = replace(settings, data_asked=True)
    found = find_finished(registry, settings, folder, anywhere=anywhere)
    if found is not None:
        progress.say(f"taking {found.path}, which was trained with the same settings")
        return found, True
    if was_stopped(registry, settings, folder):
        if read_checkpoint(folder) is not None:
            return resume(registry, folder, progress, trackers=trackers, fit=fit)[0], False
        # Stopped before its first checkpoint: nothing is lost.
        shutil.rmtree(folder)
    return run_training(registry, settings, progress, folder, command, trackers, fit=fit), False


def find_finished(registry: Registry, settings: Settings, folder: Path, *, anywhere: bool = True) -> Run | None:
    """Return a finished run of these settings, as `train_or_reuse` would, if there is one."""
    wanted = _wanted(registry, settings)
    for run in _candidates(folder, registry.plugins.paths, anywhere):
        if _is_finished(run, wanted) and not _is_outdated(run, settings):
            return run
    return None


def _candidates(folder: Path, plugins: tuple[Path, ...], anywhere: bool) -> Iterator[Run]:
    found = [folder]
    if anywhere:
        found += sorted(folder.parent.glob("*")) if folder.parent.is_dir() else []
        found += (path for places in ELSEWHERE for path in sorted(Path().glob(places)))
    for path in dict.fromkeys(found):
        try:
            run = find_run(path, plugins)
        except ZooError:
            continue
        yield run


def _wanted(registry: Registry, settings: Settings) -> dict[str, Any]:
    """Return what the weights file of such a run says of itself, as far as it is known before."""
    tables = settings.to_dict()
    facts = {
        **{name: tables[name] for name in ("model", "composition", "parts", "options", "training")},
        "data": {"name": settings.data, **tables["images"]},
        "providers": providers(registry, settings.model.composition, settings.model.parts, settings.data),
        "zoo": zoo.__version__,
    }
    plain: dict[str, Any] = json.loads(json.dumps(facts))
    return plain


def _is_finished(run: Run, wanted: dict[str, Any]) -> bool:
    """Whether a run has ended well, with the same settings from its first epoch to its last."""
    try:
        facts = run.metadata
        read = {field.name for field in describe(DataOptions)} | {"name"}
        found = {
            **{name: facts[name] for name in wanted if name not in ("data", "zoo")},
            "data": {name: value for name, value in facts["data"].items() if name in read},
            "zoo": facts["versions"].get("zoo"),
        }
        whole = facts["outcome"]["reason"] != "diverged" and bool(run.scores)
        return whole and found == wanted and "extended_from" not in run.settings
    except ZooError:
        return False


def _is_outdated(run: Run, settings: Settings) -> bool:
    """Whether files that the run was made from, the user's pictures or first weights, have changed since."""
    sources = [Path(settings.data.partition(":")[2])] if ":" in settings.data else []
    if settings.training.init_from is not None:
        sources.append(find_run(settings.training.init_from).weights)
    files = [file for source in sources for file in (source, *source.rglob("*")) if file.exists()]
    made = run.weights.stat().st_mtime
    return any(file.stat().st_mtime > made for file in files)


def was_stopped(registry: Registry, settings: Settings, folder: Path) -> bool:
    """Return whether a folder holds a run of these settings that was not finished."""
    try:
        run = find_run(folder)
        same = not run.scores and settings_from(registry, run).to_dict() == settings.to_dict()
    except ZooError:
        return False
    made_by = providers(registry, settings.model.composition, settings.model.parts, settings.data)
    return same and run.settings["providers"] == made_by
