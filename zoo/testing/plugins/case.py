"""A plugin under test: what it declares, where it is from, and what was wrong when it was loaded."""

from __future__ import annotations

__all__ = ["PluginCase"]

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from types import ModuleType

from zoo.catalogue import Source
from zoo.plugins.discovery import GROUP, Fault, Plugin
from zoo.registry import ModelSpec, Registry
from zoo.specs import CompositionSpec, DatasetSpec, MetricSpec, PartSpec
from zoo.testing.check import NotApplicable
from zoo.testing.plugins.probe import Probe, probe

Spec = PartSpec | CompositionSpec | DatasetSpec | MetricSpec


@dataclass(frozen=True)
class PluginCase:
    """A plugin.

    Arguments:
        registry: What holds it, or its faults.
        source: Which one it is.
    """

    registry: Registry
    source: Source

    @property
    def faults(self) -> list[Fault]:
        """What was wrong when it was loaded."""
        return [fault for fault in self.registry.plugins.faults if fault.source == self.source]

    @property
    def plugin(self) -> Plugin:
        """What it declares.

        Raises:
            NotApplicable: If it did not load, which another check tells.
        """
        found = [plugin for plugin in self.registry.plugins.loaded if plugin.source == self.source]
        if not found:
            raise NotApplicable("it did not load")
        return found[0]

    @property
    def specs(self) -> Iterator[tuple[str, Spec]]:
        """What its hooks gave, with what messages call it."""
        plugin = self.plugin
        yield from ((f"{part.kind} {part.name}", part) for part in plugin.parts)
        yield from ((f"composition {composition.name}", composition) for composition in plugin.compositions)
        yield from ((f"data set {dataset.name}", dataset) for dataset in plugin.datasets)
        yield from ((f"metric {metric.name}", metric) for metric in plugin.metrics)

    @property
    def models(self) -> list[ModelSpec]:
        """The models of the registry that are its own."""
        entries = self.registry.models.entries()
        own = (self.source.distribution, self.source.plugin)
        return [entry.item for entry in entries if (entry.source.distribution, entry.item.plugin) == own]

    @property
    def module_name(self) -> str:
        """The module that its entry point names.

        Raises:
            NotApplicable: If it is a file, which was loaded by its path.
        """
        for point in entry_points(group=GROUP):
            dist = point.dist.name if point.dist is not None else ""
            if (dist, point.name) == (self.source.distribution, self.source.plugin):
                return point.value.partition(":")[0]
        raise NotApplicable("it is one file, which may import what it needs")

    @property
    def module(self) -> ModuleType:
        """Its module."""
        self.plugin  # noqa: B018  # not applicable if it did not load
        try:
            name = self.module_name
        except NotApplicable:
            name = self.source.plugin
        return importlib.import_module(name)

    @cached_property
    def probed(self) -> Probe:
        """What it costs to load, in a process of its own."""
        return self.probe_again()

    def probe_again(self) -> Probe:
        """Load it in one more process."""
        plugin = self.plugin
        references = {spec.options for spec in plugin.parts} | {spec.options for spec in plugin.metrics}
        return probe(self.module_name, sorted(references))
