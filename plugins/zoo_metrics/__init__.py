"""Scores of trained models."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import MetricSpec, hookimpl


@hookimpl
def zoo_metrics() -> Iterator[MetricSpec]:
    """A tight bound on the likelihood, how far latents depend on each other, and what a classifier sees in samples."""
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
    yield MetricSpec(
        name="frechet",
        summary="Fréchet distance of samples to test images, in the features of a classifier of this very data.",
        metric="zoo_metrics.frechet:Frechet",
        options="zoo_metrics.options:FrechetOptions",
        equation="|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)), m, S of features of images, m', S' of samples",
        paper="Heusel et al. (2017), arXiv:1706.08500",
    )
    yield MetricSpec(
        name="label-accuracy",
        summary="Share of samples that a classifier takes for the label that they were drawn for.",
        metric="zoo_metrics.label_accuracy:LabelAccuracy",
        options="zoo_metrics.options:LabelAccuracyOptions",
        needs="Conditional",
        equation="1/K sum_k P(classifier(x) = k), x drawn from p(x|c = k)",
    )
