"""A metric under test."""

from __future__ import annotations

__all__ = ["MetricCase"]

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from zoo.catalogue import Entry
from zoo.registry import Registry
from zoo.specs import MetricSpec

if TYPE_CHECKING:
    from zoo.testing.scored import Scored


@dataclass(frozen=True)
class MetricCase:
    """A metric of the registry.

    Arguments:
        registry: Where it is found.
        entry: The metric.
    """

    registry: Registry
    entry: Entry[MetricSpec]

    @cached_property
    def home(self) -> Scored:
        """The models that it is asked of; imports torch."""
        from zoo.testing.scored import Scored

        return Scored(self.registry, self.entry)
