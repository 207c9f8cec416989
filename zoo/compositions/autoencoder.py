"""The composition of encoder, decoder, prior and loss: every autoencoder of the zoo, plain or variational."""

from __future__ import annotations

__all__ = ["Autoencoder", "HeadedDecoder", "HeadedEncoder"]

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from zoo.distributions import Distribution, Normal, fits
from zoo.errors import ZooError
from zoo.interfaces import (
    Batch,
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
    Terms,
)


@final
class HeadedEncoder(Encoder):
    """A backbone under a head that names the posterior's family."""

    def __init__(self, network: Network, head: Posterior) -> None:
        super().__init__()
        self.network = network
        self.head = head

    def forward(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        q: Distribution = self.head(self.network(x))
        return q


@final
class HeadedDecoder(Decoder):
    """A backbone under a head that names the likelihood's family.

    Leading sample dimensions are its business alone: the backbone sees `(N, *decoder_shape)`, which is what the
    posterior lets it read of a latent.
    """

    def __init__(self, network: Network, head: Likelihood, posterior: Posterior) -> None:
        super().__init__()
        self.network = network
        self.head = head
        # The encoder owns it.
        self._posterior = (posterior,)

    def forward(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        (posterior,) = self._posterior
        read = posterior.decoder_input(z)
        batch = z.shape[: z.ndim - len(posterior.latent_shape)]
        values = self.network(read.reshape(-1, *posterior.decoder_shape))
        if len(batch) != 1:
            values = values.reshape(*batch, *values.shape[1:])
        p: Distribution = self.head(values)
        return p


@final
class Autoencoder(Model, LatentModel, Reconstructs, Embeds, DecodesLatents):
    """Encoder, decoder, prior and loss, composed; a plain autoencoder has a Delta posterior.

    Arguments:
        parts: A part for each role: encoder, posterior, prior, likelihood, decoder, loss.
        site: The shape of an image and the size of the training set.

    Raises:
        ZooError: If the posterior can fall where the prior has no density.
    """

    def __init__(self, parts: Mapping[str, Part], site: Site) -> None:
        super().__init__()
        site = Site(site.shape, site.train_size, parts)
        head = site.part("posterior", Posterior)
        self.latent_shape = head.latent_shape
        self.latent_geometry = head.geometry
        self.shape = site.shape
        self.encoder = HeadedEncoder(site.part("encoder", Network), head)
        self.decoder = HeadedDecoder(site.part("decoder", Network), site.part("likelihood", Likelihood), head)
        self.prior = site.part("prior", Prior)
        self.objective = site.part("loss", Loss)
        self._check_support(head)

    def _check_support(self, head: Posterior) -> None:
        training = self.training
        self.eval()
        with torch.no_grad():
            q, p = self.encode(torch.zeros(1, *self.shape)), self.prior_distribution()
        self.train(training)
        if not fits(q, p):
            raise ZooError(
                f"a posterior on {_WORDS[q.support]} does not fit a prior on {_WORDS[p.support]}, which has no density "
                f"for its codes; choose --posterior and --prior of the same kind"
            )

    def loss(self, batch: Batch, step: Step) -> Terms:
        terms: Terms = self.objective(self, batch, step)
        return terms

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        q: Distribution = self.encoder(x, c)
        return q

    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        p: Distribution = self.decoder(z, c)
        return p

    def prior_distribution(self, c: Tensor | None = None) -> Distribution:
        p: Distribution = self.prior(c)
        return p

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
        z = self._sampling_distribution(options or SampleOptions()).sample((n,))
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


_WORDS = {
    "real": "the real line",
    "positive": "positive numbers",
    "unit-interval": "the unit interval",
    "binary": "zero and one",
    "sphere": "the unit sphere",
}
