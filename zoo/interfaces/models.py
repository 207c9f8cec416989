"""What the trainer, metrics and figures know of a model: itself, and its abilities."""

from __future__ import annotations

__all__ = [
    "Conditional",
    "DecodesLatents",
    "Embeds",
    "ExactLikelihood",
    "LatentModel",
    "Model",
    "Reconstructs",
    "SampleOptions",
    "TakesPrior",
    "given",
]

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from torch import Tensor, nn

from zoo.distributions import Distribution
from zoo.geometry import Geometry
from zoo.interfaces.parts import Prior, Site
from zoo.interfaces.steps import Batch, Player, Step, Terms


@dataclass(frozen=True)
class SampleOptions:
    """How samples are drawn.

    Arguments:
        temperature: Multiplies the spread of the prior.
        mean, std: Draw latents from this normal distribution instead of the prior, if given.
        label: Draw images of this label, if the model has a condition.
    """

    temperature: float = 1.0
    mean: float | None = None
    std: float | None = None
    label: int | None = None


class Model(nn.Module, ABC):
    """What the trainer and `compare` know of a model, whatever its kind."""

    @abstractmethod
    def loss(self, batch: Batch, step: Step) -> Terms:
        """Return the terms of a batch in nats per image; `terms.loss` carries gradients."""

    @abstractmethod
    def sample(self, n: int, options: SampleOptions | None = None) -> Tensor:
        """Draw `n` images `(n, C, H, W)` from torch's default generator.

        They lie in [0, 1], unless the likelihood's mean is told not to (`--likelihood.squash identity`).

        Example:
            >>> import zoo
            >>> model = zoo.build("conv-vae.tiny", shape=(1, 28, 28))
            >>> model.sample(16).shape
            torch.Size([16, 1, 28, 28])
        """

    @abstractmethod
    def players(self) -> Mapping[str, Player]:
        """Return who optimises which parameters; `"model"` minimises `terms.loss`."""

    @abstractmethod
    def prepare(self, batch: Batch) -> None:
        """Let each part start from data, once, before the first step of a run."""


class Reconstructs(ABC):
    """The ability to encode an image and decode it again."""

    @abstractmethod
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the mean image at the posterior mean, `(B, C, H, W)`."""


class Embeds(ABC):
    """The ability to give an image a code.

    Attributes:
        latent_geometry: How codes lie, for maps of them and ways between them.
    """

    latent_geometry: Geometry = Geometry()

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Return the posterior mean of each image, `(B, *latent)`."""


class DecodesLatents(ABC):
    """The ability to draw an image from a code.

    Attributes:
        latent_shape: The shape of one code.
        continuous: Whether there are codes between codes, so that grids, traversals and interpolations say something.
    """

    latent_shape: tuple[int, ...]
    continuous: bool = True

    @abstractmethod
    def decode_mean(self, z: Tensor) -> Tensor:
        """Return the mean image of each latent, `(*S, C, H, W)`."""


class ExactLikelihood(ABC):
    """The ability to tell the density of an image itself: no bound, and no other measure than grey levels."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats for `x (B, C, H, W)`, `(B,)`; may draw noise below the last digit of pixels.

        It counts grey levels, of which [0, 1] has 256, so that bits per dimension are `-log_prob / (D log 2)`.
        """


class LatentModel(ABC):
    """The ability to be scored as q(z|x), p(x|z), p(z) and a loss: what likelihood metrics need."""

    @abstractmethod
    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        """Return q(z|x), batch `(B,)`."""

    @abstractmethod
    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        """Return p(x|z), batch `(*S,)`."""

    @abstractmethod
    def prior_distribution(self, c: Tensor | None = None) -> Distribution:
        """Return p(z), batch `()`."""

    @abstractmethod
    def rate_weight(self, step: Step) -> Tensor | float | None:
        """Return the factor before the rate where the loss is distortion + factor × rate, else nothing."""


class Conditional(ABC):
    """The ability to be told something of an image besides its pixels."""

    @abstractmethod
    def given(self, y: Mapping[str, Tensor]) -> object:
        """Return the model with the abilities it has once its labels `(B,)` are told; itself without a condition."""


M = TypeVar("M")


def given(model: M, y: Mapping[str, Tensor]) -> M:
    """Return a model, with its abilities, for images of these labels; the model itself where it is told none."""
    return cast(M, model.given(y)) if isinstance(model, Conditional) else model


class TakesPrior(LatentModel):
    """The ability to be given another prior after training.

    Attributes:
        fitted_prior: The one to fit first, where its codes are points that training held to no prior.
    """

    fitted_prior: str | None

    @property
    @abstractmethod
    def prior_site(self) -> Site:
        """What a prior of this model is told when it is built."""

    @abstractmethod
    def take_prior(self, prior: Prior) -> None:
        """Put a prior in the place of the present one.

        Raises:
            ZooError: If the posterior can fall where it has no density.
        """
