"""How sentences of failures name several things."""

from __future__ import annotations

__all__ = ["some"]

from collections.abc import Iterable

_MOST = 5


def some(names: Iterable[str]) -> str:
    """Return names in a row, the first few of many.

    Example:
        >>> some("abcdefgh")
        'a, b, c, d, e and 3 more'
    """
    found = list(names)
    more = len(found) - _MOST
    return ", ".join(found) if more <= 1 else f"{', '.join(found[:_MOST])} and {more} more"
