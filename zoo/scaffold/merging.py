"""Several modules as one: imports together at the top, then what each defines."""

from __future__ import annotations

__all__ = ["merged"]

import ast
import sys
from collections.abc import Sequence

WIDTH = 120


def merged(sources: Sequence[str], own: str, use: str) -> str:
    """Return one module that defines what several do; the last one's docstring begins it.

    Imports are sorted as ruff sorts them. Each source has a docstring, perhaps `__all__`, and imports before
    everything else.

    Arguments:
        sources: The modules, each before those that import it.
        own: The module that they all are now, from which nothing need be imported.
        use: What is added to the docstring.
    """
    imports: dict[str, set[str]] = {}
    bodies = []
    for source in sources:
        tree, start = ast.parse(source), 0
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                _collect(node, imports)
            elif not _is_head(node):
                start = _first_line(node)
                break
        bodies.append("\n".join(source.splitlines()[start - 1 :]).strip())
    imports.pop(own, None)
    docstring = ast.get_docstring(ast.parse(sources[-1]))
    # As ruff has it: two blank lines before a class or a function, one before anything else.
    gap = "\n\n" if bodies[0].startswith(("@", "class ", "def ")) else "\n"
    return f'"""{docstring}\n\n{use}\n"""\n\n{_sorted(imports)}\n{gap}' + "\n\n\n".join(bodies) + "\n"


def _is_head(node: ast.stmt) -> bool:
    """Whether it is the docstring or `__all__`."""
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == "__all__"
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, ast.ClassDef | ast.FunctionDef) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _collect(node: ast.Import | ast.ImportFrom, imports: dict[str, set[str]]) -> None:
    """Note the names of an import by their module; a module itself is imported as nothing."""
    if isinstance(node, ast.ImportFrom):
        imports.setdefault(str(node.module), set()).update(ast.unparse(alias) for alias in node.names)
    else:
        for alias in node.names:
            imports.setdefault(alias.name, set()).add("")


def _sorted(imports: dict[str, set[str]]) -> str:
    sections: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for module in sorted(imports):
        section = 0 if module == "__future__" else 1 if module.partition(".")[0] in sys.stdlib_module_names else 2
        sections[section] += [_statement(module, imports[module])] if imports[module] - {""} else []
        if "" in imports[module]:
            sections[section].append(f"import {module}")
    # Whole modules come before names of modules.
    blocks = [sorted(lines, key=lambda line: not line.startswith("import ")) for lines in sections.values() if lines]
    return "\n\n".join("\n".join(block) for block in blocks)


def _statement(module: str, names: set[str]) -> str:
    # Constants, classes, then functions and modules.
    ordered = sorted(names - {""}, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    line = f"from {module} import {', '.join(ordered)}"
    return line if len(line) <= WIDTH else f"from {module} import (\n    " + ",\n    ".join(ordered) + ",\n)"
