"""What is public: held against a committed list, so that nothing that plugins use changes unnoticed."""

from __future__ import annotations

import ast
import difflib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from surface import FILE, MODULES, surface

import zoo
from zoo import interfaces

ROOT = Path(zoo.__file__).parent


def changes(before: list[str], after: list[str]) -> str:
    """Return what went and what came, a line each."""
    told = {"- ": "gone or changed", "+ ": "new"}
    lines = [line for line in difflib.ndiff(before, after) if line[:2] in told]
    return "\n".join(f"{told[line[:2]]}: {line[2:].strip()}" for line in lines)


def test_the_public_surface_is_the_committed_one() -> None:
    found = changes(FILE.read_text().splitlines(), surface())
    assert not found, (
        f"the public surface differs from tests/{FILE.name}:\n{found}\n"
        "If it is meant (docs/plugins/api.md says what may change), write it down with: python tests/surface.py"
    )


def test_a_difference_is_told_line_by_line() -> None:
    before = ["def zoo.kl(q, p)", "hook zoo_parts()", "class zoo.Prior"]
    after = ["def zoo.kl(q, p, z)", "hook zoo_parts()", "class zoo.Prior", "class zoo.Other"]
    assert changes(before, after).splitlines() == [
        "gone or changed: def zoo.kl(q, p)",
        "new: def zoo.kl(q, p, z)",
        "new: class zoo.Other",
    ]


def test_the_list_shows_what_a_plugin_can_break_on() -> None:
    lines = {line.strip() for line in surface()}
    for line in (
        "zoo.PartSpec.api: int = 1",
        "zoo.Prior.forward(c: Tensor | None = None) -> Distribution",
        "zoo.Network.out_shape: tuple[int, ...]",
        "zoo.Run.metadata -> dict[str, Any]",
        "hook zoo_parts() -> Iterable[PartSpec]",
    ):
        assert line in lines
    assert not any(" at 0x" in line for line in lines)


@pytest.mark.parametrize("module", MODULES)
def test_public_names_are_sorted_and_there(module: str) -> None:
    names = importlib.import_module(module).__all__
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(importlib.import_module(module), name)] == []


def imported(module: Path) -> dict[str, str]:
    """Return where each name is from that a module imports, for type checkers or for real."""
    statements = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: str(node.module) for node in statements for alias in node.names}


def test_what_type_checkers_see_of_zoo_is_what_is_there() -> None:
    """The names are written three times, so that they are light, sorted, and known to type checkers."""
    seen = imported(ROOT / "__init__.py")
    assert {name: seen.get(name) for name in zoo._LAZY} == zoo._LAZY
    assert set(zoo._LAZY) <= set(zoo.__all__)
    assert set(zoo.__all__) <= {*seen, "__version__"}
    assert sorted(zoo.__all__) == sorted(set(zoo.__all__))


def test_every_interface_is_public() -> None:
    assert set(interfaces.__all__) <= set(zoo.__all__)
    assert {name for name, module in zoo._LAZY.items() if module == "zoo.interfaces"} == set(interfaces.__all__)
    assert set(imported(ROOT / "interfaces" / "__init__.py")) - {"annotations"} == set(interfaces.__all__)


def test_importing_zoo_imports_nothing_heavy() -> None:
    code = (
        "import sys, zoo; heavy = {'torch', 'numpy', 'zoo.api', 'zoo.interfaces'} & set(sys.modules); assert not heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
