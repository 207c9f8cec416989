"""Checks of conditions: the labels that they take, draw and refuse."""

from __future__ import annotations

__all__ = ["condition_has_its_size", "labels_are_honoured", "strange_labels_are_refused"]

from collections.abc import Callable

import torch

from zoo.errors import ZooError
from zoo.interfaces import Condition
from zoo.testing.check import require
from zoo.testing.parts.places import Home

_COUNT = 6


def condition_has_its_size(case: Home) -> None:
    """Labels that it draws become a condition of its `size`, one row an image."""
    condition = _condition(case)
    y = condition.sample(_COUNT)
    lengths = {name: len(value) for name, value in y.items()}
    require(set(lengths.values()) == {_COUNT}, f"sample({_COUNT}) gives labels of lengths {lengths}")
    c = condition(y)
    require(tuple(c.shape) == (_COUNT, condition.size), f"gives {tuple(c.shape)} where its size is {condition.size}")
    require(c.is_floating_point(), f"gives {c.dtype}, which no network takes; return floating-point numbers")
    require(bool(c.isfinite().all()), "gives numbers that are not finite")


def labels_are_honoured(case: Home) -> None:
    """A label that is asked for is the same for all images, and another one is another condition."""
    condition = _condition(case)
    zero, one = (condition(condition.sample(_COUNT, label)) for label in (0, 1))
    for label, c in enumerate((zero, one)):
        require(bool((c == c[:1]).all()), f"sample(n, {label}) gives images of different labels")
    require(not zero[0].equal(one[0]), "labels 0 and 1 give the same condition")


def strange_labels_are_refused(case: Home) -> None:
    """Images without the label, and labels that there are not, are refused with a ZooError."""
    condition = _condition(case)
    y = condition.sample(_COUNT)
    beyond = {name: torch.full_like(value, 10_000) for name, value in y.items()}
    _refused(lambda: condition({}), "images without labels")
    _refused(lambda: condition.sample(_COUNT, 10_000), "sample(n, 10000)")
    _refused(lambda: condition(beyond), "in eval mode, a label of 10000")


def _refused(use: Callable[[], object], what: str) -> None:
    try:
        use()
    except ZooError:
        return
    except Exception as error:
        require(False, f"{what}: raises {type(error).__name__}; raise a ZooError that says which labels there are")
    require(False, f"{what}: is taken without a word; raise a ZooError that says which labels there are")


def _condition(case: Home) -> Condition:
    part = case.placed().part
    assert isinstance(part, Condition), "the check fits-a-model tells of others"
    return part
