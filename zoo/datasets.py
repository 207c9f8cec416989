"""From what `--data` names to images."""

from __future__ import annotations

__all__ = ["open_images", "sharing_images"]

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from zoo.data.images import ImageSet
from zoo.data.load import load_images
from zoo.data.options import DataOptions
from zoo.errors import ZooError
from zoo.registry import Registry
from zoo.specs import import_or_tell

_SHARED: ContextVar[dict[tuple[str, DataOptions], ImageSet] | None] = ContextVar("shared images", default=None)


@contextmanager
def sharing_images() -> Iterator[None]:
    """Have data that is asked for again inside the `with`, in the same way, be the same in memory."""
    token = _SHARED.set({})
    try:
        yield
    finally:
        _SHARED.reset(token)


def open_images(registry: Registry, data: str, options: DataOptions) -> ImageSet:
    """Read the data set that `--data` names: `mnist`, `folder:PATH`, or one of a plugin's.

    Raises:
        ZooError: If there is no such set, it takes nothing after its name, or it cannot be read.
    """
    shared = _SHARED.get()
    if shared is None:
        return _open(registry, data, options)
    if (data, options) not in shared:
        shared[data, options] = _open(registry, data, options)
    return shared[data, options]


def _open(registry: Registry, data: str, options: DataOptions) -> ImageSet:
    name, colon, argument = data.partition(":")
    entry = registry.datasets.find(name)
    if colon and not entry.item.argument:
        raise ZooError(f"--data {data}: {name} takes nothing after its name, write --data {name}")
    load = import_or_tell(entry.item.load, f"data set '{entry.name}' of {entry.source}")
    return load_images(load, argument if colon else None, options)
