"""A part under test."""

from __future__ import annotations

__all__ = ["PartCase"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zoo.catalogue import Entry
from zoo.registry import Registry
from zoo.specs import FITTED_PRIOR, PartSpec

if TYPE_CHECKING:
    from zoo.testing.parts.places import Home


@dataclass(frozen=True)
class PartCase:
    """A part of the registry.

    Arguments:
        registry: Where it is found.
        kind: What kind of part it is.
        entry: The part.
        options: Its options, as far as they are not to be the defaults.
    """

    registry: Registry
    kind: str
    entry: Entry[PartSpec]
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def home(self) -> Home:
        """Where it is checked; imports torch."""
        if self.kind == FITTED_PRIOR:
            from zoo.testing.parts.fitted import FittedHome

            return FittedHome(self.registry, self.kind, self.entry, self.options)
        from zoo.testing.parts.home import PartHome

        return PartHome(self.registry, self.kind, self.entry, self.options)
