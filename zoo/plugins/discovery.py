"""Discovery of plugins: each loaded guarded, so that a broken one costs one line and nothing else."""

from __future__ import annotations

__all__ = ["Fault", "Notice", "Plugin", "Plugins", "discover"]

import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from zoo.catalogue import Source, folded
from zoo.errors import ZooError, one_line
from zoo.plugins.deprecation import Deprecated
from zoo.plugins.levels import CONTRACT, Contract
from zoo.plugins.reading import Reading
from zoo.plugins.tracing import trace
from zoo.specs import CompositionSpec, DatasetSpec, MetricSpec, PartSpec, TrackerSpec

if TYPE_CHECKING:
    from zoo.plugins.one_file import PluginFile

GROUP = "zoo.plugins"
ENGINE = "engine"
"""The plugin that the engine cannot do without."""


class Plugin(NamedTuple):
    """A plugin that loaded, and what it declares; nothing for `imports_torch` where torch was there before it."""

    source: Source
    parts: tuple[PartSpec, ...]
    compositions: tuple[CompositionSpec, ...]
    datasets: tuple[DatasetSpec, ...]
    metrics: tuple[MetricSpec, ...]
    trackers: tuple[TrackerSpec, ...]
    tables: Mapping[str, Any]
    seconds: float
    imports_torch: bool | None
    module: str
    file: PluginFile | None = None


class Fault(NamedTuple):
    """A plugin, or one thing in it, that cannot be used; `reason` is one line."""

    source: Source
    reason: str
    error: BaseException | None = None

    def __str__(self) -> str:
        return f"plugin {self.source.plugin} ({self.source}): {self.reason}"


class Notice(NamedTuple):
    """Something of the plugin interface that a plugin uses and that will go; `text` is one line."""

    source: Source
    text: str

    def __str__(self) -> str:
        return f"plugin {self.source.plugin} ({self.source}): {self.text}"


@dataclass(eq=False, repr=False)
class Plugins:
    """The plugins of a process: those that loaded, and those that did not.

    Each has a pluggy manager of its own, so that one that breaks half-way leaves nothing in another's.
    """

    loaded: list[Plugin] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    disabled: list[Source] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    strict: bool = False
    managers: list[pluggy.PluginManager] = field(default_factory=list)

    @property
    def files(self) -> list[PluginFile]:
        """The one-file plugins among them."""
        return [plugin.file for plugin in self.loaded if plugin.file is not None]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where those lie, wherever the working folder is when they are loaded again."""
        return tuple(file.path.absolute() for file in self.files)

    @property
    def flags(self) -> list[str]:
        """What stands before a command that loads the same files."""
        return [word for file in self.files for word in ("--plugin", str(file.path))]

    def report(self, source: Source, reason: str, error: BaseException | None = None) -> None:
        """Keep a fault.

        Raises:
            ZooError: If plugins are loaded strictly.
        """
        fault = Fault(source, reason, error)
        if self.strict:
            raise ZooError(str(fault)) from error
        self.faults.append(fault)


def discover(
    *,
    third_party: bool = True,
    files: Sequence[str | Path] = (),
    strict: bool | None = None,
    contract: Contract = CONTRACT,
) -> Plugins:
    """Load the plugins that are installed, ours first.

    Arguments:
        third_party: Whether plugins of other distributions are loaded.
        files: One-file plugins to load as well; the path of a run stands for the copies that it keeps.
        strict: Whether a fault raises; by default if `ZOO_STRICT=1`. `ZOO_DISABLE=a,b` names plugins or
            distributions to leave out, `*` all but ours.
        contract: What plugins are held to.

    Raises:
        ZooError: If a file is missing, or is there in two versions.
    """
    strict = os.environ.get("ZOO_STRICT", "") not in ("", "0") if strict is None else strict
    given = _read(files) if files else []
    plugins = Plugins(strict=strict)
    disabled = {name.strip() for name in os.environ.get("ZOO_DISABLE", "").split(",")}
    for source, point in _entry_points():
        if _is_disabled(source, disabled, third_party):
            plugins.disabled.append(source)
        else:
            _load(plugins, contract, source, point.load, point.module)
    for file in given:
        source = Source(file.name, "", file.module, file.digest)
        _load(plugins, contract, source, file.load, file.module, file)
    for notice in plugins.notices:
        warnings.warn(str(notice), Deprecated, stacklevel=2)
    return plugins


def _read(files: Sequence[str | Path]) -> list[PluginFile]:
    # Only now, because most calls load none.
    from zoo.plugins.one_file import read_files

    return read_files(files)


def _is_disabled(source: Source, disabled: set[str], third_party: bool) -> bool:
    if source.ours and source.plugin == ENGINE:
        return False
    if not source.ours and (not third_party or "*" in disabled):
        return True
    return bool(disabled & {source.plugin, source.distribution, f"{source.distribution}:{source.plugin}"})


def _entry_points() -> list[tuple[Source, EntryPoint]]:
    found: dict[tuple[Source, str], EntryPoint] = {}
    seen: set[str] = set()
    for dist in distributions():
        # The standard library's own search parses the entry points of everything that is installed.
        if GROUP not in (dist.read_text("entry_points.txt") or ""):
            continue
        name, version = _name_and_version(dist)
        # The first on the path hides others of its name.
        if folded(name) not in seen:
            seen.add(folded(name))
            for point in dist.entry_points.select(group=GROUP):
                found.setdefault((Source(name, version, point.name), point.value), point)
    return [(key[0], found[key]) for key in sorted(found, key=lambda key: (not key[0].ours, str(key)))]


def _name_and_version(dist: Distribution) -> tuple[str, str]:
    """Return what a distribution is called; read by hand, because the standard library parses its whole README."""
    text = dist.read_text("METADATA") or dist.read_text("PKG-INFO") or ""
    head = dict(re.findall(r"^(Name|Version): *(.+?) *$", text.partition("\n\n")[0], re.MULTILINE))
    return head.get("Name", "unknown"), head.get("Version", "")


def _load(
    plugins: Plugins,
    contract: Contract,
    source: Source,
    load: Callable[[], Any],
    module: str,
    file: PluginFile | None = None,
) -> None:
    torch_before, started = "torch" in sys.modules, time.perf_counter()
    reading = Reading(contract, source)
    try:
        # What a plugin prints must not mix with the one document of `--json`.
        with redirect_stdout(sys.stderr), trace("load", reading.who) as span:
            reading.register(load())
            declared = reading.collect()
            imports_torch = None if torch_before else "torch" in sys.modules
            span.answer = "imports torch" if imports_torch else "loaded"
    # Some scripts exit when they are imported.
    except (Exception, SystemExit) as error:
        if plugins.strict:
            raise
        plugins.report(source, f"did not load: {one_line(error)}", error)
        return
    for fault in reading.faults:
        plugins.report(source, fault)
    seconds = time.perf_counter() - started
    plugins.notices += [Notice(source, text) for text in dict.fromkeys(reading.notices)]
    plugins.managers.append(reading.manager)
    loaded = Plugin(source, **declared, seconds=seconds, imports_torch=imports_torch, module=module, file=file)
    plugins.loaded.append(loaded)
