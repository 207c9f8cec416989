"""The plain autoencoder: a point posterior, the squared error, and a loss without a rate."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import PartSpec, hookimpl


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """The parts of a plain autoencoder."""
    yield PartSpec(
        kind="posterior",
        name="delta",
        summary="All mass at one point: a plain autoencoder's code.",
        part="zoo_autoencoder.parts:DeltaPosterior",
        options="zoo_autoencoder.options:DeltaOptions",
        equation="q(z|x) = delta(z - f(x))",
    )
    yield PartSpec(
        kind="likelihood",
        name="mse",
        summary="Squared error summed over pixels; with a beta, a Gaussian of variance beta / 2.",
        part="zoo_autoencoder.parts:MseLikelihood",
        options="zoo_autoencoder.options:MseOptions",
        equation="-log p(x|z) = sum_pixels (x - mean(z))^2",
    )
    yield PartSpec(
        kind="loss",
        name="reconstruction",
        summary="The distortion alone.",
        part="zoo_autoencoder.parts:Reconstruction",
        equation="loss = distortion = E_q[-log p(x|z)]",
        paper="Rumelhart, Hinton & Williams (1986)",
    )
