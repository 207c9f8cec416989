"""The interfaces: every part returns a distribution, a loss reads them, a model composes them.

Encoder   x (B, C, H, W)  ->  q(z|x)   batch (B,), event latent shape
Decoder   z (B, *latent)  ->  p(x|z)   batch (B,), event (C, H, W)
Prior     ()              ->  p(z)     batch (),   event latent shape
Loss      model, batch, step  ->  Terms, in nats per image
"""

from __future__ import annotations

__all__ = [
    "Batch",
    "Condition",
    "Conditional",
    "Decoder",
    "DecodesLatents",
    "Embeds",
    "Encoder",
    "ExactLikelihood",
    "FittedPrior",
    "LatentModel",
    "Likelihood",
    "Loss",
    "Measure",
    "Metric",
    "Model",
    "Network",
    "Part",
    "Player",
    "Posterior",
    "Prior",
    "Reconstructs",
    "SampleOptions",
    "Site",
    "Step",
    "TakesPrior",
    "Terms",
    "at_step",
    "given",
]

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from zoo.distributions import Distribution
from zoo.errors import ZooError
from zoo.geometry import Geometry
from zoo.options import Scheduled
from zoo.schedules import Schedule


@dataclass(frozen=True)
class Batch:
    """A batch of images.

    Arguments:
        x: The images `(B, C, H, W)`, `float32` in [0, 1].
        y: Labels and factors by name, each `(B,)` or `(B, n)`.
        index: Their places in the data set, `(B,)`.
    """

    x: Tensor
    y: Mapping[str, Tensor]
    index: Tensor


@dataclass(frozen=True)
class Step:
    """How far a run is, as 0-d tensors, so that a captured step sees them change.

    Arguments:
        count: Steps taken.
        epoch: Epochs taken, with its fraction.
        fraction: Share of the run, in [0, 1].
    """

    count: Tensor
    epoch: Tensor
    fraction: Tensor

    @classmethod
    def of(cls, count: float, epoch: float, fraction: float, device: torch.device | str = "cpu") -> Step:
        """Return the step at given numbers."""
        values = torch.tensor([count, epoch, fraction], dtype=torch.float32, device=device)
        return cls(*values.unbind())

    def position(self, unit: str) -> Tensor:
        """Return the position in a schedule's unit: steps, epochs or percent."""
        return {"": self.count, "ep": self.epoch, "%": 100 * self.fraction}[unit]


def at_step(value: Scheduled, step: Step) -> Tensor | float:
    """Return a scheduled option's value: a number as it is, a schedule as a 0-d tensor.

    Example:
        >>> from zoo.schedules import parse_schedule
        >>> at_step(parse_schedule("linear:0..1@100"), Step.of(25, 0.5, 0.1))
        tensor(0.2500)
    """
    if not isinstance(value, Schedule):
        return value
    position = step.position(value.unit)
    if value.shape == "steps":
        points = torch.tensor(value.points, dtype=position.dtype, device=position.device)
        values = torch.tensor(value.values, dtype=position.dtype, device=position.device)
        return values[torch.searchsorted(points, position, right=True) - 1]
    share = position / value.points[1]
    if value.shape == "one-cycle":
        return value.values[0] * _one_cycle(share.clamp(0, 1))
    start, end = value.values
    if value.shape == "cyclic":
        return start + (end - start) * (2 * (share % 1)).clamp(max=1)
    share = share.clamp(0, 1)
    return start + (end - start) * (_ease(share) if value.shape == "cosine" else share)


def _ease(share: Tensor) -> Tensor:
    return 0.5 * (1 - torch.cos(math.pi * share))


def _one_cycle(share: Tensor, warm_up: float = 0.3, first: float = 1 / 25, last: float = 1e-4) -> Tensor:
    rising = first + (1 - first) * _ease((share / warm_up).clamp(max=1))
    falling = 1 + (last - 1) * _ease(((share - warm_up) / (1 - warm_up)).clamp(min=0))
    return torch.where(share < warm_up, rising, falling)


@dataclass(frozen=True)
class Terms:
    """What a loss returns, in nats per image, averaged over the batch.

    Arguments:
        loss: What the model's optimiser minimises, `()`; may be a surrogate.
        logs: Named terms to log, each `()`: `distortion`, `rate`, …
        adversaries: What each other player minimises, each `()`.
    """

    loss: Tensor
    logs: Mapping[str, Tensor]
    adversaries: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def collect(cls, loss: Tensor, logs: Mapping[str, Tensor], *distributions: Distribution) -> Terms:
        """Return the terms of a loss with what the distributions in it add: their penalties and their own terms."""
        extras: dict[str, Tensor] = {}
        for distribution in distributions:
            if distribution.penalty is not None:
                loss = loss + distribution.penalty
            extras.update({name: value.detach() for name, value in distribution.extras.items()})
        return cls(loss, {**logs, **extras})


@dataclass(frozen=True)
class Player:
    """Parameters with an optimiser of their own, of the run's kind.

    What is left out is the run's: `--lr` with its schedule, `--momentum`, `--square-decay`. What is given stands
    instead, constant over the run, so that an adversary need not follow the model's learning rate down.

    Arguments:
        parameters: What it optimises, by name.
        every: It moves at each `every`-th step.
        lr: Its learning rate.
        momentum: Decay of its gradient's running mean.
        square_decay: Decay of its squared gradient's running mean, where the optimiser keeps one.
    """

    parameters: Mapping[str, nn.Parameter]
    every: int = 1
    lr: float | None = None
    momentum: float | None = None
    square_decay: float | None = None


class Part(nn.Module, ABC):
    """Anything that a model is composed of; built as `Name(options, site)`."""

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
    """

    values_per_pixel: int

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


class Loss(Part):
    """What is minimised."""

    @abstractmethod
    def forward(self, model: LatentModel, batch: Batch, step: Step) -> Terms:
        """Return the terms of a batch: loss and logs in nats per image, averaged over the batch."""

    def rate_weight(self, step: Step) -> Tensor | float | None:
        """Return the factor before the rate where the loss is distortion + factor × rate; nothing by default."""
        return None

    def players(self) -> Mapping[str, Player]:
        """Return the adversaries that this loss owns; none by default."""
        return {}


@dataclass(frozen=True)
class Measure:
    """What a metric found.

    Arguments:
        value: The score, or several where it is one for each unit, or nothing where the model has none.
        reason: Why there is none, as the end of a sentence.
        details: What belongs to the score, by name: its standard error, how many samples it rests on, a verdict.
        per_image: The value of each image, `(N,)`, whose mean is the score, where it is such a mean: what tells two
            models apart image by image.
        warning: What to keep in mind when the score is read, as a sentence; empty if there is nothing.
    """

    value: float | Sequence[float] | None
    reason: str = ""
    details: Mapping[str, float | str] = field(default_factory=dict)
    per_image: Tensor | None = field(default=None, compare=False, repr=False)
    warning: str = ""


class Metric(ABC):
    """A score of a trained model; built as `Name(options, subject)` for a `zoo.Subject`, and used once.

    It is computed with the model in eval mode, without gradients, and with torch's default generator at a seed of its
    own, so that the score is repeatable to the bit.
    """

    @abstractmethod
    def compute(self) -> Measure:
        """Return the score, of as many of the subject's images and samples as it takes."""
