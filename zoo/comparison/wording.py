"""Numbers and lists for the eye: as many digits as mean something, a dash for what is not there."""

from __future__ import annotations

__all__ = ["DASH", "enumerated", "mean_and_spread", "number", "plain"]

import math
from collections.abc import Sequence
from typing import Any

DASH = "–"
MOST_DECIMALS = 8
SMALLEST, LARGEST = 1e-3, 1e7


def number(value: Any) -> str:
    """Return a value with four digits; a list by its length and ends.

    Example:
        >>> number(1234567), number(0.17), number(None), number([0.5, 2.0])
        ('1,234,567', '0.1700', '–', '2 values from 0.5000 to 2')
    """
    if value is None:
        return DASH
    if isinstance(value, bool | str):
        return plain(value)
    if isinstance(value, Sequence):
        ends = f" from {number(min(value))} to {number(max(value))}" if value else ""
        return f"{len(value)} values{ends}"
    return _float(value) if isinstance(value, float) else _signed(f"{value:,}")


def _float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value.is_integer() and abs(value) < 1e15:
        return _signed(f"{value:,.0f}")
    return _signed(f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:#.4g}".removesuffix("."))


def mean_and_spread(mean: float | None, sd: float | None) -> str:
    """Return a mean with the digits that its spread over runs leaves it: two of the spread are shown.

    Example:
        >>> mean_and_spread(104.3172, 0.2419), mean_and_spread(0.0000123, 0.0000004), mean_and_spread(0.0123, None)
        ('104.32 ± 0.24', '12.30e-6 ± 0.40e-6', '0.01230')
    """
    if mean is None or sd is None or not (math.isfinite(mean) and math.isfinite(sd)):
        return number(mean)
    # What is counted, such as parameters, has no spread.
    if sd == 0:
        return number(mean)
    exponent = _exponent(max(abs(mean), sd))
    power = f"e{exponent}" if exponent else ""
    decimals = max(0, 1 - math.floor(math.log10(sd) - exponent))
    if decimals > MOST_DECIMALS:
        return f"{number(mean)} ± {sd:.2g}"
    mean, sd = mean / 10.0**exponent, sd / 10.0**exponent
    return _signed(f"{mean:,.{decimals}f}{power} ± {sd:,.{decimals}f}{power}")


def _exponent(size: float) -> int:
    """Return the power of a thousand that is taken out of a number: none where it is as easily read without."""
    return 0 if SMALLEST <= size < LARGEST else 3 * math.floor(math.log10(size) / 3)


def _signed(digits: str) -> str:
    return "−" + digits[1:] if digits.startswith("-") else digits


def plain(value: Any) -> str:
    """Return a setting as one would type it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def enumerated(words: Sequence[str]) -> str:
    """Return words as a sentence lists them.

    Example:
        >>> enumerated(["ae", "vae", "conv-vae"])
        'ae, vae and conv-vae'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
