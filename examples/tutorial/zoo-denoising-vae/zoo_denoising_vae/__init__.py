"""The denoising ELBO, and a model with it."""

from collections.abc import Iterator
from pathlib import Path

from zoo import PartSpec, hookimpl


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """The loss."""
    yield PartSpec(
        kind="loss",
        name="denoising-vae",
        summary="The ELBO of images that the encoder sees through noise.",
        part="zoo_denoising_vae.parts:DenoisingVaeLoss",
        options="zoo_denoising_vae.options:DenoisingVaeOptions",
        equation="loss = distortion + rate = E[-log p(x|z)] + KL(q(z|x + noise e) || p(z)),  e ~ N(0, 1)",
        paper="Im et al. (2017), arXiv:1511.06406",
    )


@hookimpl
def zoo_registry() -> Path:
    """The model."""
    return Path(__file__).with_name("registry.toml")
