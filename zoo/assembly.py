"""From settings and a data shape to a model: the first file that imports the parts' code."""

from __future__ import annotations

__all__ = ["build_model", "providers"]

from collections.abc import Mapping
from typing import Any

from zoo.catalogue import Source
from zoo.errors import ZooError, one_line
from zoo.interfaces import Model, Part, Site
from zoo.options import Options
from zoo.registry import Registry
from zoo.specs import import_reference


def build_model(
    registry: Registry,
    composition: str,
    parts: Mapping[str, str],
    options: Mapping[str, Options],
    shape: tuple[int, int, int],
    train_size: int,
) -> Model:
    """Build a model's parts, each after those it needs, and compose them.

    Arguments:
        registry: Where parts are found.
        composition: The kind of model.
        parts: The part's name for each role.
        options: The part's options for each role.
        shape: The shape `(C, H, W)` of one image.
        train_size: The number of training images.

    Raises:
        ZooError: If a part cannot be imported, or does not fit the data or the other parts.
    """
    spec = registry.composition(composition)
    built: dict[str, Part] = {}
    for role in spec.build_order():
        entry = registry.part(role.kind, parts[role.name])
        part = _import(entry.item.part, f"{role.name} '{entry.name}'", entry.source)
        site = Site(shape, train_size, {name: built[name] for name in role.needs})
        built[role.name] = part(options[role.name], site)
    model = _import(spec.model, f"composition '{spec.name}'", registry.compositions.find(spec.name).source)
    composed: Model = model(built, Site(shape, train_size, {}))
    return composed


def _import(reference: str, what: str, source: Source) -> Any:
    try:
        return import_reference(reference)
    except Exception as error:
        raise ZooError(f"{what} of {source} does not import: {one_line(error)}") from error


def providers(registry: Registry, composition: str, parts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return which distribution and plugin provides each role's part, for the metadata of a saved model."""
    spec = registry.composition(composition)
    entries = {role.name: registry.part(role.kind, parts[role.name]) for role in spec.roles}
    return {
        name: {
            "distribution": entry.source.distribution,
            "version": entry.source.version,
            "plugin": entry.source.plugin,
        }
        for name, entry in entries.items()
    }
