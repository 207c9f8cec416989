"""Markdown tables of options, and what stands in their cells."""

from __future__ import annotations

__all__ = ["fields_of", "option_row", "options_table", "table", "value_text"]

from collections.abc import Iterable
from typing import Any

from zoo.options import Field, describe
from zoo.specs import MetricSpec, PartSpec, TrackerSpec, import_reference


def table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table; what would end a cell is escaped."""
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def fields_of(spec: PartSpec | MetricSpec | TrackerSpec) -> tuple[Field, ...]:
    """Return the options of a part, a metric or a tracker."""
    return describe(import_reference(spec.options))


def options_table(fields: Iterable[Field], prefix: str) -> str:
    """Return options with the defaults of their part, each after a prefix such as `loss.`."""
    rows = [option_row(field, prefix, field.default) for field in fields]
    return table(("option", "default", "range", "what it does"), rows)


def option_row(field: Field, prefix: str, value: Any) -> tuple[str, ...]:
    """Return the cells of an option that has a value."""
    kind = "takes a schedule" if field.scheduled else ""
    allowed = ", ".join(note for note in (field.range.replace("|", ", "), kind) if note)
    return (f"`--{prefix}{field.flag}`", f"`{value_text(value)}`", allowed, field.help)


def value_text(value: Any) -> str:
    """Return a value as people type it, or a word for it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
