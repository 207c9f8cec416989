"""Parts of the plain autoencoder: `delta`, `mse`, `reconstruction`."""

from __future__ import annotations

__all__ = ["DeltaPosterior", "MseLikelihood", "Reconstruction"]

from typing import final

import torch
from torch import Tensor, nn

from zoo import Batch, LatentModel, Likelihood, Loss, Network, Options, Posterior, Site, Step, Terms
from zoo.distributions import Delta, Distribution, SquaredError
from zoo_autoencoder.options import DeltaOptions, MseOptions


@final
class DeltaPosterior(Posterior):
    """A point for each image: q(z|x) = delta(z - f(x)), event `(d,)`."""

    fitted_prior = "gmm"

    def __init__(self, options: DeltaOptions, site: Site) -> None:
        super().__init__()
        self.latent_shape = (options.latent_dim,)
        self.layer = nn.Linear(site.part("encoder", Network).out_size, options.latent_dim)

    def forward(self, features: Tensor) -> Distribution:
        return Delta(self.layer(features.flatten(1)))


@final
class MseLikelihood(Likelihood):
    """The squared error: -log p(x|z) is the sum over pixels of (x - mean)², event `(C, H, W)`."""

    values_per_pixel = 1

    def __init__(self, options: MseOptions, site: Site) -> None:
        super().__init__()
        self.unit_range = self.squash = options.squash == "sigmoid"

    def forward(self, values: Tensor) -> Distribution:
        return SquaredError(torch.sigmoid(values) if self.squash else values)


@final
class Reconstruction(Loss):
    """The distortion E_q[-log p(x|z)] alone, in nats per image."""

    def __init__(self, options: Options, site: Site) -> None:
        super().__init__()

    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        q = model.encode(batch.x)
        distortion = -model.decode(q.rsample()).log_prob(batch.x).mean()
        return Terms.collect(distortion, {"distortion": distortion}, q)
