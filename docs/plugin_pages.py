"""What pages for writers of plugins can learn from the code: hooks, files of examples, checks, what is public."""

from __future__ import annotations

__all__ = ["checks", "file", "hook", "public"]

import dataclasses
import importlib
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tables import table

import zoo
import zoo.specs
from zoo import hookspecs
from zoo.registry import Registry
from zoo.testing.check import GROUPS
from zoo.testing.collection import collect
from zoo.testing.selection import select_all

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

_LANGUAGES = {".py": "python", ".toml": "toml"}

_UNDOCUMENTED = {
    "Scheduled": "The type of a float option that is read at each step: a number, or a schedule of one.",
    "Support": "Where values of a distribution lie.",
    "__version__": "The version of the zoo.",
    "hookimpl": "Marks a plugin's function as an implementation of the hook of the same name.",
}
"""What is said of names that have no docstring of their own."""


def hook(name: str) -> str:
    """Return a hook as it is declared, without its decorator, and what it says of itself."""
    declared = getattr(hookspecs, name)
    signature = inspect.getsource(declared).split('"""')[0].replace("@hookspec\n", "").strip().removesuffix(":")
    return f"```py\n{signature}\n```\n\n{inspect.getdoc(declared)}"


def file(path: str) -> str:
    """Return a file of examples/ as it stands; readers write it by its place below the folder of the example."""
    code = (EXAMPLES / path).read_text().strip()
    name = path.partition("/")[2]
    return f"```{_LANGUAGES[Path(path).suffix]} file={name}\n{code}\n```"


def checks(registry: Registry) -> str:
    """Return every check of the kit that is made of something bundled, what it asserts, and of what kinds."""
    found: dict[str, dict[str, tuple[str, set[str]]]] = {}
    for trial in collect(select_all(registry), {}):
        named = found.setdefault(trial.group, {})
        if trial.name not in named:
            named[trial.name] = (trial.sentence, set())
        named[trial.name][1].add(trial.thing.rpartition(" ")[0])
    blocks = []
    for group in [group for group in GROUPS if group in found]:
        rows = [(f"`{name}`", text, _things(registry, of)) for name, (text, of) in found[group].items()]
        blocks.append(f"### {group.capitalize()}\n\n{table(('check', 'what it asserts', 'of'), rows)}")
    return "\n\n".join(blocks)


def _things(registry: Registry, of: set[str]) -> str:
    kinds = set(registry.parts)
    return ", ".join(["every part", *sorted(of - kinds)] if kinds <= of else sorted(of))


def public(what: str) -> str:
    """Return what plugins may rely on: the names of a module, the hooks, or the fields of specs."""
    if what == "hooks":
        names = (name for name in hookspecs.__all__ if name.startswith("zoo_"))
        # Annotations are text there, which Python shows in quotes.
        return _code(f"{name}{inspect.signature(getattr(hookspecs, name))}".replace("'", "") for name in names)
    if what == "specs":
        kinds = [kind for name, kind in sorted(vars(zoo.specs).items()) if name.endswith("Spec") or name == "Role"]
        return "\n\n".join(f"### {kind.__name__}\n\n{_code(_spec_fields(kind))}" for kind in kinds)
    module = zoo if what == "zoo" else importlib.import_module(f"zoo.{what}")
    return "\n".join(f"- `{name}`: {_sentence(name, getattr(module, name))}" for name in sorted(module.__all__))


def _spec_fields(kind: Any) -> Iterator[str]:
    for field in dataclasses.fields(kind):
        default = "" if field.default is dataclasses.MISSING else f" = {field.default!r}"
        yield f"{field.name}: {field.type}{default}"


def _sentence(name: str, thing: Any) -> str:
    return _UNDOCUMENTED.get(name) or (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


def _code(lines: Iterable[str]) -> str:
    return "\n".join(("```text", *lines, "```"))
