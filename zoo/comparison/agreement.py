"""One data set, read in one way, for everything that is compared."""

from __future__ import annotations

__all__ = ["Agreed", "agree"]

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from zoo.data.images import ImageSet
from zoo.errors import ZooError
from zoo.evaluation.runs import images_for
from zoo.experiment import open_or_fall_back
from zoo.registry import Registry
from zoo.runs.folder import Run
from zoo.settings import Settings
from zoo.training.progress import Progress

_SHAPING = ("image_size", "colour", "crop")
_READING = (*_SHAPING, "skip_bad", "binarize")
"""The options that decide what the test images are."""


@dataclass(frozen=True)
class Agreed:
    """What all models and runs see.

    Arguments:
        data: The data set's name.
        shape: The shape `(C, H, W)` of an image.
        train: The number of training images.
        test: The number of test images.
        models: The settings of the models, on this data.
    """

    data: str
    shape: tuple[int, int, int]
    train: int
    test: int
    models: Mapping[str, Settings]


def agree(registry: Registry, runs: Mapping[str, Run], models: Mapping[str, Settings], progress: Progress) -> Agreed:
    """Return the one data set of all runs and models, which are put on it where they name none.

    Arguments:
        registry: Where data sets are found.
        runs: Finished runs, by label.
        models: The settings of what is to be trained, by label.
        progress: Who is told of data that cannot be had.

    Raises:
        ZooError: If there are several, or several ways to read it.
    """
    models = dict(models)
    used = {label: run.metadata["data"]["name"] for label, run in runs.items()}
    shapes = {label: tuple(run.metadata["data"]["shape"]) for label, run in runs.items()}
    for data in used.values():
        models = _on_data(models, data)
    # Read here, so that a set that cannot be had is said once, and before anything is written.
    found = None if models else images_for(registry, next(iter(runs.values())))[0]
    read: dict[object, ImageSet] = {}
    for label in list(models):
        how = _shaping(models[label])
        if (models[label].data, *how) not in read:
            settings, images = open_or_fall_back(registry, models[label], progress)
            models = _on_data(models, settings.data)
            read[(settings.data, *how)] = found = images
        used[label] = models[label].data
        shapes[label] = read[(used[label], *how)].shape
    assert found is not None, "there is at least one run or one model"
    _refuse_several(used, "these are of different data, so that their scores say nothing of each other: ")
    sizes = {label: "×".join(map(str, shape)) for label, shape in shapes.items()}
    _refuse_several(sizes, "these take images of different shapes; add --image-size or leave some out: ")
    readings = {label: run.metadata["data"] for label, run in runs.items()}
    readings |= {label: settings.data_options.to_dict() for label, settings in models.items()}
    for option in _READING:
        told = "these are scored on other images than each other; give all the same, or leave some out: "
        _refuse_several({label: f"{option} {_word(read.get(option))}" for label, read in readings.items()}, told)
    return Agreed(next(iter(used.values())), found.shape, len(found.train), len(found.test), models)


def _shaping(settings: Settings) -> Iterable[Any]:
    """Return what decides the shape of images; most often all models read alike."""
    return [getattr(settings.data_options, option) for option in _SHAPING]


def _on_data(models: Mapping[str, Settings], data: str) -> dict[str, Settings]:
    """Return settings with a data set, where they name none of their own."""
    return {
        label: settings if settings.data_asked else replace(settings, data=data, data_asked=True)
        for label, settings in models.items()
    }


def _word(value: Any) -> str:
    return "none" if value is None else str(value)


def _refuse_several(found: Mapping[str, str], why: str) -> None:
    if len(set(found.values())) > 1:
        raise ZooError(why + ", ".join(f"{label} {value}" for label, value in found.items()))
