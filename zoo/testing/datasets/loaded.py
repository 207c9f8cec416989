"""The images of a data set under test, read without a network."""

from __future__ import annotations

__all__ = ["Loaded"]

from functools import cached_property
from typing import Any, final

from zoo.catalogue import Entry
from zoo.data.cache import DataUnavailable
from zoo.data.images import ImageSet
from zoo.data.options import DataOptions
from zoo.datasets import open_images
from zoo.errors import one_line
from zoo.registry import Registry
from zoo.specs import DatasetSpec
from zoo.testing.check import NotApplicable
from zoo.testing.datasets.offline import offline


@final
class Loaded:
    """A data set, read as `--data` reads it.

    Arguments:
        registry: Where it is found.
        entry: The data set.
        argument: What follows its colon, if anything is given.
    """

    def __init__(self, registry: Registry, entry: Entry[DatasetSpec], argument: str | None) -> None:
        self.registry = registry
        self.entry = entry
        self.argument = argument

    @property
    def spec(self) -> DatasetSpec:
        """What is declared of it."""
        return self.entry.item

    @cached_property
    def images(self) -> ImageSet:
        """Its images, as they are read by default.

        Raises:
            NotApplicable: If they are not on this machine, or it wants an argument.
        """
        return self.read()

    def read(self, **options: Any) -> ImageSet:
        """Read it anew.

        Raises:
            NotApplicable: If it is not on this machine, or wants an argument.
        """
        if self.spec.argument and self.argument is None:
            raise NotApplicable(
                f"it reads what --data {self.spec.name}:{self.spec.argument} names, and nothing is named"
            )
        return self.open(self.argument, **options)

    def open(self, argument: str | None, **options: Any) -> ImageSet:
        """Read it with an argument.

        Raises:
            NotApplicable: If it is not on this machine.
        """
        name = self.entry.name if argument is None else f"{self.entry.name}:{argument}"
        with offline() as network:
            try:
                return open_images(self.registry, name, DataOptions(**options))
            except DataUnavailable as error:
                raise NotApplicable(f"it is not on this machine: {error}") from None
            except Exception as error:
                if network.asked:
                    raise NotApplicable(f"it would be downloaded, and is not: {one_line(error)}") from None
                raise
