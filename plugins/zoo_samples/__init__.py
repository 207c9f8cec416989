"""What samples are worth: how far they are from images, in features that were trained on such."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import MetricSpec, hookimpl


@hookimpl
def zoo_metrics() -> Iterator[MetricSpec]:
    """Fréchet distance, and whether samples of a label look like it."""
    yield MetricSpec(
        name="frechet",
        summary="Fréchet distance of samples to test images, in the features of a classifier of this very data.",
        metric="zoo_samples.frechet:Frechet",
        options="zoo_samples.options:FrechetOptions",
        group="samples",
        better="lower",
        equation="|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)), m, S of features of images, m', S' of samples",
        paper="Heusel et al. (2017), arXiv:1706.08500",
    )
    yield MetricSpec(
        name="label-accuracy",
        summary="Share of samples that a classifier takes for the label that they were drawn for.",
        metric="zoo_samples.label_accuracy:LabelAccuracy",
        options="zoo_samples.options:LabelAccuracyOptions",
        group="samples",
        needs="Conditional",
        better="higher",
        equation="1/K sum_k P(classifier(x) = k), x drawn from p(x|c = k)",
    )
