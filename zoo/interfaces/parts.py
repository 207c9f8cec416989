"""What models are composed of: each part returns a distribution, and a loss reads them."""

from __future__ import annotations

__all__ = [
    "Bijection",
    "Condition",
    "Decoder",
    "Encoder",
    "FittedPrior",
    "Likelihood",
    "Loss",
    "Network",
    "Part",
    "Posterior",
    "Prior",
    "Site",
]

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from torch import Tensor, nn

from zoo.distributions import Distribution
from zoo.errors import ZooError
from zoo.geometry import Geometry
from zoo.interfaces.steps import Batch, Player, Step, Terms

if TYPE_CHECKING:
    from zoo.interfaces.models import LatentModel


class Part(nn.Module, ABC):
    """Anything that a model is composed of; built as `Name(options, site)`.

    Attributes:
        reads_back: Whether a step has to read numbers back from its device, as one that draws until enough are accepted
            does. On a GPU, steps of such a model run operation by operation, and not as one recorded graph.
        whole_batch: Whether it computes with several images of a batch together, batch normalisation apart, or draws
            more or fewer random numbers by what an image is. Processes that share a batch must then all see it.
    """

    reads_back: bool = False
    whole_batch: bool = False

    def prepare(self, batch: Batch) -> None:
        """Start from data, once, before the first step of a run: k-means codes, pseudo-inputs; nothing by default."""


P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Site:
    """What a part is told when it is built.

    Arguments:
        shape: The shape `(C, H, W)` of one image.
        train_size: The number of training images.
        parts: The parts that its role needs, by role.
        classes: How many training images each class of each label has, by label.
    """

    shape: tuple[int, int, int]
    train_size: int
    parts: Mapping[str, Part]
    classes: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def pixels(self) -> int:
        """The number of values in one image."""
        return math.prod(self.shape)

    @property
    def code_size(self) -> int:
        """The number of values that a decoder reads: those of a latent, and of a condition if there is one."""
        condition = self.part("condition", Condition).size if "condition" in self.parts else 0
        return self.part("posterior", Posterior).decoder_size + condition

    def part(self, role: str, kind: type[P]) -> P:
        """Return the part of a needed role.

        Raises:
            ZooError: If there is no such part here: this one was made for another kind of model.
            TypeError: If that part is of another kind.
        """
        if role not in self.parts:
            raise ZooError(f"a part that needs a {role} does not fit this kind of model; choose another")
        part = self.parts[role]
        if not isinstance(part, kind):
            raise TypeError(f"role '{role}' holds a {type(part).__name__}, which is no {kind.__name__}")
        return part


class Network(Part):
    """A backbone: the layers of an encoder before its head, or of a decoder before its likelihood.

    Attributes:
        out_shape: The shape of one output: `(F,)` features, a map of them `(F, h, w)`, or `(K, H, W)` values for a
            likelihood.
    """

    out_shape: tuple[int, ...]

    @property
    def out_size(self) -> int:
        """The number of values in one output."""
        return math.prod(self.out_shape)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map `(N, *in)` to `(N, *out_shape)`."""


class Bijection(Part):
    """An invertible map, image by image, which tells how it changes volumes."""

    @abstractmethod
    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `h (B, *shape)` is mapped to, as many values, and log |det| of the Jacobian, `(B,)`."""

    @abstractmethod
    def inverse(self, z: Tensor) -> Tensor:
        """Return what `forward` maps to `z`."""


class Encoder(nn.Module, ABC):
    """Images to posteriors."""

    @abstractmethod
    def forward(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        """Return q(z|x) for `x (B, C, H, W)` and a condition `c`: batch `(B,)`, event the latent shape."""


class Decoder(nn.Module, ABC):
    """Latents to likelihoods."""

    @abstractmethod
    def forward(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        """Return p(x|z) for `z (*S, *latent)` and a condition `c`: batch `(*S,)`, event `(C, H, W)`."""


class Posterior(Part):
    """The head of an encoder: names the family of q(z|x).

    Attributes:
        latent_shape: The shape of one latent.
        continuous: Whether there are latents between latents; those of a codebook have none.
        geometry: How latents lie: flat, unless a head says otherwise.
        fitted_prior: The fitted prior to try first, where training holds codes to no prior.
    """

    latent_shape: tuple[int, ...]
    continuous: bool = True
    geometry: Geometry = Geometry()
    fitted_prior: str | None = None

    @property
    def latent_size(self) -> int:
        """The number of values in one latent."""
        return math.prod(self.latent_shape)

    @property
    def decoder_shape(self) -> tuple[int, ...]:
        """The shape of what the decoder reads of one latent: all of it, unless a head says otherwise."""
        return self.latent_shape

    @property
    def decoder_size(self) -> int:
        """The number of values that the decoder reads."""
        return math.prod(self.decoder_shape)

    def decoder_input(self, z: Tensor) -> Tensor:
        """Return what the decoder reads of latents `(*S, *latent)`, `(*S, *decoder_shape)`."""
        return z

    @abstractmethod
    def forward(self, features: Tensor) -> Distribution:
        """Return q(z|x) for the backbone's `(B, *features)`."""


class Likelihood(Part):
    """The head of a decoder: names the family of p(x|z).

    Attributes:
        values_per_pixel: How many numbers it wants for each value of an image.
        unit_range: Whether its mean image lies in [0, 1]; that of a linear decoder need not.
    """

    values_per_pixel: int
    unit_range: bool = True

    @abstractmethod
    def forward(self, values: Tensor) -> Distribution:
        """Return p(x|z) for the backbone's `(*S, values_per_pixel * C, H, W)`: batch `(*S,)`."""


class Prior(Part):
    """What latents look like before any image is seen."""

    @abstractmethod
    def forward(self, c: Tensor | None = None) -> Distribution:
        """Return p(z): batch `()`, event the latent shape."""


class Condition(Part):
    """What a model is told of an image besides its pixels.

    Attributes:
        size: The number of values that it is told.
    """

    size: int

    @abstractmethod
    def forward(self, y: Mapping[str, Tensor]) -> Tensor:
        """Return the condition `(B, size)` that labels `(B,)` set.

        Raises:
            ZooError: If the label is missing, or is none that the model was made for.
        """

    @abstractmethod
    def sample(self, n: int, label: int | None = None) -> Mapping[str, Tensor]:
        """Return `n` labels as often as in training, or all of them one label."""


class FittedPrior(Prior):
    """A prior that is fitted to the codes of a trained model, and saved beside it.

    Built as `Name(options, site)` with the site of the model's own prior, where `train_size` is the number of codes;
    from then on `forward` gives a density, fitted or not. Everything that a fit finds is in parameters and buffers,
    whose shapes follow from options and site, so that a file of tensors brings it back.
    """

    @abstractmethod
    def fit(self, codes: Tensor) -> None:
        """Fit to codes `(N, *latent)`, one an image; draws from torch's default generator alone.

        Raises:
            ZooError: If the codes are too few, or no density can be fitted to them.
        """


class Loss(Part):
    """What is minimised.

    Attributes:
        compares_images: Whether it holds the images of a batch against each other, so that a batch repeated twice has
            another loss.
    """

    compares_images: bool = False

    @abstractmethod
    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        """Return the terms of a batch: loss and logs in nats per image, averaged over the batch."""

    def rate_weight(self, step: Step) -> Tensor | float | None:
        """Return the factor before the rate where the loss is distortion + factor × rate; nothing by default."""
        return None

    def players(self) -> Mapping[str, Player]:
        """Return the adversaries that this loss owns; none by default."""
        return {}
