"""Discrete latents: codebooks and finite scalar quantisation, on vector-quantize-pytorch (Phil Wang)."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import MetricSpec, PartSpec, hookimpl


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """Two posteriors over sequences of codes, the prior that fits both, and one that is fitted to their codes."""
    yield PartSpec(
        kind="posterior",
        name="vq",
        summary="The nearest vectors of a learned codebook, one for each place of a map.",
        part="zoo_quantised.vq:VqPosterior",
        options="zoo_quantised.options:VqOptions",
        equation="q(z|x) = delta(z - e_k), k = argmin_j |f(x) - e_j|; loss + commitment * mean_places |f - sg(e_k)|^2",
        paper="van den Oord, Vinyals & Kavukcuoglu (2017), arXiv:1711.00937",
    )
    yield PartSpec(
        kind="posterior",
        name="fsq",
        summary="A few numbers rounded to a few levels each, at each place of a map.",
        part="zoo_quantised.fsq:FsqPosterior",
        options="zoo_quantised.options:FsqOptions",
        equation="q(z|x) = delta(z - round(bound(f(x))))",
        paper="Mentzer et al. (2023), arXiv:2309.15505",
    )
    yield PartSpec(
        kind="prior",
        name="uniform-codes",
        summary="Every code of the posterior's codebook alike, at each place by itself.",
        part="zoo_quantised.priors:UniformCodesPrior",
        equation="p(z) = K^-n, so that KL(q(z|x) || p(z)) = n log K",
        paper="van den Oord, Vinyals & Kavukcuoglu (2017), arXiv:1711.00937",
    )
    yield PartSpec(
        kind="fitted-prior",
        name="pixelcnn",
        summary="A gated PixelCNN over the codes of a codebook: each code given those before it, row by row.",
        part="zoo_quantised.fitted:FittedPixelCnn",
        options="zoo_quantised.options:PixelCnnOptions",
        equation="p(z) = prod_i p(k_i | k_1 .. k_i-1), z_i = e_k_i",
        paper="van den Oord et al. (2016), arXiv:1606.05328",
    )


@hookimpl
def zoo_metrics() -> Iterator[MetricSpec]:
    """How much of a codebook is in use."""
    yield MetricSpec(
        name="code-usage",
        summary="Share of a codebook's codes that the test images use.",
        metric="zoo_quantised.usage:CodeUsage",
        group="latent use",
        needs="LatentModel",
        unit="share",
        better="higher",
        estimator="count over the test images; perplexity is exp of the entropy of the codes' frequencies",
        equation="1/K |{k : some place of some image has code k}|",
        paper="van den Oord, Vinyals & Kavukcuoglu (2017), arXiv:1711.00937",
    )
