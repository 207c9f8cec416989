"""Trackers: what follows a run and writes it where people look."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import PartSpec, hookimpl


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """None; a plugin implements a hook."""
    yield from ()
