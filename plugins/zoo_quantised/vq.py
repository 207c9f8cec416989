"""Vector quantisation: the nearest code of a learned codebook."""

from __future__ import annotations

__all__ = ["VqPosterior"]

from typing import final

import torch
from torch import Tensor

from zoo import Batch, Network, Site
from zoo.distributions import Distribution
from zoo_quantised.codebook import Codebook
from zoo_quantised.distributions import Quantised
from zoo_quantised.options import VqOptions
from zoo_quantised.quantiser import Quantiser, straight_through


@final
class VqPosterior(Quantiser):
    """The nearest of K codes at each place of a map, event `(D, h, w)`; gradients pass straight through.

    It asks the loss for `commitment * |f - sg(e)|²`, and a codebook that learns by gradients for `|sg(f) - e|²` too:
    summed over a vector and averaged over the places, as in the paper, beside a distortion that is summed over pixels.
    A codebook of running means is moved in training alone, by each batch that is encoded, after its codes are chosen.

    References:
        Neural Discrete Representation Learning (van den Oord, Vinyals & Kavukcuoglu, 2017), arXiv:1711.00937;
        running means are those of its appendix A.1.
        Jukebox: A Generative Model for Music (Dhariwal et al., 2020), arXiv:2005.00341, for the revival of dead codes.
    """

    # Running means and the revival of codes are of all vectors of a batch.
    whole_batch = True
    started: Tensor

    def __init__(self, options: VqOptions, site: Site) -> None:
        super().__init__(site, options.code_dim)
        self.options = options
        # Weights that are read from a run bring codes that must not start anew.
        self.register_buffer("started", torch.tensor(options.start == "random"))
        # Not registered: the encoder's weights are its own. It is asked for vectors when codes start from data.
        self._encoder = (site.part("encoder", Network),)
        self.book = Codebook(options)

    @property
    def codebook(self) -> Tensor:
        return self.book.codes

    @torch.no_grad()
    def prepare(self, batch: Batch) -> None:
        """Start codes from the k-means of the first batch's vectors."""
        if not self.started:
            self.started.fill_(True)
            self.book.start(self._vectors(self._encoder[0](batch.x)).flatten(0, 2))

    def forward(self, features: Tensor) -> Distribution:
        vectors = self._vectors(features)
        flat = vectors.detach().flatten(0, 2)
        chosen = self.book.choose(flat)
        indices = chosen.reshape(vectors.shape[:3])
        # A copy, because in training they are moved before their gradients are asked for.
        codes = self.codebook.clone()[indices]
        if self.training:
            self.book.follow(flat, chosen)
        values = straight_through(codes, vectors).movedim(-1, 1)
        return Quantised(values, indices, self.options.codes, self._penalties(vectors, codes))

    def _vectors(self, features: Tensor) -> Tensor:
        vectors: Tensor = self.layer(features)
        return vectors.movedim(1, -1)

    def _penalties(self, vectors: Tensor, codes: Tensor) -> dict[str, Tensor]:
        penalties = {"commitment": self.options.commitment * _distance(vectors, codes.detach())}
        if self.options.codebook == "gradient":
            penalties["codebook"] = _distance(vectors.detach(), codes)
        return penalties


def _distance(vectors: Tensor, codes: Tensor) -> Tensor:
    return ((vectors - codes) ** 2).sum(-1).mean()
