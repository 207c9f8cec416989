"""The form of what a run's files hold, checked when they are read, so that the rest can rely on it."""

from __future__ import annotations

__all__ = ["FACTS", "PRIOR", "TABLES", "misfit"]

from typing import Any

_NUMBER = (int, float)
_SOURCES = {str: {"distribution": str, "version": str, "plugin": str}}

FACTS: dict[Any, Any] = {
    "model": str,
    "family": str,
    "composition": str,
    "parts": {str: str},
    "options": {str: object},
    "providers": _SOURCES,
    "data": {"name": str, "shape": [int], "train_size": int},
    "training": {"seed": int},
    "outcome": {
        "reason": str,
        **dict.fromkeys(("epochs", "steps", "seconds", "images_per_second", "parameters"), _NUMBER),
    },
    "step": dict.fromkeys(("count", "epoch", "fraction"), _NUMBER),
    "versions": {str: str},
}
"""What the header of a run's weights holds, at the least."""

PRIOR: dict[Any, Any] = {
    "prior": str,
    "options": {str: object},
    "provider": {"distribution": str, "version": str, "plugin": str},
    "seed": int,
    "codes": int,
    "held_out": int,
    "log_likelihood": dict.fromkeys(("fitted", "declared"), (*_NUMBER, type(None))),
    "data": str,
    "weights": str,
    "versions": {str: str},
}
"""What the header of a fitted prior holds, at the least."""

TABLES: dict[Any, Any] = {
    "model": str,
    "composition": str,
    "data": str,
    "parts": {str: str},
    "options": {str: object},
    "images": {str: object},
    "training": {str: object},
    "providers": _SOURCES,
}
"""What a run's `config.toml` holds, at the least."""


def misfit(value: Any, form: Any, name: str = "") -> str | None:
    """Return the dotted name of the first thing that is missing or of another form, or nothing.

    Arguments:
        value: What was read.
        form: A type or some; `[form]`, a list of such; `{name: form}`, a table with these at the least;
            `{str: form}`, a table of such.
        name: Of the value itself.
    """
    if isinstance(form, list):
        items = value if isinstance(value, list) else None
        return name if items is None or any(misfit(item, form[0]) is not None for item in items) else None
    if not isinstance(form, dict):
        fits = isinstance(value, form) and (form is object or not isinstance(value, bool))
        return None if fits else name
    if not isinstance(value, dict):
        return name
    wanted = dict.fromkeys(value, form[str]) if str in form else form
    for key, inner in wanted.items():
        inside = f"{name}.{key}" if name else key
        wrong = misfit(value[key], inner, inside) if key in value else inside
        if wrong is not None:
            return wrong
    return None
