"""Several groups of latents."""

from __future__ import annotations

__all__: list[str] = []
from zoo import PartSpec, hookimpl


@hookimpl
def zoo_parts() -> list[PartSpec]:
    """Nothing yet."""
    return []
