"""The public surface of the zoo, as text: names, signatures, fields, hooks.

The list in `tests/public-surface.txt` is what is promised to plugins. A test compares the two; a change that is meant
is written by

    python tests/surface.py
"""

from __future__ import annotations

__all__ = ["FILE", "surface"]

import dataclasses
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from zoo import hookspecs

FILE = Path(__file__).with_name("public-surface.txt")
MODULES = tuple(name for name in ("zoo", "zoo.distributions", "zoo.testing") if importlib.util.find_spec(name))
PLAIN = (bool, int, float, str, bytes, type(None), tuple)


def surface() -> list[str]:
    """Return a line for each public name, method and field, and for each hook."""
    modules = {name: importlib.import_module(name) for name in MODULES}
    public = {getattr(module, name) for module in modules.values() for name in _classes(module)}
    lines = [line for name, module in modules.items() for line in _module(name, module, public)]
    hooks = [getattr(hookspecs, name) for name in hookspecs.__all__ if name.startswith("zoo_")]
    lines += [f"hook {hook.__name__}{_signature(hook)}" for hook in hooks]
    return lines


def _classes(module: ModuleType) -> list[str]:
    return [name for name in module.__all__ if inspect.isclass(getattr(module, name))]


def _module(name: str, module: ModuleType, public: set[type]) -> Iterator[str]:
    for one in sorted(module.__all__):
        yield from _named(f"{name}.{one}", getattr(module, one), public)


def _named(name: str, thing: Any, public: set[type]) -> Iterator[str]:
    if inspect.isclass(thing):
        bases = ", ".join(base.__name__ for base in thing.__bases__ if base is not object)
        yield f"class {name}({bases})" if bases else f"class {name}"
        yield from _members(name, thing, public)
    elif inspect.isfunction(thing):
        yield f"def {name}{_signature(thing)}"
    else:
        # An alias of a type is what it says; of anything else the type.
        yield f"{name}: {thing if hasattr(thing, '__args__') else type(thing).__name__}"


def _members(name: str, kind: type, public: set[type]) -> Iterator[str]:
    if dataclasses.is_dataclass(kind):
        for field in dataclasses.fields(kind):
            yield f"    {name}.{field.name}: {_type(field.type)}{_default(field)}"
    else:
        yield from (f"    {name}.{field}: {kind}" for field, kind in _own(kind, public, "__annotations__").items())
        if "__init__" in vars(kind):
            yield f"    {name}{_signature(kind.__init__, without=1)}"
    for member, value in sorted(_own(kind, public, "__dict__").items()):
        if isinstance(value, property | _Cached):
            yield f"    {name}.{member} -> {_returned(value)}"
        elif isinstance(value, classmethod | staticmethod):
            yield f"    {name}.{member}{_signature(value.__func__, without=isinstance(value, classmethod))}"
        elif inspect.isfunction(value):
            yield f"    {name}.{member}{_signature(value, without=1)}"


_Cached = type(vars(importlib.import_module("zoo.runs.folder").Run)["metadata"])


def _own(kind: type, public: set[type], where: str) -> dict[str, Any]:
    """Return the public members that a class adds to the public classes above it; torch's and Python's are theirs."""
    bases = [base for base in reversed(kind.__mro__) if base is kind or base not in public]
    ours = [base for base in bases if base.__module__.partition(".")[0] == "zoo"]
    found = {name: value for base in ours for name, value in _table(base, where).items()}
    return {name: value for name, value in found.items() if not name.startswith("_")}


def _table(kind: type, where: str) -> Mapping[str, Any]:
    return vars(kind) if where == "__dict__" else vars(kind).get(where, {})


def _returned(value: Any) -> str:
    getter = value.fget if isinstance(value, property) else value.func
    return _type(inspect.signature(getter).return_annotation)


def _signature(function: Any, *, without: int = 0) -> str:
    """Return a signature as text that no version of Python spells otherwise."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[without:]
    plain = [one.replace(annotation=_Word(_type(one.annotation)), default=_plain(one.default)) for one in parameters]
    known = signature.return_annotation not in (inspect.Signature.empty, None, "None")
    returned = f" -> {_type(signature.return_annotation)}" if known else ""
    return f"{inspect.Signature(plain)}{returned}"


class _Word(str):
    """Text that is shown without quotes."""

    def __repr__(self) -> str:
        return str(self)


def _plain(default: Any) -> Any:
    # What is not a plain value is shown by its kind: an address would differ from run to run.
    return default if default is inspect.Parameter.empty or isinstance(default, PLAIN) else _Word("...")


def _type(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return "Any"
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f" = {_plain(field.default)!r}"
    return " = ..." if field.default_factory is not dataclasses.MISSING else ""


if __name__ == "__main__":
    FILE.write_text("\n".join(surface()) + "\n")
    sys.stderr.write(f"wrote {FILE.name}\n")
