"""What a sweep goes along: `log:0.01..1:8`, `lin:0..1:5` or `a,b,c`, each of one option."""

from __future__ import annotations

__all__ = ["Range", "read_range"]

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.errors import ZooError
from zoo.options import Field
from zoo.schedules import SHAPES, Schedule

FORMS = "log:0.01..1:8, lin:0..1:5 or a,b,c"
MIN_VALUES = 2
# A float of a range is rounded to as many digits, so that its end is the one that was typed.
DIGITS = 12


@dataclass(frozen=True)
class Range:
    """The values of one option.

    Arguments:
        key: The option's full name, `loss.beta`.
        text: The range as it was typed.
        values: What a grid takes, in order; empty where only bounds are known, as a search needs no more.
        bounds: The ends of a `log` or `lin` range; None for a list.
        log: Whether values are evenly spaced in their logarithm.
        whole: Whether values are whole numbers.
    """

    key: str
    text: str
    values: tuple[Any, ...]
    bounds: tuple[float, float] | None = None
    log: bool = False
    whole: bool = False

    @property
    def name(self) -> str:
        """The option as people call it, without the part that it belongs to."""
        return self.key.rpartition(".")[2]


def read_range(key: str, field: Field, value: Any) -> Range | None:
    """Return the range that a value stands for, or nothing if it is a plain setting.

    Arguments:
        key: The option's full name.
        field: What is known of the option.
        value: Text as it was typed, or from a program also a sequence of values.

    Raises:
        ZooError: If it is meant as a range and is none, or the option cannot be swept.

    Example:
        >>> from zoo.options import describe
        >>> from zoo.training.options import TrainOptions
        >>> clip = next(field for field in describe(TrainOptions) if field.name == "clip")
        >>> read_range("clip", clip, "log:0.1..10:3").values
        (0.1, 1.0, 10.0)
    """
    if isinstance(value, str):
        return _read_text(key, field, value)
    if isinstance(value, Sequence) and not field.many:
        return _listed(key, field, ",".join(map(str, value)), list(value))
    return None


def _read_text(key: str, field: Field, text: str) -> Range | None:
    shape, colon, rest = text.partition(":")
    if shape in ("log", "lin") and colon:
        if field.many or field.kind not in (int, float):
            raise ZooError(f"{_flag(key)} takes {_kind(field)}, no single number, so that '{text}' is no range of it")
        return _spaced(key, field, text, rest, log=shape == "log")
    if "," not in text or field.many or shape in SHAPES:
        # The commas of a list, or of a schedule, are its own.
        return None
    return _listed(key, field, text, text.split(","))


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _kind(field: Field) -> str:
    return "several values" if field.many else "true or false" if field.kind is bool else "text"


def _spaced(key: str, field: Field, text: str, rest: str, *, log: bool) -> Range:
    match = re.fullmatch(r"(?P<low>.+?)\.\.(?P<high>[^:]+)(:(?P<count>.+))?", rest)
    if match is None:
        raise ZooError(f"{_flag(key)}: '{text}' is no range; write {FORMS}")
    low, high = (_number(key, text, match[name]) for name in ("low", "high"))
    if not low < high:
        raise ZooError(f"{_flag(key)}: the range {text} is empty; its first number must be below its second")
    if log and low <= 0:
        raise ZooError(f"{_flag(key)}: a log range starts above 0, got {text}; take lin, or another start")
    whole = field.kind is int
    count = _count(key, text, match["count"])
    ends = tuple(_checked(key, field, one) for one in (low, high))
    # Rounded to whole numbers, two may be the same.
    values = dict.fromkeys(field.check(one) for one in _between(low, high, count, log=log, whole=whole))
    return Range(key, text, tuple(values), (ends[0], ends[1]), log, whole)


def _number(key: str, text: str, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ZooError(f"{_flag(key)}: '{word}' in {text} is no number")
    return number


def _count(key: str, text: str, word: str | None) -> int:
    """Return how many values a range asks for; 0 where it only has bounds."""
    if word is None:
        return 0
    if not word.isdecimal() or int(word) < MIN_VALUES:
        raise ZooError(f"{_flag(key)}: {text} must ask for a whole number of values from {MIN_VALUES}, got '{word}'")
    return int(word)


def _between(low: float, high: float, count: int, *, log: bool, whole: bool) -> list[float]:
    if not count:
        return []
    start, end = (math.log(low), math.log(high)) if log else (low, high)
    inner = [start + (end - start) * i / (count - 1) for i in range(1, count - 1)]
    values = [low, *(math.exp(one) if log else one for one in inner), high]
    return [round(one) if whole else float(f"{one:.{DIGITS}g}") for one in values]


def _listed(key: str, field: Field, text: str, items: list[Any]) -> Range:
    words = [one.strip() if isinstance(one, str) else one for one in items]
    if field.kind is bool:
        raise ZooError(f"{_flag(key)} is true or false, which a sweep does not go along")
    if len(words) < MIN_VALUES or "" in words:
        raise ZooError(f"{_flag(key)}: a sweep needs at least {MIN_VALUES} values and none left out, got '{text}'")
    values = [_plain(_checked(key, field, one)) for one in words]
    if len(set(values)) < len(values):
        raise ZooError(f"{_flag(key)}: '{text}' has a value twice")
    return Range(key, text, tuple(values), whole=field.kind is int)


def _checked(key: str, field: Field, value: Any) -> Any:
    try:
        return field.check(value)
    except ZooError as error:
        raise ZooError(f"{_flag(key)}{str(error).removeprefix(field.flag)}") from None


def _plain(value: Any) -> Any:
    return value.text if isinstance(value, Schedule) else value
