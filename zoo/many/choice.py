"""How many runs are trained: side by side where that is faster, else one after another; imports no torch."""

from __future__ import annotations

__all__ = ["WAYS", "Choice", "Way"]

from typing import Literal, NamedTuple, TypeAlias, get_args

Way: TypeAlias = Literal["auto", "off", "processes", "vectorised"]
"""What is asked for: `auto` chooses, `off` is one after another."""

WAYS: tuple[str, ...] = get_args(Way)


class Choice(NamedTuple):
    """How runs are trained.

    Arguments:
        way: `off`, `processes` or `vectorised`.
        workers: How many processes, if any.
        reason: Why not side by side, as the end of a sentence; empty where there is nothing to tell.
    """

    way: Way
    workers: int = 1
    reason: str = ""
