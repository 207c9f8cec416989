"""Latents on a sphere: the von Mises–Fisher posterior and the uniform prior."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import PartSpec, hookimpl

_PAPER = "Davidson et al. (2018), arXiv:1804.00891"


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """The posterior and the prior."""
    yield PartSpec(
        kind="posterior",
        name="vmf",
        summary="Codes on the unit sphere, by mean direction and concentration.",
        part="zoo_sphere.parts:VmfPosterior",
        options="zoo_sphere.options:VmfOptions",
        equation="q(z|x) = C_d(k(x)) exp(k(x) mu(x)'z), |z| = |mu(x)| = 1",
        paper=_PAPER,
    )
    yield PartSpec(
        kind="prior",
        name="uniform-sphere",
        summary="Uniform on the unit sphere.",
        part="zoo_sphere.parts:UniformSpherePrior",
        equation="p(z) = 1 / area of the sphere = Gamma(d/2) / (2 pi^(d/2)), |z| = 1",
        paper=_PAPER,
    )
