"""Scores of trained models."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import MetricSpec, hookimpl


@hookimpl
def zoo_metrics() -> Iterator[MetricSpec]:
    """A tight bound on the likelihood, and how far latents depend on each other."""
    yield MetricSpec(
        name="iwae-bound",
        summary="L_k, a lower bound on log p(x) that k codes of each image make tight, nats per image.",
        metric="zoo_metrics.iwae_bound:IwaeBound",
        options="zoo_metrics.options:IwaeBoundOptions",
        needs="LatentModel",
        equation="L_k = E_q log 1/k sum_i p(x|z_i) p(z_i) / q(z_i|x)",
        paper="Burda, Grosse & Salakhutdinov (2016), arXiv:1509.00519",
    )
    yield MetricSpec(
        name="total-correlation",
        summary="How far the latents of all images together are from independent, nats.",
        metric="zoo_metrics.total_correlation:TotalCorrelation",
        options="zoo_metrics.options:TotalCorrelationOptions",
        needs="LatentModel",
        equation="TC = KL(q(z) || prod_j q(z_j)), q(z) = 1/N sum_n q(z|x_n)",
        paper="Chen et al. (2018), arXiv:1802.04942",
    )
