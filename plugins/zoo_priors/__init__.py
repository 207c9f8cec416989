"""Priors with parameters, priors that read the encoder, and priors fitted after training."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import PartSpec, hookimpl


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """Priors, trained with a model or fitted to its codes."""
    yield from _trained()
    yield from _fitted()


def _trained() -> Iterator[PartSpec]:
    yield PartSpec(
        kind="prior",
        name="vamp",
        summary="The mean posterior of learned pseudo-inputs.",
        part="zoo_priors.vamp:VampPrior",
        options="zoo_priors.options:VampPriorOptions",
        equation="p(z) = 1/K sum_k q(z|u_k)",
        paper="Tomczak & Welling (2018), arXiv:1705.07120",
    )
    yield PartSpec(
        kind="prior",
        name="mixture",
        summary="A mixture of normals with learned means, variances and weights.",
        part="zoo_priors.mixture:MixturePrior",
        options="zoo_priors.options:MixturePriorOptions",
        equation="p(z) = sum_k w_k N(mean_k, diag exp(logvar_k))",
    )
    yield PartSpec(
        kind="prior",
        name="realnvp",
        summary="A flow of affine couplings, trained with the model.",
        part="zoo_priors.flow:RealNvpPrior",
        options="zoo_priors.options:RealNvpPriorOptions",
        equation="p(z) = N(f(z); 0, I) |det df/dz|",
        paper="Dinh, Sohl-Dickstein & Bengio (2017), arXiv:1605.08803",
    )


def _fitted() -> Iterator[PartSpec]:
    yield PartSpec(
        kind="fitted-prior",
        name="gaussian",
        summary="One normal of full covariance.",
        part="zoo_priors.fitted_gaussian:FittedGaussian",
        options="zoo_priors.options:GaussianFitOptions",
        equation="p(z) = N(mean, covariance)",
    )
    yield PartSpec(
        kind="fitted-prior",
        name="gmm",
        summary="A mixture of normals of full covariance, by expectation maximisation (scikit-learn).",
        part="zoo_priors.fitted_gaussian:FittedMixture",
        options="zoo_priors.options:GmmFitOptions",
        equation="p(z) = sum_k w_k N(mean_k, covariance_k)",
        paper="Ghosh et al. (2020), arXiv:1903.12436",
    )
    yield PartSpec(
        kind="fitted-prior",
        name="kde",
        summary="A normal kernel at each of many codes.",
        part="zoo_priors.fitted_kernel:FittedKernels",
        options="zoo_priors.options:KdeFitOptions",
        equation="p(z) = 1/M sum_m N(z_m, bandwidth^2 covariance)",
        paper="Parzen (1962), On Estimation of a Probability Density Function and Mode",
    )
    yield PartSpec(
        kind="fitted-prior",
        name="maf",
        summary="A masked autoregressive flow (zuko).",
        part="zoo_priors.fitted_flow:FittedAffineFlow",
        options="zoo_priors.options:FlowFitOptions",
        equation="p(z) = N(f(z); 0, I) prod_j 1 / scale_j(z_1..z_j-1)",
        paper="Papamakarios, Pavlakou & Murray (2017), arXiv:1705.07057",
    )
    yield PartSpec(
        kind="fitted-prior",
        name="nsf",
        summary="A neural spline flow (zuko).",
        part="zoo_priors.fitted_flow:FittedSplineFlow",
        options="zoo_priors.options:SplineFitOptions",
        equation="p(z) = N(f(z); 0, I) prod_j ds_j/dz_j, with splines s_j shaped by z_1..z_j-1",
        paper="Durkan et al. (2019), arXiv:1906.04032",
    )
