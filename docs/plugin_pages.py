"""What pages for writers of plugins can learn from the code: hooks, files of examples, checks of the kit."""

from __future__ import annotations

__all__ = ["checks", "file", "hook"]

import inspect
from pathlib import Path

from tables import table

from zoo import hookspecs
from zoo.registry import Registry
from zoo.testing.check import GROUPS
from zoo.testing.collection import collect
from zoo.testing.selection import select_all

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

_LANGUAGES = {".py": "python", ".toml": "toml"}


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
