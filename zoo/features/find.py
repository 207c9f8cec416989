"""The classifier of a data set: the one that comes with the zoo, one that was kept, or a new one."""

from __future__ import annotations

__all__ = ["classifier_of", "keep", "shipped"]

import contextlib
from dataclasses import replace
from pathlib import Path

from zoo.data.images import ImageSet
from zoo.data.split import spread
from zoo.errors import ZooError
from zoo.features.classifier import Classifier
from zoo.features.files import SHIPPED, kept_path, read, shipped_path, write
from zoo.features.fingerprint import of_test, of_training
from zoo.features.learning import learn, targets_of
from zoo.training.progress import Progress, Silent


def classifier_of(images: ImageSet, label: str = "label", progress: Progress | None = None) -> Classifier:
    """Return the classifier of a data set; where there is none, train it, and keep it for the next time.

    Arguments:
        images: The data set.
        label: The name of the label that it tells.
        progress: Who is told when one is trained.

    Raises:
        Unjudged: If the images have no such label, or are too few to learn from.
        ZooError: If a file that comes with the zoo is damaged.
    """
    tell = progress or Silent()
    if (known := shipped(images, label)) is not None:
        return known
    # Of a large set a part: it would be learnt from for days, and be as good.
    images = replace(images, train=spread(images.train)[0])
    targets_of(images, label)
    path = kept_path(images.name, images.shape, label, of_training(images, label))
    if path.is_file():
        try:
            return read(path)
        except ZooError as error:
            tell.say(f"{error}; it is made again")
    tell.say(f"training a classifier of {images.name} once, in whose features samples are compared: {path}")
    found = learn(images, label)
    # A cache that cannot be written costs time, and nothing else.
    with contextlib.suppress(OSError):
        keep(found)
    return found


def shipped(images: ImageSet, label: str = "label") -> Classifier | None:
    """Return the classifier that comes with the zoo for these images, if there is one.

    They are known by the test images, so that every run is seen by the same one, however few images it learnt from.

    Raises:
        ZooError: If its file is damaged.
    """
    if images.name not in SHIPPED or label != "label":
        return None
    found = read(shipped_path(images.name))
    return found if found.facts.shape == images.shape and found.facts.test == of_test(images) else None


def keep(found: Classifier, path: Path | None = None) -> Path:
    """Write a classifier to a file, by default to where it is looked for, and return the file.

    Raises:
        OSError: If it cannot be written.
    """
    facts = found.facts
    path = path or kept_path(facts.data, facts.shape, facts.label, facts.train)
    write(path, found)
    return path
