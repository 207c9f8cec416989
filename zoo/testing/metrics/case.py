"""A metric under test."""

from __future__ import annotations

__all__ = ["MetricCase"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zoo.catalogue import Entry
from zoo.registry import Registry
from zoo.specs import MetricSpec

if TYPE_CHECKING:
    from zoo.testing.metrics.subjects import Scored


@dataclass(frozen=True)
class MetricCase:
    """A metric of the registry.

    Arguments:
        registry: Where it is found.
        entry: The metric.
        options: Its options, as far as they are not to be the defaults.
    """

    registry: Registry
    entry: Entry[MetricSpec]
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def home(self) -> Scored:
        """The models that it is asked of; imports torch."""
        from zoo.testing.metrics.subjects import Scored

        return Scored(self.registry, self.entry, self.options)
