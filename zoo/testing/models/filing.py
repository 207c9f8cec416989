"""A model written into a run folder, and read from it again."""

from __future__ import annotations

__all__ = ["save_and_load"]

from pathlib import Path

from zoo.interfaces import Model
from zoo.runs.folder import WEIGHTS, find_run
from zoo.runs.loading import load_model, metadata_of, save_model
from zoo.testing.models.building import site
from zoo.testing.models.case import ModelCase


def save_and_load(case: ModelCase, model: Model, folder: Path) -> Model:
    """Write a model's weights file as a run does, and rebuild the model from it."""
    counts = dict.fromkeys(("epochs", "steps", "seconds", "images_per_second", "parameters"), 0)
    outcome = {"reason": "finished", **counts}
    metadata = metadata_of(case.registry, case.settings, site(case.shape), case.end, outcome)
    save_model(folder / WEIGHTS, model, metadata)
    return load_model(find_run(folder), case.registry)
