"""From what `--data` names to images, or to what is packed."""

from __future__ import annotations

__all__ = ["open_images", "open_source", "sharing_images"]

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from zoo.data.images import ImageSet
from zoo.data.load import load_images
from zoo.data.options import DataOptions
from zoo.data.source import Source, in_memory
from zoo.errors import ZooError
from zoo.registry import Registry
from zoo.specs import DatasetSpec, import_or_tell, import_reference

_IN_BLOCKS = {
    "zoo.data.folder:folder": "zoo.data.folder:folder_source",
    "zoo.data.npz:npz": "zoo.data.arrays:npz_source",
}
"""Sets of any size, by their reader: what reads them in blocks."""

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
    spec, owner, argument = _find(registry, data)
    return load_images(import_or_tell(spec.load, owner), argument, options)


def open_source(
    registry: Registry,
    data: str,
    options: DataOptions,
    processes: int | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> AbstractContextManager[Source]:
    """Open the data set that `--data` names to be packed: block by block, or whole where its reader knows no blocks.

    Arguments:
        registry: Where data sets are found.
        data: The set.
        options: How it is read.
        processes: How many decode pictures; by default one a core, where there are cores and pictures enough.
        tell: Told how many pictures were looked at, of how many.

    Raises:
        ZooError: As `open_images`.
    """
    spec, owner, argument = _find(registry, data)
    if spec.load in _IN_BLOCKS:
        found: AbstractContextManager[Source] = import_reference(_IN_BLOCKS[spec.load])(
            argument, options, processes, tell
        )
        return found
    return nullcontext(in_memory(load_images(import_or_tell(spec.load, owner), argument, options)))


def _find(registry: Registry, data: str) -> tuple[DatasetSpec, str, str | None]:
    """Return a set, what messages call it, and what follows its name."""
    name, colon, argument = data.partition(":")
    entry = registry.datasets.find(name)
    if colon and not entry.item.argument:
        raise ZooError(f"--data {data}: {name} takes nothing after its name, write --data {name}")
    return entry.item, f"data set '{entry.name}' of {entry.source}", argument if colon else None
