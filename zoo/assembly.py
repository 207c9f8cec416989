"""From settings and a data shape to a model: the first file that imports the parts' code."""

from __future__ import annotations

__all__ = ["build_fitted_prior", "build_model", "build_parts", "compose", "providers"]

from collections.abc import Mapping
from dataclasses import replace

from zoo.interfaces import FittedPrior, Model, Part, Site
from zoo.options import Options
from zoo.registry import Registry
from zoo.specs import FITTED_PRIOR, import_or_tell


def build_model(
    registry: Registry,
    composition: str,
    parts: Mapping[str, str],
    options: Mapping[str, Options],
    site: Site,
) -> Model:
    """Build a model's parts, each after those it needs, and compose them.

    Arguments:
        registry: Where parts are found.
        composition: The kind of model.
        parts: The part's name for each role.
        options: The part's options for each role.
        site: The data that it is built for.

    Raises:
        ZooError: If a part cannot be imported, or does not fit the data or the other parts.
    """
    return compose(registry, composition, build_parts(registry, composition, parts, options, site), site)


def build_parts(
    registry: Registry,
    composition: str,
    parts: Mapping[str, str],
    options: Mapping[str, Options],
    site: Site,
) -> dict[str, Part]:
    """Build a model's parts, each after those it needs; arguments as `build_model`.

    Raises:
        ZooError: If a part cannot be imported, or does not fit the data or the other parts.
    """
    built: dict[str, Part] = {}
    for role in registry.composition(composition).build_order():
        if role.name not in parts:
            continue
        entry = registry.part(role.kind, parts[role.name])
        part = import_or_tell(entry.item.part, f"{role.name} '{entry.name}' of {entry.source}")
        needed = {name: built[name] for name in role.needs if name in built}
        built[role.name] = part(options[role.name], replace(site, parts=needed))
    return built


def compose(registry: Registry, composition: str, parts: Mapping[str, Part], site: Site) -> Model:
    """Put a model's parts together.

    Raises:
        ZooError: If the composition cannot be imported, or the parts do not fit each other.
    """
    entry = registry.compositions.find(composition)
    model = import_or_tell(entry.item.model, f"composition '{composition}' of {entry.source}")
    composed: Model = model(parts, site)
    return composed


def build_fitted_prior(registry: Registry, name: str, options: Options, site: Site) -> FittedPrior:
    """Build a prior that is fitted after training, for a model whose own prior has that site.

    Raises:
        ZooError: If there is none of that name, or it cannot be imported.
    """
    entry = registry.part(FITTED_PRIOR, name)
    part = import_or_tell(entry.item.part, f"{FITTED_PRIOR} '{entry.name}' of {entry.source}")
    built: FittedPrior = part(options, site)
    return built


def providers(registry: Registry, composition: str, parts: Mapping[str, str], data: str) -> dict[str, dict[str, str]]:
    """Return which distribution and plugin each role's part, the composition and the data set come from."""
    spec = registry.composition(composition)
    sources = {role.name: registry.part(role.kind, parts[role.name]).source for role in spec.filled(parts)}
    sources["composition"] = registry.compositions.find(composition).source
    sources["data"] = registry.datasets.find(data.partition(":")[0]).source
    return {name: source.to_dict() for name, source in sources.items()}
