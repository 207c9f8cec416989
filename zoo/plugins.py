"""Discovery of plugins: each loaded guarded, so that a broken one costs one line and nothing else."""

from __future__ import annotations

__all__ = ["Fault", "Plugin", "Plugins", "discover"]

import importlib.util
import os
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from zoo import hookspecs
from zoo.catalogue import Source
from zoo.errors import ZooError, one_line
from zoo.specs import API, CompositionSpec, DatasetSpec, PartSpec

GROUP = "zoo.plugins"


@dataclass(frozen=True)
class Plugin:
    """A plugin that loaded, and what it declares."""

    source: Source
    parts: tuple[PartSpec, ...]
    compositions: tuple[CompositionSpec, ...]
    datasets: tuple[DatasetSpec, ...]
    tables: Mapping[str, Any]
    seconds: float
    imports_torch: bool


@dataclass(frozen=True)
class Fault:
    """A plugin, or one thing in it, that cannot be used; `reason` is one line."""

    source: Source
    reason: str
    error: BaseException | None = None

    def __str__(self) -> str:
        return f"plugin {self.source.plugin} ({self.source}): {self.reason}"


@dataclass
class Plugins:
    """The plugins of a process: those that loaded, those that did not, and the hooks of a run's life."""

    loaded: list[Plugin] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    disabled: list[Source] = field(default_factory=list)
    manager: pluggy.PluginManager = field(default_factory=lambda: _manager())

    def call(self, hook: str, **arguments: Any) -> list[str]:
        """Call a life-cycle hook of every plugin; return one line for each that raised."""
        problems = []
        for impl in getattr(self.manager.hook, hook).get_hookimpls():
            try:
                impl.function(*[arguments[name] for name in impl.argnames])
            except Exception as error:
                problems.append(f"plugin {impl.plugin_name}: {hook} raised {one_line(error)}; the run goes on")
        return problems


def discover(*, third_party: bool = True, files: Iterable[Path] = (), strict: bool | None = None) -> Plugins:
    """Load the plugins that are installed, ours first.

    Arguments:
        third_party: Whether plugins of other distributions are loaded.
        files: One-file plugins to load as well.
        strict: Whether a fault raises; by default if `ZOO_STRICT=1`. `ZOO_DISABLE=a,b` names plugins or
            distributions to leave out, `*` all but ours.

    Raises:
        ZooError: If a file is missing.
    """
    strict = os.environ.get("ZOO_STRICT", "") not in ("", "0") if strict is None else strict
    plugins = Plugins()
    disabled = {name.strip() for name in os.environ.get("ZOO_DISABLE", "").split(",")}
    for point in _entry_points():
        source = _source(point)
        if (not source.ours and (not third_party or "*" in disabled)) or disabled & {
            source.plugin,
            source.distribution,
            f"{source.distribution}:{source.plugin}",
        }:
            plugins.disabled.append(source)
        else:
            _load(plugins, source, point.load, strict)
    for path in files:
        source = Source(path.name, "", path.stem)
        if not path.is_file():
            raise ZooError(f"--plugin {path}: there is no such file")
        _load(plugins, source, lambda path=path: _module_of(path), strict)  # type: ignore[misc]  # a bound default
    return plugins


def _entry_points() -> list[EntryPoint]:
    found = {(_source(point), point.value): point for point in entry_points(group=GROUP)}
    return [found[key] for key in sorted(found, key=lambda key: (not key[0].ours, str(key)))]


def _source(point: EntryPoint) -> Source:
    dist = point.dist
    return Source(dist.name if dist else "unknown", dist.version if dist else "", point.name)


def _module_of(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    # A spec's strings name the module, so that it must be found by import.
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _load(plugins: Plugins, source: Source, load: Callable[[], Any], strict: bool) -> None:
    torch_before, started = "torch" in sys.modules, time.perf_counter()
    try:
        module = load()
        # A scratch manager, so that a plugin that breaks half-way leaves nothing in the shared one.
        scratch = _manager()
        _register(scratch, module, source)
        faults: list[Fault] = []
        collected = _collect(scratch, source, faults)
    except Exception as error:
        if strict:
            raise
        plugins.faults.append(Fault(source, f"did not load: {one_line(error)}", error))
        return
    if strict and faults:
        raise ZooError(str(faults[0]))
    plugins.faults += faults
    seconds, imports_torch = time.perf_counter() - started, "torch" in sys.modules and not torch_before
    plugins.loaded.append(Plugin(source, **collected, seconds=seconds, imports_torch=imports_torch))
    _register(plugins.manager, module, source)


def _register(manager: pluggy.PluginManager, module: Any, source: Source) -> None:
    # Qualified, because pluggy skips a name that is taken without a word.
    manager.register(module, name=f"{source.distribution}:{source.plugin}")
    manager.check_pending()
    if not any(caller.name.startswith("zoo_") for caller in manager.get_hookcallers(module) or ()):
        raise TypeError("implements no hook; mark functions such as zoo_parts with @zoo.hookimpl")


def _collect(manager: pluggy.PluginManager, source: Source, faults: list[Fault]) -> dict[str, Any]:
    hook = manager.hook
    collected: dict[str, Any] = {
        "parts": tuple(_specs(hook.zoo_parts, PartSpec, source, faults)),
        "compositions": tuple(_specs(hook.zoo_compositions, CompositionSpec, source, faults)),
        "datasets": tuple(_specs(hook.zoo_datasets, DatasetSpec, source, faults)),
    }
    tables: dict[str, Any] = {}
    for result in hook.zoo_registry():
        tables = _read_tables(result)
    return {**collected, "tables": tables}


def _specs(caller: Any, kind: type, source: Source, faults: list[Fault]) -> Iterator[Any]:
    if not caller.get_hookimpls():
        return
    results = caller()
    if not results:
        raise TypeError(f"{caller.name} returned None; return a list of {kind.__name__}")
    for result in results:
        for spec in result:
            if not isinstance(spec, kind):
                raise TypeError(f"{caller.name} gave {type(spec).__name__}, not {kind.__name__}")
            level = spec.api  # type: ignore[attr-defined]  # every spec has it
            if level > API:
                name = spec.name  # type: ignore[attr-defined]  # every spec has it
                faults.append(Fault(source, f"'{name}' needs a newer zoo (plugin API {level}, this one has {API})"))
            else:
                yield spec


def _read_tables(result: Any) -> dict[str, Any]:
    if isinstance(result, Mapping):
        return dict(result)
    if not isinstance(result, Path):
        raise TypeError(f"zoo_registry gave {type(result).__name__}, not a path or a mapping")
    with result.open("rb") as file:
        return tomllib.load(file)
