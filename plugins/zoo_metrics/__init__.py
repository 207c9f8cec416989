"""Reconstructions, the use of latents, and what a model costs."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import MetricSpec, hookimpl


@hookimpl
def zoo_metrics() -> Iterator[MetricSpec]:
    """How far latents depend on each other."""
    yield MetricSpec(
        name="total-correlation",
        summary="How far the latents of all images together are from independent, nats.",
        metric="zoo_metrics.total_correlation:TotalCorrelation",
        options="zoo_metrics.options:TotalCorrelationOptions",
        group="latent use",
        needs="LatentModel",
        unit="nats",
        better="lower",
        estimator="one code of each of N images, against the posteriors of all N",
        equation="TC = KL(q(z) || prod_j q(z_j)), q(z) = 1/N sum_n q(z|x_n)",
        paper="Chen et al. (2018), arXiv:1802.04942",
    )
