"""Options of the denoising ELBO; imports no torch."""

__all__ = ["DenoisingVaeOptions"]

from dataclasses import dataclass

from zoo import Options, option


@dataclass(frozen=True, kw_only=True)
class DenoisingVaeOptions(Options):
    """Options of the denoising ELBO."""

    noise: float = option(0.3, "Standard deviation of the noise on the pixels that the encoder sees.", min=0)
