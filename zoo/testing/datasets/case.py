"""A data set under test."""

from __future__ import annotations

__all__ = ["DatasetCase"]

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from zoo.catalogue import Entry
from zoo.registry import Registry
from zoo.specs import DatasetSpec

if TYPE_CHECKING:
    from zoo.testing.datasets.loaded import Loaded


@dataclass(frozen=True)
class DatasetCase:
    """A data set of the registry.

    Arguments:
        registry: Where it is found.
        entry: The data set.
        argument: What follows its colon, if anything is given.
    """

    registry: Registry
    entry: Entry[DatasetSpec]
    argument: str | None = None

    @cached_property
    def home(self) -> Loaded:
        """Its images; imports torch."""
        from zoo.testing.datasets.loaded import Loaded

        return Loaded(self.registry, self.entry, self.argument)
