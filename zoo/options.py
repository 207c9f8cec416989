"""Options: each declared once, as a field of a frozen dataclass; flags, checks, files and tables follow."""

from __future__ import annotations

__all__ = ["Options", "Scheduled", "describe", "option"]

import dataclasses
import math
import operator
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self, TypeAlias

from zoo.errors import ZooError, did_you_mean
from zoo.schedules import SHAPES, Schedule, parse_schedule

Scheduled: TypeAlias = float | Schedule
"""The type of a float option that is read at each step: a number, or a schedule of one."""

_SCALARS = (int, float, bool, str)


def option(
    default: Any,
    help: str,
    *,
    min: float | None = None,
    max: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Any:
    """Declare an option: a dataclass field with a default, a help line and its range.

    Arguments:
        default: The value without a flag. A scheduled default may be written as text.
        help: One sentence for `--help` and the docs.
        min, max: Inclusive bounds, checked wherever the value comes from.
        above, below: Exclusive bounds for numbers; a schedule may touch them, as a learning rate that falls to 0 does.

    Example:
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Gain(Options):
        ...     gain: float = option(1.0, "How much.", min=0)
        >>> Gain(gain=-1)
        Traceback (most recent call last):
        ...
        zoo.errors.ZooError: gain must be at least 0, got -1
    """
    metadata = {"help": help, "min": min, "max": max, "above": above, "below": below}
    return dataclasses.field(default=default, metadata=metadata)


class Field(NamedTuple):
    """What is known of one option: everything that a flag, a check or a table needs."""

    name: str
    kind: type
    default: Any
    help: str
    min: float | None
    max: float | None
    above: float | None
    below: float | None
    choices: tuple[str, ...] = ()
    many: bool = False
    optional: bool = False
    scheduled: bool = False

    @property
    def flag(self) -> str:
        """The name as users type it, `latent-dim` for `latent_dim`."""
        return self.name.replace("_", "-")

    @property
    def range(self) -> str:
        """The permitted values in a few characters: `x>=0`, `0<x<1`, `mse|bernoulli`, or nothing."""
        if self.choices:
            return "|".join(self.choices)
        low = (
            f"{_text(self.min)}<="
            if self.min is not None
            else f"{_text(self.above)}<"
            if self.above is not None
            else ""
        )
        high = (
            f"<={_text(self.max)}"
            if self.max is not None
            else f"<{_text(self.below)}"
            if self.below is not None
            else ""
        )
        if low and not high:
            sign, bound = (">=", low[:-2]) if low.endswith("<=") else (">", low[:-1])
            return f"x{sign}{bound}"
        return f"{low}x{high}" if low or high else ""

    def check(self, value: Any) -> Any:
        """Return the value in its type.

        Raises:
            ZooError: If it has another type or lies outside the range.
        """
        if value is None or (self.optional and value == "none"):
            if not self.optional:
                raise ZooError(f"{self.flag} needs a value")
            return None
        if not self.many:
            return self._check_one(value)
        # Help shows an empty list as `none`.
        items = ("" if value == "none" else value).split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            items = [items]
        return tuple(self._check_one(item) for item in items if item != "")

    def _check_one(self, value: Any) -> Any:
        if isinstance(value, str) and self.kind is float:
            value = self._read_schedule(value)
        if isinstance(value, Schedule):
            return self._check_schedule(value)
        value = _convert(self.flag, self.kind, value)
        if self.choices and value not in self.choices:
            hint = did_you_mean(str(value), self.choices)
            raise ZooError(f"{self.flag} must be one of {', '.join(self.choices)}, got '{value}'{hint}")
        self._check_range(value)
        return value

    def _read_schedule(self, text: str) -> Schedule | str:
        """Return the schedule that a text stands for, or the text if it is to be a number."""
        if _is_number(text):
            return text
        if self.scheduled:
            try:
                return parse_schedule(text)
            except ZooError as error:
                raise ZooError(f"{self.flag}: {error}") from None
        if text.partition(":")[0] in SHAPES:
            raise self._no_schedule()
        return text

    def _check_schedule(self, schedule: Schedule) -> Schedule:
        if not self.scheduled:
            raise self._no_schedule()
        for value in schedule.values:
            if value not in (self.above, self.below):
                self._check_range(value)
        return schedule

    def _no_schedule(self) -> ZooError:
        return ZooError(f"{self.flag} is read once, not at each step: it takes a number, no schedule")

    def _check_range(self, value: Any) -> None:
        for bound, words, holds in (
            (self.min, "at least", operator.ge),
            (self.max, "at most", operator.le),
            (self.above, "above", operator.gt),
            (self.below, "below", operator.lt),
        ):
            if bound is not None and not holds(value, bound):
                raise ZooError(f"{self.flag} must be {words} {_text(bound)}, got {_text(value)}")


def _text(number: float) -> str:
    return f"{number:.15g}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _convert(name: str, kind: type, value: Any) -> Any:
    if kind is bool:
        return _convert_bool(name, value)
    if kind is str:
        if not isinstance(value, str):
            raise ZooError(f"{name} must be text, got {value!r}")
        return value
    noun = "a whole number" if kind is int else "a number"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ZooError(f"{name} must be {noun}, got {value!r}")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ZooError(f"{name} must be {noun}, got '{value}'") from None
    if not math.isfinite(number):
        raise ZooError(f"{name} must be finite, got {value}")
    if kind is int and number != int(number):
        raise ZooError(f"{name} must be a whole number, got {value}")
    return int(value) if kind is int and isinstance(value, int) else kind(number)


def _convert_bool(name: str, value: Any) -> bool:
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if not isinstance(value, bool):
        raise ZooError(f"{name} must be true or false, got {value!r}")
    return value


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of every options dataclass: checks its fields on construction.

    Permitted field types: `int`, `float`, `bool`, `str`, `Literal[...]`, `tuple[X, ...]`, `X | None`, and
    `Scheduled` for a float that is read at each step.

    Raises:
        ZooError: If a value has the wrong type or lies outside its range.
    """

    def __post_init__(self) -> None:
        for field in describe(type(self)):
            object.__setattr__(self, field.name, field.check(getattr(self, field.name)))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the options from names and values; the rest keep their defaults.

        Raises:
            ZooError: If a name is unknown; the nearest known one is offered.
        """
        known = [field.name for field in describe(cls)]
        for name in values:
            if name not in known:
                raise ZooError(f"{cls.__name__} has no option '{name}'{did_you_mean(name, known)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the values as JSON and TOML can hold them; schedules as text."""
        return {field.name: _plain(getattr(self, field.name)) for field in describe(type(self))}


def _plain(value: Any) -> Any:
    if isinstance(value, Schedule):
        return value.text
    return list(value) if isinstance(value, tuple) else value


def describe(cls: type[Options]) -> tuple[Field, ...]:
    """Return what is known of each option of a dataclass, in the order of declaration.

    Raises:
        TypeError: If a field was not made by `option` or has a type that no flag can carry.
    """
    # Kept, because every check and every flag asks for it.
    if cls not in _DESCRIBED:
        hints = typing.get_type_hints(cls)
        _DESCRIBED[cls] = tuple(_describe_field(field, hints[field.name]) for field in dataclasses.fields(cls))
    return _DESCRIBED[cls]


_DESCRIBED: dict[type[Options], tuple[Field, ...]] = {}


def _describe_field(field: dataclasses.Field[Any], hint: Any) -> Field:
    if "help" not in field.metadata:
        raise TypeError(f"option '{field.name}' must be declared with option(default, help)")
    shape: dict[str, Any] = {}
    if hint == Scheduled:
        hint, shape["scheduled"] = float, True
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        members = [member for member in typing.get_args(hint) if member is not type(None)]
        shape["optional"] = True
        if set(members) == {float, Schedule}:
            members, shape["scheduled"] = [float], True
        if len(members) != 1:
            raise TypeError(f"option '{field.name}' has type {hint}, which no flag can carry")
        hint = members[0]
    if typing.get_origin(hint) is tuple and typing.get_args(hint)[1:] == (...,):
        hint, shape["many"] = typing.get_args(hint)[0], True
    if typing.get_origin(hint) is Literal and all(isinstance(choice, str) for choice in typing.get_args(hint)):
        shape["choices"], hint = typing.get_args(hint), str
    if hint not in _SCALARS:
        raise TypeError(f"option '{field.name}' has type {hint}, which no flag can carry")
    return Field(name=field.name, kind=hint, default=field.default, **field.metadata, **shape)
