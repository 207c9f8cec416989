"""Discovery of plugins: each loaded guarded, so that a broken one costs one line and nothing else."""

from __future__ import annotations

__all__ = ["Fault", "Plugin", "Plugins", "discover"]

import importlib.util
import os
import re
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from zoo import hookspecs
from zoo.catalogue import Source, is_name
from zoo.errors import ZooError, one_line
from zoo.specs import ABILITIES, API, GROUPS, CompositionSpec, DatasetSpec, MetricSpec, PartSpec, TrackerSpec

S = TypeVar("S", PartSpec, CompositionSpec, DatasetSpec, MetricSpec, TrackerSpec)

GROUP = "zoo.plugins"
ENGINE = "engine"
"""The plugin that the engine cannot do without."""


@dataclass(frozen=True)
class Plugin:
    """A plugin that loaded, and what it declares."""

    source: Source
    parts: tuple[PartSpec, ...]
    compositions: tuple[CompositionSpec, ...]
    datasets: tuple[DatasetSpec, ...]
    metrics: tuple[MetricSpec, ...]
    trackers: tuple[TrackerSpec, ...]
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
    """The plugins of a process: those that loaded, and those that did not.

    Each has a pluggy manager of its own, so that one that breaks half-way leaves nothing in another's.
    """

    loaded: list[Plugin] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    disabled: list[Source] = field(default_factory=list)
    strict: bool = False
    managers: list[pluggy.PluginManager] = field(default_factory=list)

    def report(self, source: Source, reason: str, error: BaseException | None = None) -> None:
        """Keep a fault.

        Raises:
            ZooError: If plugins are loaded strictly.
        """
        fault = Fault(source, reason, error)
        if self.strict:
            raise ZooError(str(fault)) from error
        self.faults.append(fault)


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
    plugins = Plugins(strict=strict)
    disabled = {name.strip() for name in os.environ.get("ZOO_DISABLE", "").split(",")}
    for source, point in _entry_points():
        if _is_disabled(source, disabled, third_party):
            plugins.disabled.append(source)
        else:
            _load(plugins, source, point.load)
    for path in files:
        if not path.is_file():
            raise ZooError(f"--plugin {path}: there is no such file")
        _load(plugins, Source(path.name, "", path.stem), lambda path=path: _module_of(path))  # type: ignore[misc]  # a bound default
    return plugins


def _is_disabled(source: Source, disabled: set[str], third_party: bool) -> bool:
    if source.ours and source.plugin == ENGINE:
        return False
    if not source.ours and (not third_party or "*" in disabled):
        return True
    return bool(disabled & {source.plugin, source.distribution, f"{source.distribution}:{source.plugin}"})


def _entry_points() -> list[tuple[Source, EntryPoint]]:
    facts: dict[int, tuple[str, str]] = {}
    found: dict[tuple[Source, str], EntryPoint] = {}
    for point in entry_points(group=GROUP):
        if id(point.dist) not in facts:
            facts[id(point.dist)] = _name_and_version(point.dist)
        found.setdefault((Source(*facts[id(point.dist)], point.name), point.value), point)
    return [(key[0], found[key]) for key in sorted(found, key=lambda key: (not key[0].ours, str(key)))]


def _name_and_version(dist: Distribution | None) -> tuple[str, str]:
    """Return what a distribution is called; read by hand, because the standard library parses its whole README."""
    text = (dist.read_text("METADATA") or dist.read_text("PKG-INFO") or "") if dist is not None else ""
    head = dict(re.findall(r"^(Name|Version): *(.+?) *$", text.partition("\n\n")[0], re.MULTILINE))
    return head.get("Name", "unknown"), head.get("Version", "")


def _module_of(path: Path) -> ModuleType:
    name = path.stem
    if path.suffix != ".py" or not name.isidentifier():
        raise ImportError(f"{path.name} cannot be imported; name it as a Python module, such as my_plugin.py")
    if _is_taken(path):
        raise ImportError(f"another module is called '{name}'; give the file another name")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a file that ends in .py has a loader"
    assert spec.loader is not None, "a file that ends in .py has a loader"
    module = importlib.util.module_from_spec(spec)
    # A spec's strings name the module, so that it must be found by import.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    _FILES.add(name)
    return module


_FILES: set[str] = set()
"""The modules of one-file plugins that were loaded, which may be loaded again."""


def _is_taken(path: Path) -> bool:
    if path.stem in _FILES:
        return False
    try:
        found = importlib.util.find_spec(path.stem)
    except ValueError:  # a module that was not imported from anywhere, such as __main__
        return True
    return found is not None and (found.origin is None or Path(found.origin).resolve() != path.resolve())


def _load(plugins: Plugins, source: Source, load: Callable[[], Any]) -> None:
    torch_before, started = "torch" in sys.modules, time.perf_counter()
    try:
        # What a plugin prints must not mix with the one document of `--json`.
        with redirect_stdout(sys.stderr):
            manager = _manager_of(load(), source)
            faults: list[str] = []
            collected = _collect(manager, faults)
    # Some scripts exit when they are imported.
    except (Exception, SystemExit) as error:
        if plugins.strict:
            raise
        plugins.report(source, f"did not load: {one_line(error)}", error)
        return
    for fault in faults:
        plugins.report(source, fault)
    seconds, imports_torch = time.perf_counter() - started, "torch" in sys.modules and not torch_before
    plugins.managers.append(manager)
    plugins.loaded.append(Plugin(source, **collected, seconds=seconds, imports_torch=imports_torch))


def _manager_of(module: Any, source: Source) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module, name=f"{source.distribution}:{source.plugin}")
    manager.check_pending()
    if not manager.get_hookcallers(module):
        raise TypeError("implements no hook; mark functions such as zoo_parts with @zoo.hookimpl")
    return manager


def _collect(manager: pluggy.PluginManager, faults: list[str]) -> dict[str, Any]:
    hook = manager.hook
    return {
        "parts": tuple(_specs(hook.zoo_parts, PartSpec, faults)),
        "compositions": tuple(_specs(hook.zoo_compositions, CompositionSpec, faults)),
        "datasets": tuple(_specs(hook.zoo_datasets, DatasetSpec, faults)),
        "metrics": tuple(_specs(hook.zoo_metrics, MetricSpec, faults)),
        "trackers": tuple(_specs(hook.zoo_trackers, TrackerSpec, faults)),
        "tables": _tables(hook.zoo_registry),
    }


def _results(caller: Any, wanted: str) -> list[Any]:
    if not caller.get_hookimpls():
        return []
    results: list[Any] = caller()
    # pluggy drops what is None.
    if not results:
        raise TypeError(f"{caller.name} returned None; return {wanted}")
    return results


def _specs(caller: Any, kind: type[S], faults: list[str]) -> Iterator[S]:
    for result in _results(caller, f"a list of {kind.__name__}"):
        for spec in result:
            if not isinstance(spec, kind):
                raise TypeError(f"{caller.name} gave {type(spec).__name__}, not {kind.__name__}")
            if spec.api > API:
                level = f"plugin API {spec.api}, this one has {API}"
                faults.append(f"'{spec.name}' needs a newer zoo ({level}); upgrade generative-zoo")
            elif problem := _problem(spec):
                faults.append(f"'{spec.name}' cannot be used: {problem}")
            else:
                yield spec


def _problem(spec: PartSpec | CompositionSpec | DatasetSpec | MetricSpec | TrackerSpec) -> str | None:
    """Return what is wrong with a spec, in a few words, or nothing."""
    if not is_name(spec.name):
        return "names are lower-case words with dashes"
    if isinstance(spec, PartSpec) and not is_name(spec.kind):
        return f"its kind '{spec.kind}' is not a lower-case word"
    if isinstance(spec, MetricSpec) and spec.needs not in ABILITIES:
        return f"it needs '{spec.needs}', which is none of {', '.join(ABILITIES)}"
    if isinstance(spec, MetricSpec) and spec.group not in GROUPS:
        return f"its group '{spec.group}' is none of {', '.join(GROUPS)}"
    if isinstance(spec, MetricSpec) and spec.better not in ("higher", "lower", ""):
        return f"better is 'higher', 'lower' or nothing, not '{spec.better}'"
    if not isinstance(spec, CompositionSpec):
        return None
    for role in spec.roles:
        if not (is_name(role.name) and role.name.isidentifier()):
            return f"its role '{role.name}' is not a lower-case word"
    try:
        spec.build_order()
    except ValueError as error:
        return str(error)
    return None


def _tables(caller: Any) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for result in _results(caller, "a path or a mapping"):
        tables = _read_tables(result)
    return tables


def _read_tables(result: Any) -> dict[str, Any]:
    if isinstance(result, Mapping):
        return dict(result)
    if not isinstance(result, Path):
        raise TypeError(f"zoo_registry gave {type(result).__name__}, not a path or a mapping")
    with result.open("rb") as file:
        return tomllib.load(file)
