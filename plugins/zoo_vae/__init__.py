"""Variational autoencoders: posteriors, likelihoods, priors and the evidence lower bound."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import PartSpec, hookimpl

_LATENT = "zoo_vae.options:LatentOptions"


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """Posteriors, likelihoods, priors and the loss."""
    yield from _posteriors()
    yield from _likelihoods()
    yield from _priors()
    yield PartSpec(
        kind="condition",
        name="label",
        summary="The class of each image: encoder and decoder are told it.",
        part="zoo_vae.conditions:LabelCondition",
        options="zoo_vae.options:LabelOptions",
        equation="q(z|x, c), p(x|z, c), p(z): loss = E_q[-log p(x|z, c)] + beta * KL(q(z|x, c) || p(z))",
        paper="Kingma et al. (2014), arXiv:1406.5298; Sohn, Lee & Yan (2015)",
    )
    yield PartSpec(
        kind="loss",
        name="elbo",
        summary="Distortion plus beta times the rate.",
        part="zoo_vae.losses:Elbo",
        options="zoo_vae.options:ElboOptions",
        equation="loss = distortion + beta * rate = E_q[-log p(x|z)] + beta * KL(q(z|x) || p(z))",
        paper="Kingma & Welling (2014), arXiv:1312.6114; Higgins et al. (2017)",
    )


def _posteriors() -> Iterator[PartSpec]:
    for name, summary, equation in (
        ("normal", "Independent normals, by mean and log-variance.", "q(z|x) = N(mean(x), diag exp(logvar(x)))"),
        ("laplace", "Independent Laplace units, by mean and log-scale.", "q(z|x) = Laplace(mean(x), scale(x))"),
        ("gamma", "Independent gamma units, for positive codes.", "q(z|x) = Gamma(concentration(x), rate(x))"),
        ("beta", "Independent beta units, for codes in the unit interval.", "q(z|x) = Beta(a(x), b(x))"),
    ):
        yield PartSpec(
            kind="posterior",
            name=name,
            summary=summary,
            part=f"zoo_vae.posteriors:{name.title()}Posterior",
            options="zoo_vae.options:NormalPosteriorOptions" if name == "normal" else _LATENT,
            equation=equation,
        )


def _likelihoods() -> Iterator[PartSpec]:
    yield PartSpec(
        kind="likelihood",
        name="bernoulli",
        summary="Ink or no ink, by logits; on grey pixels the mean over their binarisations.",
        part="zoo_vae.likelihoods:BernoulliLikelihood",
        equation="-log p(x|z) = -sum_pixels [x log m(z) + (1 - x) log(1 - m(z))]",
    )
    yield PartSpec(
        kind="likelihood",
        name="continuous-bernoulli",
        summary="The normalised density on [0, 1] that a Bernoulli on grey pixels is not.",
        part="zoo_vae.likelihoods:ContinuousBernoulliLikelihood",
        equation="-log p(x|z) = -sum_pixels [x log m + (1 - x) log(1 - m) + log C(m)]",
        paper="Loaiza-Ganem & Cunningham (2019), arXiv:1907.06845",
    )
    yield PartSpec(
        kind="likelihood",
        name="gaussian",
        summary="A normal of fixed, learned or optimal pixel noise.",
        part="zoo_vae.likelihoods:GaussianLikelihood",
        options="zoo_vae.likelihood_options:GaussianOptions",
        equation="-log p(x|z) = sum_pixels (x - mean(z))^2 / (2 sigma^2) + D/2 log(2 pi sigma^2)",
        paper="Rybkin, Daniilidis & Levine (2021), arXiv:2006.13202",
    )
    yield PartSpec(
        kind="likelihood",
        name="laplace",
        summary="The absolute error as a density, less blurred than the squared one.",
        part="zoo_vae.likelihoods:LaplaceLikelihood",
        options="zoo_vae.likelihood_options:LaplaceOptions",
        equation="-log p(x|z) = sum_pixels |x - mean(z)| / scale + D log(2 scale)",
    )


def _priors() -> Iterator[PartSpec]:
    for name, summary, equation in (
        ("normal", "Independent normals.", "p(z) = N(mean, std^2)"),
        ("laplace", "Independent Laplace units, for sparser codes.", "p(z) = Laplace(mean, scale)"),
        ("gamma", "Independent gamma units, for positive codes.", "p(z) = Gamma(concentration, rate)"),
        ("beta", "Independent beta units, for codes in the unit interval.", "p(z) = Beta(a, b)"),
    ):
        yield PartSpec(
            kind="prior",
            name=name,
            summary=summary,
            part=f"zoo_vae.priors:{name.title()}Prior",
            options=f"zoo_vae.prior_options:{name.title()}PriorOptions",
            equation=equation,
        )
