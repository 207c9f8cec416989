"""What one plugin declares: read from its hooks, made the present level of the interface, and checked."""

from __future__ import annotations

__all__ = ["Reading"]

import tomllib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from zoo.catalogue import Source, is_name
from zoo.hookspecs import PROJECT
from zoo.plugins.deprecation import Deprecated
from zoo.plugins.levels import Contract, LevelError
from zoo.plugins.tracing import trace
from zoo.specs import ABILITIES, GROUPS, CompositionSpec, DatasetSpec, MetricSpec, PartSpec, TrackerSpec

_FUNCTIONS = (FunctionType, MethodType, staticmethod, classmethod)

if TYPE_CHECKING:
    from pluggy import HookimplOpts, HookspecOpts

S = TypeVar("S", PartSpec, CompositionSpec, DatasetSpec, MetricSpec, TrackerSpec)


class _Manager(pluggy.PluginManager):
    """Looks for hooks among a module's functions, because pluggy takes long over each of its names."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> HookimplOpts | None:
        return super().parse_hookimpl_opts(plugin, name) if _may_be_hook(plugin, name) else None

    def parse_hookspec_opts(self, module_or_class: ModuleType | type, name: str) -> HookspecOpts | None:
        return super().parse_hookspec_opts(module_or_class, name) if _may_be_hook(module_or_class, name) else None


def _may_be_hook(owner: object, name: str) -> bool:
    return not isinstance(owner, ModuleType) or isinstance(vars(owner).get(name), _FUNCTIONS)


class Reading:
    """A plugin that is being read; it has a manager of its own, so that it leaves nothing in another's.

    Arguments:
        contract: What it is held to.
        source: Where it is from.
    """

    def __init__(self, contract: Contract, source: Source) -> None:
        self.contract = contract
        self.source = source
        self.manager = _Manager(PROJECT)
        self.faults: list[str] = []
        self.notices: list[str] = []

    @property
    def who(self) -> str:
        """The plugin, as `distribution:plugin`."""
        return f"{self.source.distribution}:{self.source.plugin}"

    def register(self, module: Any) -> None:
        """Take a module's hooks, and note those that are deprecated.

        Raises:
            TypeError: If it has none.
            pluggy.PluginValidationError: If one is misspelt, or asks for an argument that there is not.
        """
        self.manager.add_hookspecs(self.contract.hooks)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", Deprecated)
            self.manager.register(module, name=self.who)
        self.notices += [str(one.message) for one in told if issubclass(one.category, Deprecated)]
        self.manager.check_pending()
        if not self.manager.get_hookcallers(module):
            raise TypeError("implements no hook; mark functions such as zoo_parts with @zoo.hookimpl")

    def collect(self) -> dict[str, Any]:
        """Return what its hooks give, by the names of the fields of `Plugin`; a spec that is wrong is a fault.

        Raises:
            TypeError: If a hook gives something else than specs.
        """
        return {
            "parts": self._specs("zoo_parts", PartSpec),
            "compositions": self._specs("zoo_compositions", CompositionSpec),
            "datasets": self._specs("zoo_datasets", DatasetSpec),
            "metrics": self._specs("zoo_metrics", MetricSpec),
            "trackers": self._specs("zoo_trackers", TrackerSpec),
            "tables": self._tables(),
        }

    def _specs(self, hook: str, kind: type[S]) -> tuple[S, ...]:
        caller = getattr(self.manager.hook, hook)
        if not caller.get_hookimpls():
            return ()
        with trace(hook, self.who) as span:
            found = tuple(self._usable(caller, kind))
            span.answer = _counted(len(found), hook.removeprefix("zoo_"))
        return found

    def _usable(self, caller: Any, kind: type[S]) -> Iterator[S]:
        for result in _results(caller, f"a list of {kind.__name__}"):
            for spec in result:
                if not isinstance(spec, kind):
                    raise TypeError(f"{caller.name} gave {type(spec).__name__}, not {kind.__name__}")
                self.notices += map(str, self.contract.deprecations(spec))
                try:
                    adapted = self.contract.adapt(spec, self.source.distribution)
                except LevelError as error:
                    self.faults.append(str(error))
                    continue
                if problem := _problem(adapted):
                    self.faults.append(f"'{spec.name}' cannot be used: {problem}")
                else:
                    yield adapted

    def _tables(self) -> dict[str, Any]:
        caller = self.manager.hook.zoo_registry
        tables: dict[str, Any] = {}
        if not caller.get_hookimpls():
            return tables
        with trace("zoo_registry", self.who) as span:
            for result in _results(caller, "a path or a mapping"):
                tables = _read_tables(result)
            models = tables.get("models", {})
            span.answer = _counted(len(models), "models") if isinstance(models, Mapping) else "no table of models"
        return tables


def _counted(count: int, nouns: str) -> str:
    return f"{count} {nouns if count != 1 else nouns.removesuffix('s')}"


def _results(caller: Any, wanted: str) -> list[Any]:
    results: list[Any] = caller()
    # pluggy drops what is None.
    if not results:
        raise TypeError(f"{caller.name} returned None; return {wanted}")
    return results


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


def _read_tables(result: Any) -> dict[str, Any]:
    if isinstance(result, Mapping):
        return dict(result)
    if not isinstance(result, Path):
        raise TypeError(f"zoo_registry gave {type(result).__name__}, not a path or a mapping")
    with result.open("rb") as file:
        return tomllib.load(file)
