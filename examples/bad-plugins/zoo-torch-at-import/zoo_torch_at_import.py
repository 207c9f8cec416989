"""A prior whose class stands beside its spec, so that every command imports torch."""

import torch
from torch import Tensor

from zoo import Options, PartSpec, Posterior, Prior, Site, hookimpl
from zoo.distributions import Distribution, Laplace


class BroadPrior(Prior):
    """p(z) = Laplace(0, 2) for each unit."""

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(site.part("posterior", Posterior).latent_shape))

    def forward(self, c: Tensor | None = None) -> Distribution:
        loc = self.get_buffer("loc")
        return Laplace(loc, torch.full_like(loc, 2.0))


@hookimpl
def zoo_parts():
    yield PartSpec(
        kind="prior",
        name="broad",
        summary="Independent Laplace units of scale 2.",
        part="zoo_torch_at_import:BroadPrior",
        equation="p(z) = Laplace(0, 2)",
    )


@hookimpl
def zoo_registry():
    return {"models": {"broad-vae": {"extends": "vae", "summary": "A VAE with a broad prior.", "prior": "broad"}}}
