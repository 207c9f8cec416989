"""The composition of encoder, decoder, prior and loss: every autoencoder of the zoo, plain or variational."""

from __future__ import annotations

__all__ = ["Autoencoder", "HeadedDecoder", "HeadedEncoder"]

from collections.abc import Mapping
from dataclasses import replace
from typing import final

import torch
from torch import Tensor, nn

from zoo.distributions import Distribution, Normal, fits
from zoo.errors import ZooError
from zoo.interfaces import (
    Batch,
    Condition,
    Conditional,
    Decoder,
    DecodesLatents,
    Embeds,
    Encoder,
    LatentModel,
    Likelihood,
    Loss,
    Model,
    Network,
    Part,
    Player,
    Posterior,
    Prior,
    Reconstructs,
    SampleOptions,
    Site,
    Step,
    TakesPrior,
    Terms,
)


@final
class HeadedEncoder(Encoder):
    """A backbone under a head that names the posterior's family.

    A condition shifts the features: before a linear head that is the same as to stand beside them.
    """

    def __init__(self, network: Network, head: Posterior, condition: Condition | None = None) -> None:
        super().__init__()
        self.network = network
        self.head = head
        self.shift = nn.Linear(condition.size, network.out_size, bias=False) if condition is not None else None

    def forward(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        features = self.network(x)
        if self.shift is not None and c is not None:
            features = features + self.shift(c).reshape(-1, *self.network.out_shape)
        return _exactly(self.head, features)


@final
class HeadedDecoder(Decoder):
    """A backbone under a head that names the likelihood's family.

    Leading sample dimensions are its business alone: the backbone sees `(N, *decoder_shape)`, which is what the
    posterior lets it read of a latent, or with a condition `(N, d + s)`, the condition behind it.
    """

    def __init__(self, network: Network, head: Likelihood, posterior: Posterior) -> None:
        super().__init__()
        self.network = network
        self.head = head
        # The encoder owns it.
        self._posterior = (posterior,)

    def forward(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        (posterior,) = self._posterior
        batch = z.shape[: z.ndim - len(posterior.latent_shape)]
        read = posterior.decoder_input(z)
        if c is not None:
            read = torch.cat([read, c.expand(*batch, c.shape[-1])], -1)
        values = self.network(read.reshape(-1, *read.shape[len(batch) :]))
        if len(batch) != 1:
            values = values.reshape(*batch, *values.shape[1:])
        return _exactly(self.head, values)


def _exactly(head: nn.Module, values: Tensor) -> Distribution:
    """Return the distribution that a head makes of a network's output, in single precision whatever that was."""
    if values.dtype in (torch.float32, torch.float64):
        made: Distribution = head(values)
        return made
    with torch.autocast(values.device.type, enabled=False):
        return _exactly(head, values.float())


@final
class Autoencoder(Model, TakesPrior, Reconstructs, Embeds, DecodesLatents, Conditional):
    """Encoder, decoder, prior and loss, composed; a plain autoencoder has a Delta posterior.

    Arguments:
        parts: A part for each role: encoder, posterior, prior, likelihood, decoder, loss, and perhaps condition.
        site: The shape of an image and the size of the training set.

    Raises:
        ZooError: If the posterior can fall where the prior has no density.
    """

    def __init__(self, parts: Mapping[str, Part], site: Site) -> None:
        super().__init__()
        site = replace(site, parts=parts)
        head = site.part("posterior", Posterior)
        self.latent_shape = head.latent_shape
        self.continuous = head.continuous
        self.latent_geometry = head.geometry
        self.fitted_prior = head.fitted_prior
        self.shape = site.shape
        self.condition = site.part("condition", Condition) if "condition" in parts else None
        if self.condition is not None and len(head.decoder_shape) != 1:
            raise ZooError(f"a condition needs flat codes, not codes of {self.latent_shape}; leave --condition out")
        self.encoder = HeadedEncoder(site.part("encoder", Network), head, self.condition)
        self.decoder = HeadedDecoder(site.part("decoder", Network), site.part("likelihood", Likelihood), head)
        self.prior = site.part("prior", Prior)
        self.objective = site.part("loss", Loss)
        self._prior_site = Site(site.shape, site.train_size, {role: parts[role] for role in ("encoder", "posterior")})
        self._check_support()

    def _check_support(self) -> None:
        training = self.training
        self.eval()
        with torch.no_grad():
            blank = next(self.parameters()).new_zeros(1, *self.shape)
            c = blank.new_zeros(1, self.condition.size) if self.condition is not None else None
            q, p = self.encode(blank, c), self.prior_distribution(c)
        self.train(training)
        if not fits(q, p):
            raise ZooError(
                f"a posterior on {_WORDS[q.support]} does not fit a prior on {_WORDS[p.support]}, which has no density "
                f"for its codes; choose --posterior and --prior of the same kind"
            )

    def loss(self, batch: Batch, step: Step) -> Terms:
        terms: Terms = self.objective(self.given(batch.y), batch, step)
        return terms

    def given(self, y: Mapping[str, Tensor]) -> Autoencoder | Given:
        return self if self.condition is None else Given(self, self.condition(y))

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        q: Distribution = self.encoder(x, self._told(c))
        return q

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        p: Distribution = self.decoder(z, self._told(c))
        return p

    def _told(self, c: Tensor | None) -> Tensor | None:
        if self.condition is not None and c is None:
            raise ZooError("this model is told labels; ask model.given({'label': labels}) instead of the model")
        return c

    def prior_distribution(self, c: Tensor | None = None) -> Distribution:
        p: Distribution = self.prior(c)
        return p

    @property
    def prior_site(self) -> Site:
        return self._prior_site

    def take_prior(self, prior: Prior) -> None:
        self.prior = prior
        self._check_support()

    def rate_weight(self, step: Step) -> Tensor | float | None:
        return self.objective.rate_weight(step)

    def players(self) -> Mapping[str, Player]:
        others = self.objective.players()
        taken = {id(parameter) for player in others.values() for parameter in player.parameters.values()}
        own = {name: value for name, value in self.named_parameters() if id(value) not in taken}
        return {"model": Player(own), **others}

    def prepare(self, batch: Batch) -> None:
        for module in self.modules():
            if isinstance(module, Part):
                module.prepare(batch)

    @torch.no_grad()
    def sample(self, n: int, options: SampleOptions | None = None) -> Tensor:
        options = options or SampleOptions()
        z = self._sampling_distribution(options).sample((n,))
        if self.condition is not None:
            device = z.device
            y = {name: value.to(device) for name, value in self.condition.sample(n, options.label).items()}
            return self.decode(z, self.condition(y)).point
        if options.label is not None:
            raise ZooError("this model was not told labels in training; train it with --condition label")
        return self.decode_mean(z)

    def _sampling_distribution(self, options: SampleOptions) -> Distribution:
        p = self.prior_distribution()
        if options.mean is not None or options.std is not None:
            like = p.point
            loc = torch.full_like(like, 0.0 if options.mean is None else options.mean)
            scale = torch.full_like(like, 1.0 if options.std is None else options.std)
            normal = Normal(loc, scale, len(self.latent_shape))
            if not fits(p, normal):
                raise ZooError(
                    f"codes of this model lie on {_WORDS[p.support]}, off which a normal draws; leave mean and std out"
                )
            p = normal
        if options.temperature == 1.0:
            return p
        tempered = p.tempered(options.temperature)
        if tempered is None:
            raise ZooError(f"temperature has no meaning for a {type(p).__name__} prior; leave it out")
        return tempered

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode_mean(self.embed(x))

    @torch.no_grad()
    def embed(self, x: Tensor) -> Tensor:
        return self.encode(x).point

    @torch.no_grad()
    def decode_mean(self, z: Tensor) -> Tensor:
        return self.decode(z).point


class Given(LatentModel, Reconstructs, Embeds, DecodesLatents):
    """An autoencoder under a condition: what a loss, a metric or a figure sees of it.

    Arguments:
        model: The autoencoder.
        c: The condition `(B, s)`, or `(1, s)` for any number of images.
    """

    def __init__(self, model: Autoencoder, c: Tensor) -> None:
        self.model = model
        self.c = c
        self.latent_shape = model.latent_shape
        self.continuous = model.continuous
        self.latent_geometry = model.latent_geometry

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        return self.model.encode(x, self.c)

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        return self.model.decode(z, self.c)

    def prior_distribution(self, c: Tensor | None = None) -> Distribution:
        return self.model.prior_distribution(self.c)

    def rate_weight(self, step: Step) -> Tensor | float | None:
        return self.model.rate_weight(step)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode_mean(self.embed(x))

    @torch.no_grad()
    def embed(self, x: Tensor) -> Tensor:
        return self.encode(x).point

    @torch.no_grad()
    def decode_mean(self, z: Tensor) -> Tensor:
        return self.decode(z).point


_WORDS = {
    "real": "the real line",
    "positive": "positive numbers",
    "unit-interval": "the unit interval",
    "binary": "zero and one",
    "codes": "a codebook",
    "sphere": "the unit sphere",
}
