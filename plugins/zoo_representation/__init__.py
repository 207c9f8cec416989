"""What codes are worth: to probes, and against the factors that images were made from."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import MetricSpec, hookimpl


@hookimpl
def zoo_metrics() -> Iterator[MetricSpec]:
    """Metrics of representation; none yet."""
    yield from ()
