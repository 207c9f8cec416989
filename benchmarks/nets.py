"""The two nets that are compared, in plain torch layers: what a user of any other library would write."""

from __future__ import annotations

__all__ = ["NETS", "Vae", "conv_vae", "vae"]

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Vae(nn.Module):
    """A variational autoencoder of images `(B, 1, 28, 28)`: the loss is distortion + beta × rate, in nats per image.

    Arguments:
        encoder: Images to features.
        head: Features to the mean and log-variance of q(z|x).
        decoder: Codes to one value for each pixel, before the sigmoid.
        squared: The distortion is the squared error, else the cross-entropy.
        beta: The weight of the rate.
    """

    def __init__(self, encoder: nn.Module, head: nn.Linear, decoder: nn.Module, squared: bool, beta: float) -> None:
        super().__init__()
        self.encoder, self.head, self.decoder = encoder, head, decoder
        self.squared, self.beta = squared, beta

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q(z|x), `(B, d)` each."""
        mean, logvar = self.head(self.encoder(x)).chunk(2, -1)
        return mean, logvar

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the mean image at the posterior mean."""
        return torch.sigmoid(self.decoder(self.encode(x)[0]))

    def loss(self, x: Tensor) -> Tensor:
        """Return the loss of a batch, `()`."""
        mean, logvar = self.encode(x)
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        values = self.decoder(z)
        if self.squared:
            distortion = F.mse_loss(torch.sigmoid(values), x, reduction="sum")
        else:
            distortion = F.binary_cross_entropy_with_logits(values, x, reduction="sum")
        rate = -0.5 * torch.sum(1 + logvar - mean**2 - logvar.exp())
        return (distortion + self.beta * rate) / len(x)


def conv_vae(latent: int = 16) -> Vae:
    """Return the net of the registry's `conv-vae`: two strided convolutions, and back."""
    encoder = nn.Sequential(
        nn.Conv2d(1, 32, 3, 2, 1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.Flatten(),
    )
    decoder = nn.Sequential(
        nn.Linear(latent, 64 * 7 * 7, bias=False),
        nn.Unflatten(1, (64, 7, 7)),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 3, 2, 1, output_padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 3, 2, 1, output_padding=1),
    )
    return Vae(encoder, nn.Linear(64 * 7 * 7, 2 * latent), decoder, squared=True, beta=0.11)


def vae(latent: int = 20) -> Vae:
    """Return the net of the registry's `vae`: 784-400-20, and back."""
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU())
    decoder = nn.Sequential(nn.Linear(latent, 400), nn.ReLU(), nn.Linear(400, 784), nn.Unflatten(1, (1, 28, 28)))
    return Vae(encoder, nn.Linear(400, 2 * latent), decoder, squared=False, beta=1.0)


NETS: Mapping[str, Callable[[], Vae]] = {"conv-vae": conv_vae, "vae": vae}
