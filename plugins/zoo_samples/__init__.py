"""What samples are worth, in the features of a classifier or of Inception v3: how near, how varied, how new."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import MetricSpec, hookimpl

_ESTIMATOR = "--samples samples against the test images, 10,000 at most"


@hookimpl
def zoo_metrics() -> Iterator[MetricSpec]:
    """Distances of samples to images, what lies among what, copies, and whether samples of a label look like it."""
    yield MetricSpec(
        name="frechet",
        summary="Fréchet distance of samples to test images, in the features of a classifier or of Inception v3.",
        metric="zoo_samples.frechet:Frechet",
        options="zoo_samples.options:FeatureOptions",
        group="samples",
        better="lower",
        estimator=f"{_ESTIMATOR}; biased upwards by few",
        equation="|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)), m, S of features of images, m', S' of samples",
        paper="Heusel et al. (2017), arXiv:1706.08500",
    )
    yield MetricSpec(
        name="kernel-distance",
        summary="Kernel distance of samples to test images (KID), in the same features.",
        metric="zoo_samples.kernel_distance:KernelDistance",
        options="zoo_samples.options:KernelDistanceOptions",
        group="samples",
        better="lower",
        estimator=f"{_ESTIMATOR}; unbiased, mean over pairs of blocks",
        equation="E k(x, x') + E k(y, y') - 2 E k(x, y), k(a, b) = (a.b / F + 1)^3, x, y features of images, samples",
        paper="Bińkowski et al. (2018), arXiv:1801.01401",
    )
    yield MetricSpec(
        name="precision",
        summary="Share of samples that lie among test images: how many are good.",
        metric="zoo_samples.manifold:Precision",
        options="zoo_samples.options:FeatureOptions",
        group="samples",
        better="higher",
        estimator=_ESTIMATOR,
        equation="1/M sum_j [y_j in some B(x_i)], B(x_i) reaching to the 5th nearest image of x_i",
        paper="Kynkäänniemi et al. (2019), arXiv:1904.06991",
    )
    yield MetricSpec(
        name="recall",
        summary="Share of test images that lie among samples: how much of the data is drawn.",
        metric="zoo_samples.manifold:Recall",
        options="zoo_samples.options:FeatureOptions",
        group="samples",
        better="higher",
        estimator=_ESTIMATOR,
        equation="1/N sum_i [x_i in some B(y_j)], B(y_j) reaching to the 5th nearest sample of y_j",
        paper="Kynkäänniemi et al. (2019), arXiv:1904.06991",
    )
    yield MetricSpec(
        name="density",
        summary="How densely samples lie among test images; 1 is expected of images.",
        metric="zoo_samples.manifold:Density",
        options="zoo_samples.options:FeatureOptions",
        group="samples",
        better="higher",
        estimator=_ESTIMATOR,
        equation="1/(5 M) sum_j sum_i [y_j in B(x_i)]",
        paper="Naeem et al. (2020), arXiv:2002.09797",
    )
    yield MetricSpec(
        name="coverage",
        summary="Share of test images that have a sample near them.",
        metric="zoo_samples.manifold:Coverage",
        options="zoo_samples.options:FeatureOptions",
        group="samples",
        better="higher",
        estimator=_ESTIMATOR,
        equation="1/N sum_i [some y_j in B(x_i)]",
        paper="Naeem et al. (2020), arXiv:2002.09797",
    )
    yield MetricSpec(
        name="data-copying",
        summary="How often a sample is nearer to a training image than a test image is: 0.5 is new, 1 is copied.",
        metric="zoo_samples.data_copying:DataCopying",
        options="zoo_samples.options:FeatureOptions",
        group="samples",
        estimator=f"{_ESTIMATOR}, all training images",
        equation="P(d(y) < d(x)), d the distance of features to the nearest training image",
        paper="Meehan, Chaudhuri & Dasgupta (2020), arXiv:2004.05675",
    )
    yield MetricSpec(
        name="label-accuracy",
        summary="Share of samples that a classifier takes for the label that they were drawn for.",
        metric="zoo_samples.label_accuracy:LabelAccuracy",
        options="zoo_samples.options:LabelAccuracyOptions",
        group="samples",
        needs="Conditional",
        better="higher",
        estimator="as many samples of each label as --label-accuracy.samples says",
        equation="1/K sum_k P(classifier(x) = k), x drawn from p(x|c = k)",
    )
