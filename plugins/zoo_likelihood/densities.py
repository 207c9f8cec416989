"""The likelihood that a model stands for, of codes of images."""

from __future__ import annotations

__all__ = ["NoBound", "density_of", "log_likelihood", "rate_weight"]

from collections.abc import Mapping

from torch import Tensor

from zoo import LatentModel, Step, given
from zoo.distributions import Distribution, normalised


class NoBound(Exception):
    """Why a model has no bound on log p(x), as the end of a sentence."""


def rate_weight(model: LatentModel, step: Step) -> float | None:
    """Return the weight of the rate in a model's loss, read once: a GPU waits each time that a number is read."""
    beta = model.rate_weight(step)
    return float(beta) if beta is not None else None


def log_likelihood(model: LatentModel, x: Tensor, z: Tensor, beta: float | None, y: Mapping[str, Tensor]) -> Tensor:
    """Return log p(x|z) of the normalised model in nats, `(S, B)`.

    Arguments:
        model: The model, in eval mode.
        x: The images, `(B, C, H, W)`.
        z: Codes of each, `(S, B, *latent)`.
        beta: The weight of the rate in the model's loss, by which an `mse` stands for a Gaussian.
        y: Labels of the images, for a model that is told them.

    Raises:
        NoBound: If its likelihood is no density.
    """
    return density_of(given(model, y).decode(z), beta).log_prob(x)


def density_of(p: Distribution, beta: float | None) -> Distribution:
    """Return the normalised distribution that a likelihood stands for where the rate is weighted by beta.

    Raises:
        NoBound: If there is none.
    """
    density = normalised(p, beta)
    if density is None:
        raise NoBound(
            "its likelihood is no density: a squared error is one only beside a rate with a weight above 0, which "
            "gives its variance"
        )
    return density
