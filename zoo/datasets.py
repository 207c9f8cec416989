"""From what `--data` names to images."""

from __future__ import annotations

__all__ = ["open_images"]

from zoo.data.images import ImageSet
from zoo.data.load import load_images
from zoo.data.options import DataOptions
from zoo.errors import ZooError
from zoo.registry import Registry
from zoo.specs import import_or_tell


def open_images(registry: Registry, data: str, options: DataOptions) -> ImageSet:
    """Read the data set that `--data` names: `mnist`, `folder:PATH`, or one of a plugin's.

    Raises:
        ZooError: If there is no such set, it takes nothing after its name, or it cannot be read.
    """
    name, colon, argument = data.partition(":")
    entry = registry.datasets.find(name)
    if colon and not entry.item.argument:
        raise ZooError(f"--data {data}: {name} takes nothing after its name, write --data {name}")
    load = import_or_tell(entry.item.load, f"data set '{entry.name}' of {entry.source}")
    return load_images(load, argument if colon else None, options)
