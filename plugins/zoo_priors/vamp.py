"""The VampPrior: the mean posterior of learned pseudo-inputs."""

from __future__ import annotations

__all__ = ["VampPrior"]

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from zoo import Batch, Network, Posterior, Prior, Site, ZooError
from zoo.distributions import Distribution, Factorised, Mixture
from zoo_priors.options import VampPriorOptions

_EDGE = 0.01
"""How far inside [0, 1] pixels start: at the edge itself neither squash lets them move."""

_NOISE = 0.01
"""What tells pseudo-inputs apart that start at the same image."""


@final
class VampPrior(Prior):
    """p(z) = 1/K sum_k q(z|u_k) for learned pseudo-inputs u_k, images in [0, 1]; event the latent shape.

    Their pixels are cut off at 0 and 1, as in the paper, or are logits. From `prepare` they start at the images of one
    training batch, each with a little noise and used again where there are fewer than K. Nothing is kept between
    calls: every `forward` encodes all K.

    In training they pass through the encoder as a batch of their own. With batch normalisation this means that they
    are normalised by their own mean and spread, as the images of a batch are by theirs, and that they leave no trace
    in the running statistics, which are of images alone; in eval mode those normalise both. The encoder is owned by the
    model; its gradients through the prior are part of the objective.

    Raises:
        ZooError: If the posterior has no density, or units that depend on each other.

    References:
        VAE with a VampPrior (Tomczak & Welling, 2018), arXiv:1705.07120.
    """

    def __init__(self, options: VampPriorOptions, site: Site) -> None:
        super().__init__()
        # In a tuple, where they are not registered: the model's encoder owns their weights.
        self._encoder = (site.part("encoder", Network), site.part("posterior", Posterior))
        self.start = options.start
        self.logits_squash = options.squash == "sigmoid"
        self.inputs = nn.Parameter(self._unsquash(torch.rand(options.components, *site.shape)))

    @torch.no_grad()
    def prepare(self, batch: Batch) -> None:
        if self.start == "data":
            index = torch.arange(len(self.inputs), device=batch.x.device) % len(batch.x)
            images = batch.x[index]
            self.inputs.copy_(self._unsquash(images + _NOISE * torch.randn_like(images)))

    @property
    def images(self) -> Tensor:
        """The pseudo-inputs `(K, C, H, W)`, in [0, 1]."""
        return torch.sigmoid(self.inputs) if self.logits_squash else F.hardtanh(self.inputs, 0.0, 1.0)

    def forward(self, c: Tensor | None = None) -> Distribution:
        network, head = self._encoder
        q: Distribution = _without_trace(head, _without_trace(network, self.images))
        if not isinstance(q, Factorised) or not q.has_density:
            raise ZooError(
                f"prior vamp needs a posterior of independent units with a density, not a {type(q).__name__}"
            )
        return Mixture(self.inputs.new_zeros(len(self.inputs)), q)

    def _unsquash(self, images: Tensor) -> Tensor:
        inside = images.clamp(_EDGE, 1 - _EDGE)
        return torch.logit(inside) if self.logits_squash else inside


def _without_trace(module: nn.Module, x: Tensor) -> Any:
    """Call a module on copies of its buffers, so that what it notes in them is forgotten."""
    return functional_call(module, {name: buffer.clone() for name, buffer in module.named_buffers()}, (x,))
