"""Checks of a plugin: that it is light, and that what it declares is in form."""

from __future__ import annotations

__all__ = ["LIGHT_CHECKS", "plugin_trials"]

from collections.abc import Iterator, Mapping

from zoo.catalogue import Source
from zoo.errors import did_you_mean
from zoo.hookspecs import PROJECT
from zoo.hookspecs import __all__ as hookspec_names
from zoo.registry import Registry
from zoo.testing.check import Check, NotApplicable, Trial, require, trials
from zoo.testing.plugins.case import PluginCase
from zoo.testing.plugins.forms import (
    equations_and_papers_are_in_form,
    names_are_in_kebab_case,
    references_lead_to_classes,
    summaries_are_sentences,
)
from zoo.testing.wording import some

_TRIES = 3
_SHORTEST = 0.05
"""Seconds that a plugin may take in any case, however quick the engine is."""


def loads_without_fault(case: PluginCase) -> None:
    """It loads, and nothing in it is left out."""
    faults = case.faults
    require(not faults, "; ".join(fault.reason for fault in faults))


def hooks_are_marked(case: PluginCase) -> None:
    """Each function that is called like a hook is one, and is marked with `@zoo.hookimpl`."""
    hooks = [name for name in hookspec_names if name.startswith(f"{PROJECT}_")]
    for name, value in vars(case.module).items():
        own = callable(value) and getattr(value, "__module__", "") == case.module.__name__
        if own and name.startswith(f"{PROJECT}_"):
            near = did_you_mean(name, hooks)
            require(name in hooks, f"{name} looks like a hook, and there is none of that name{near}")
            require(getattr(value, f"{PROJECT}_impl", None), f"{name} is not called; mark it with @zoo.hookimpl")


def imports_without_torch(case: PluginCase) -> None:
    """Its module loads without torch."""
    found = case.probed
    require(not found.problem, f"does not load by itself: {found.problem}")
    cure = "keep parts in a module of their own, and name it by a string"
    require(case.module_name not in found.torch, f"{case.module_name} imports torch when it is loaded; {cure}")


def options_import_without_torch(case: PluginCase) -> None:
    """Its options load without torch, so that `--help` does."""
    found = case.probed
    if found.problem or case.module_name in found.torch:
        raise NotApplicable("its module does not load without torch")
    cure = "keep options in a module of their own"
    require(not found.torch, f"importing {some(found.torch)} imports torch; {cure}")


def loads_quickly(case: PluginCase) -> None:
    """It takes no longer to load than the engine itself, measured beside it."""
    found = case.probed
    for _ in range(_TRIES - 1):
        # A machine may be busy just then.
        if found.seconds <= max(found.baseline, _SHORTEST):
            return
        found = case.probe_again()
    told = f"takes {found.seconds:.2f} s to load, and the engine {found.baseline:.2f} s beside it"
    require(found.seconds <= max(found.baseline, _SHORTEST), f"{told}; import what is heavy where it is used")


def registry_file_is_read(case: PluginCase) -> None:
    """A `registry.toml` beside its module is found and read by the hook `zoo_registry`."""
    from pathlib import Path

    place = getattr(case.module, "__file__", None)
    beside = Path(place).parent / "registry.toml" if place is not None else None
    if beside is None or not beside.is_file() or case.source.ours:
        raise NotApplicable("it has no registry.toml beside its module")
    require(case.plugin.tables, f"{beside.name} is not read; return its path from the hook zoo_registry")


LIGHT_CHECKS: Mapping[str, tuple[Check, ...]] = {
    "light": (
        loads_without_fault,
        hooks_are_marked,
        imports_without_torch,
        options_import_without_torch,
        loads_quickly,
        names_are_in_kebab_case,
        summaries_are_sentences,
        equations_and_papers_are_in_form,
        references_lead_to_classes,
        registry_file_is_read,
    )
}


def plugin_trials(registry: Registry, source: Source) -> Iterator[Trial]:
    """Yield the trials of a plugin as a whole."""
    yield from trials(f"plugin {source.plugin}", LIGHT_CHECKS, PluginCase(registry, source))
