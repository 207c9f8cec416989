"""The files of a new plugin, from templates: a package, or a single file."""

from __future__ import annotations

__all__ = ["package_files", "single_file"]

import json
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import PurePosixPath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

import zoo
from zoo.scaffold.kinds import Kind
from zoo.scaffold.licenses import LICENSES
from zoo.scaffold.merging import merged
from zoo.scaffold.names import Names

_AROUND = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".gitignore": "gitignore",
    ".github/workflows/test.yml": "test.yml",
    "tests/test_conformance.py": "test_conformance.py",
}
"""What stands around every package: its path, and its template."""


def package_files(names: Names, kind: Kind, author: str, license: str) -> dict[PurePosixPath, str]:
    """Return the files of a package by their path in it.

    Arguments:
        names: What everything is called.
        kind: What it brings.
        author: Whose it is.
        license: One of `LICENSES`.
    """
    context = {
        **_context(names, kind, {module: f"{names.package}.{module}" for module in kind.modules}),
        "author": author,
        "year": date.today().year,
        "license": LICENSES[license],
        "zoo_version": zoo.__version__,
        "description": f"A plugin of the generative model zoo: {kind.idea}.",
    }
    own = {"__init__.py", *(f"{module}.py" for module in kind.modules), *(["registry.toml"] if kind.model else [])}
    found = {path: _render(f"package/{template}", context) for path, template in _AROUND.items()}
    found |= {f"{names.package}/{name}": _render(f"{kind.name}/{name}", context) for name in sorted(own)}
    found[f"{names.package}/py.typed"] = ""
    if LICENSES[license] is not None:
        found["LICENSE"] = _render(f"licenses/{license}.txt", context)
    return {PurePosixPath(path): text for path, text in found.items()}


def single_file(names: Names, kind: Kind) -> dict[PurePosixPath, str]:
    """Return the one file that `zoo --plugin` loads: the same code as a package's, one module after the other."""
    path = f"{names.module}.py"
    context = _context(names, kind, dict.fromkeys(kind.modules, names.module))
    if kind.model:
        context["tables"] = _literal(tomllib.loads(_render(f"{kind.name}/registry.toml", context)))
    hooks = _render(f"{kind.name}/__init__.py", {**context, "one_file": True})
    parts = [_render(f"{kind.name}/{module}.py", context) for module in kind.modules]
    use = kind.command(names, f"zoo --plugin {path}").replace(" && ", "\n    ")
    return {PurePosixPath(path): merged([*parts, hooks], names.module, f"Load it before the command:\n\n    {use}")}


def _context(names: Names, kind: Kind, modules: Mapping[str, str]) -> dict[str, Any]:
    """What every template is told: its names, and the import path of each of its modules, by the module's name."""
    return {
        "names": names,
        "cls": names.class_name,
        "kind": kind.name,
        "idea": kind.idea,
        "one_file": False,
        **modules,
    }


def _render(name: str, context: Mapping[str, Any]) -> str:
    return _environment().get_template(f"{name}.jinja").render(context)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("zoo.scaffold", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Strings of JSON are strings of TOML and Python, as long as nothing in them is invisible.
    environment.filters["quoted"] = lambda text: json.dumps(text, ensure_ascii=False)
    return environment


def _literal(value: Any, depth: int = 1) -> str:
    """Return tables of a registry as Python: a line an entry, as ruff would leave it."""
    if not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    inner = "    " * (depth + 1)
    lines = [f"{inner}{json.dumps(key)}: {_literal(item, depth + 1)},\n" for key, item in value.items()]
    return "{\n" + "".join(lines) + "    " * depth + "}"
