"""Deprecations of the plugin interface: each with the day it was told, the day it may go, and what to do instead."""

from __future__ import annotations

__all__ = ["Deprecated", "deprecated"]

from datetime import date, timedelta

NOTICE = timedelta(days=365)
"""How long what is deprecated keeps working, at the least."""


class Deprecated(DeprecationWarning):
    """That something of the plugin interface will go; Python shows it to those who run tests, and to nobody else."""


def deprecated(name: str, *, since: str, until: str, instead: str) -> Deprecated:
    """Return the notice that something of the plugin interface will go.

    It is told of a hook by `hookspec(warn_on_impl=...)`, of an argument by `hookspec(warn_on_impl_args={name: ...})`,
    and of a field of a spec by `Contract.fields`.

    Arguments:
        name: What is deprecated, such as `hook zoo_models` or `PartSpec.flavour`.
        since: The day of the release that says so, as `2026-11-23`.
        until: The day until which it works, a year later or more.
        instead: What to do, such as `use PartSpec.options`.

    Raises:
        ValueError: If a day is none, or it may go too soon.

    Example:
        >>> print(deprecated("hook zoo_models", since="2026-11-23", until="2027-11-23", instead="return zoo_registry"))
        hook zoo_models is deprecated since 2026-11-23 and works until 2027-11-23; return zoo_registry
    """
    if date.fromisoformat(until) - date.fromisoformat(since) < NOTICE:
        raise ValueError(f"{name} must work for {NOTICE.days} days after it is deprecated, from {since} to {until}")
    return Deprecated(f"{name} is deprecated since {since} and works until {until}; {instead}")
