"""From a name or a path to the plugins that are meant, and the registry that holds them."""

from __future__ import annotations

__all__ = ["Selection", "select", "select_all"]

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from zoo.catalogue import Source
from zoo.errors import ZooError, did_you_mean
from zoo.plugins.discovery import GROUP
from zoo.registry import Registry, load_registry
from zoo.testing.unpacked import put_on_path


@dataclass(frozen=True)
class Selection:
    """Plugins of a registry.

    Arguments:
        registry: The registry.
        sources: Which of its plugins; those that did not load too.
    """

    registry: Registry
    sources: tuple[Source, ...]


def select(package: str | Path, registry: Registry | None = None) -> Selection:
    """Return the plugins that a name or a path stands for.

    Arguments:
        package: An import package that holds a plugin, a distribution, a plugin, a file, or an unpacked folder.
        registry: Where to look; by default everything that is installed. A path is loaded anew.

    Raises:
        ZooError: If there is no such plugin.
    """
    path = Path(package)
    if path.suffix == ".py" or path.is_file():
        return _select_file(path)
    if path.is_dir() and (isinstance(package, Path) or not _named(package)):
        return _select_folder(path)
    registry = registry or load_registry()
    wanted = {(_distribution(point), point.name) for point in _named(str(package))}
    found = list(_sources(registry))
    # A file that was loaded beside what is installed has no entry point.
    sources = tuple(source for source in found if (source.distribution, source.plugin) in wanted) or tuple(
        source for source in found if package in (source.distribution, source.plugin)
    )
    if not sources:
        raise ZooError(_unknown(str(package), registry))
    return Selection(registry, sources)


def select_all(registry: Registry) -> Selection:
    """Return every plugin of a registry."""
    return Selection(registry, tuple(_sources(registry)))


def _select_file(path: Path) -> Selection:
    registry = load_registry(plugin_files=[path])
    return Selection(registry, tuple(source for source in _sources(registry) if source.distribution == path.name))


def _select_folder(path: Path) -> Selection:
    distribution = put_on_path(path)
    registry = load_registry()
    return Selection(registry, tuple(source for source in _sources(registry) if source.distribution == distribution))


def _sources(registry: Registry) -> Iterator[Source]:
    plugins = registry.plugins
    found = [plugin.source for plugin in plugins.loaded] + [fault.source for fault in plugins.faults]
    yield from dict.fromkeys(found)


def _named(name: str) -> list[EntryPoint]:
    """Return the entry points of a distribution, of a module or those below it, or of one name."""
    points = list(entry_points(group=GROUP))
    plain = name.replace("_", "-").lower()
    ways = (
        [point for point in points if _distribution(point).replace("_", "-").lower() == plain],
        [point for point in points if f"{point.value.partition(':')[0]}.".startswith(f"{name}.")],
        [point for point in points if point.name == name],
    )
    return next(filter(None, ways), [])


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else ""


def _unknown(name: str, registry: Registry) -> str:
    known = {word for source in _sources(registry) for word in (source.distribution, source.plugin)}
    disabled = any(name in (source.distribution, source.plugin) for source in registry.plugins.disabled)
    if disabled:
        return f"plugin '{name}' is disabled; see ZOO_DISABLE and --no-plugins"
    hint = did_you_mean(name, known)
    return f"no plugin is called '{name}'{hint} (see 'zoo plugins'; name a package, a distribution, a plugin or a path)"
