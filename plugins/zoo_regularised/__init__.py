"""Autoencoders held by statistics of a batch or by norms, without a density: WAE and RAE."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import PartSpec, hookimpl


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """The losses."""
    yield PartSpec(
        kind="loss",
        name="mmd",
        summary="Distortion plus the discrepancy between the codes of a batch and draws of the prior.",
        part="zoo_regularised.losses:Mmd",
        options="zoo_regularised.options:MmdOptions",
        equation="loss = distortion + weight * MMD^2(q(z), p(z))",
        paper="Tolstikhin et al. (2018), arXiv:1711.01558",
    )
    yield PartSpec(
        kind="loss",
        name="rae",
        summary="Distortion plus the norms of the code and of the decoder's parameters.",
        part="zoo_regularised.losses:Rae",
        options="zoo_regularised.options:RaeOptions",
        equation="loss = distortion + beta * |z|^2 / 2 + decay * |theta|^2, theta of the decoder",
        paper="Ghosh et al. (2020), arXiv:1903.12436",
    )
