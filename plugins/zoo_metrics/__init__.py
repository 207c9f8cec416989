"""Reconstructions, the use of latents, and what a model costs."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import MetricSpec, hookimpl

AGGREGATE = "one code of each of N images, against the posteriors of all N"
"""How everything of the aggregate posterior is estimated."""


@hookimpl
def zoo_metrics() -> Iterator[MetricSpec]:
    """Metrics of reconstructions, of the use of latents, and of cost."""
    yield from _reconstruction()
    yield from _latent_use()
    yield from _cost()


def _reconstruction() -> Iterator[MetricSpec]:
    yield MetricSpec(
        name="psnr",
        summary="Peak signal-to-noise ratio of the reconstruction at the posterior mean.",
        metric="zoo_metrics.reconstruction:Psnr",
        group="reconstruction",
        needs="Reconstructs",
        unit="dB",
        better="higher",
        estimator="exact for each test image, then the mean over images",
        equation="10 log10(1 / mse of the image), pixels in [0, 1]",
    )
    yield MetricSpec(
        name="ssim",
        summary="Structural similarity of image and reconstruction at the posterior mean.",
        metric="zoo_metrics.reconstruction:Ssim",
        group="reconstruction",
        needs="Reconstructs",
        better="higher",
        estimator="exact for each test image, windows of 11×11 pixels that lie in the image, standard deviation 1.5",
        equation="mean of (2 m m' + c1)(2 cov + c2) / ((m^2 + m'^2 + c1)(v + v' + c2))",
        paper="Wang et al. (2004), IEEE Transactions on Image Processing 13(4)",
    )
    yield MetricSpec(
        name="bernoulli-nll",
        summary="Cross-entropy of pixels with the reconstruction at the posterior mean, whatever the likelihood.",
        metric="zoo_metrics.reconstruction:BernoulliNll",
        group="reconstruction",
        needs="Reconstructs",
        unit="nats per image",
        better="lower",
        estimator="exact, over the test images; at most 100 nats for each pixel",
        equation="-sum x log m + (1 - x) log(1 - m), m = E[x|z] at the mean of q(z|x)",
    )


def _latent_use() -> Iterator[MetricSpec]:
    yield MetricSpec(
        name="mutual-information",
        summary="How much codes say of which image they are of.",
        metric="zoo_metrics.mutual_information:MutualInformation",
        options="zoo_metrics.options:AggregateOptions",
        group="latent use",
        needs="LatentModel",
        unit="nats",
        estimator=f"{AGGREGATE}; at most log N",
        equation="I(x; z) = E log q(z|x) / q(z), q(z) = 1/N sum_n q(z|x_n)",
        paper="Hoffman & Johnson (2016), ELBO surgery",
    )
    yield MetricSpec(
        name="aggregate-gap",
        summary="How far the codes of all images together are from the prior.",
        metric="zoo_metrics.mutual_information:AggregateGap",
        options="zoo_metrics.options:AggregateOptions",
        group="latent use",
        needs="LatentModel",
        unit="nats",
        better="lower",
        estimator=AGGREGATE,
        equation="KL(q(z) || p(z)) = rate - I(x; z), q(z) = 1/N sum_n q(z|x_n)",
        paper="Hoffman & Johnson (2016), ELBO surgery",
    )
    yield MetricSpec(
        name="total-correlation",
        summary="How far the latents of all images together are from independent.",
        metric="zoo_metrics.total_correlation:TotalCorrelation",
        options="zoo_metrics.options:TotalCorrelationOptions",
        group="latent use",
        needs="LatentModel",
        unit="nats",
        better="lower",
        estimator=AGGREGATE,
        equation="TC = KL(q(z) || prod_j q(z_j)), q(z) = 1/N sum_n q(z|x_n)",
        paper="Chen et al. (2018), arXiv:1802.04942",
    )
    yield MetricSpec(
        name="collapse",
        summary="Share of latents that say nothing of the image, and whether the posterior has collapsed.",
        metric="zoo_metrics.collapse:Collapse",
        group="latent use",
        needs="LatentModel",
        unit="of latents",
        better="lower",
        estimator="variance of posterior means over the test images",
        equation="1/d sum_j [Var_x E_q[z_j] <= 0.01]",
        paper="Burda, Grosse & Salakhutdinov (2016), arXiv:1509.00519; Lucas et al. (2019), arXiv:1911.02469",
    )


def _cost() -> Iterator[MetricSpec]:
    yield MetricSpec(
        name="flops",
        summary="Floating-point operations of the loss of one image, forwards.",
        metric="zoo_metrics.cost:Flops",
        options="zoo_metrics.options:CostOptions",
        group="cost",
        unit="per image",
        better="lower",
        estimator="counted: products of matrices, convolutions and attention, two for a multiplication and an addition",
    )
    yield MetricSpec(
        name="peak-memory",
        summary="Most memory that the loss of a batch takes in evaluation, weights included.",
        metric="zoo_metrics.cost:PeakMemory",
        options="zoo_metrics.options:CostOptions",
        group="cost",
        unit="MiB",
        better="lower",
        estimator="the allocator's counter on a CUDA GPU, else the bytes of all tensors that are alive at once",
    )
