"""A run of given settings in a given folder: found there, gone on with, or trained."""

from __future__ import annotations

__all__ = ["train_or_reuse"]

from pathlib import Path

from zoo.errors import ZooError
from zoo.experiment import resume, run_training, settings_from
from zoo.registry import Registry
from zoo.runs.folder import Run
from zoo.settings import Settings
from zoo.training.progress import Progress


def train_or_reuse(
    registry: Registry, settings: Settings, folder: Path, progress: Progress, command: str = ""
) -> tuple[Run, bool]:
    """Return the run of settings in a folder, and whether it was there already.

    Arguments:
        registry: Where models, parts and data sets are found.
        settings: What determines the run.
        folder: The run folder; one that was stopped is gone on with.
        progress: Who is told.
        command: The command that trains the same again, for the card.

    Raises:
        ZooError: If the folder holds a run of other settings.
    """
    if not (folder / "config.toml").is_file():
        return run_training(registry, settings, progress, folder, command), False
    run = Run(folder)
    if settings_from(registry, run.settings).to_dict() != settings.to_dict():
        raise ZooError(f"{folder} holds a run of other settings; name another folder")
    if run.finished and run.scores:
        return run, True
    return resume(registry, folder, progress)[0], False
