"""Disentangling variational autoencoders: capacity annealing and total correlation."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import PartSpec, hookimpl


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """The losses."""
    yield PartSpec(
        kind="loss",
        name="capacity",
        summary="Distortion plus gamma times the rate's distance from a rising capacity.",
        part="zoo_beta_vae.capacity:Capacity",
        options="zoo_beta_vae.options:CapacityOptions",
        equation="loss = distortion + gamma * |rate - C(step)|",
        paper="Burgess et al. (2018), arXiv:1804.03599",
    )
    yield PartSpec(
        kind="loss",
        name="total-correlation",
        summary="The ELBO with the rate split in three, the total correlation weighted by beta.",
        part="zoo_beta_vae.total_correlation:TotalCorrelation",
        options="zoo_beta_vae.options:TotalCorrelationOptions",
        equation="loss = distortion + alpha * I(x; z) + beta * TC(z) + gamma * sum_j KL(q(z_j) || p(z_j))",
        paper="Chen et al. (2018), arXiv:1802.04942",
    )
