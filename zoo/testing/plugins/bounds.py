"""Values inside and outside of what an option permits."""

from __future__ import annotations

__all__ = ["inside", "outside", "refused"]

from collections.abc import Iterator, Mapping
from typing import Any

from zoo.errors import ZooError
from zoo.options import Field, Options


def inside(field: Field) -> list[Any]:
    """Return values that an option's own declaration permits: its bounds and its choices."""
    if field.choices:
        found: list[Any] = list(field.choices)
    elif field.kind is bool:
        found = [True, False]
    else:
        found = [field.kind(value) for value in (field.min, field.max) if value is not None and field.kind is not str]
        found += [_between(field)] if field.kind is float else []
    values = [[value] for value in found] if field.many else found
    return [*values, None] if field.optional else values


def _between(field: Field) -> float:
    low = field.min if field.min is not None else field.above
    high = field.max if field.max is not None else field.below
    if low is not None and high is not None:
        return (low + high) / 2
    return low + 1 if low is not None else high - 1 if high is not None else 0.5


def outside(field: Field) -> list[Any]:
    """Return values that an option's own declaration rules out."""
    found = list(_outside(field))
    # A list may be empty, but what is in it is checked one by one.
    return [[value] for value in found] if field.many else [*found, *([] if field.optional else [None])]


def _outside(field: Field) -> Iterator[Any]:
    if field.choices:
        yield "no-such-choice"
    if field.kind in (int, float):
        yield "no number"
        yield True
        yield from (bound - 1 for bound in (field.min,) if bound is not None)
        yield from (bound + 1 for bound in (field.max,) if bound is not None)
        yield from (bound for bound in (field.above, field.below) if bound is not None)
    if field.kind is int:
        yield 1.5
    if field.kind is bool:
        yield "perhaps"
    if field.kind is str:
        yield 1


def refused(cls: type[Options], values: Mapping[str, Any]) -> str:
    """Return with what message a dataclass refuses values, or nothing if it takes them."""
    try:
        cls.from_dict(values)
    except ZooError as error:
        return str(error)
    return ""
