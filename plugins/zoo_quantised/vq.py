"""Vector quantisation: the nearest code of a learned codebook."""

from __future__ import annotations

__all__ = ["VqPosterior"]

import math
from typing import Any, final

import torch
from torch import Tensor
from vector_quantize_pytorch import VectorQuantize

from zoo import Batch, Network, Site
from zoo.distributions import Distribution
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
        # The loss is ours: the library's has one weight for both terms, and takes a mean over all numbers.
        self.quantiser = VectorQuantize(
            options.code_dim,
            options.codes,
            decay=options.decay,
            ema_update=options.codebook == "ema",
            learnable_codebook=options.codebook == "gradient",
            threshold_ema_dead_code=int(options.revive > 0),
            commitment_weight=0.0,
            rotation_trick=False,
            # It is handed whole batches, also where several processes share them.
            sync_codebook=False,
        )

    @property
    def codebook(self) -> Tensor:
        codes: Tensor = self.quantiser.codebook
        return codes

    @property
    def _book(self) -> Any:
        """The library's inner module, which alone has k-means and the threshold of dead codes."""
        return self.quantiser._codebook

    @torch.no_grad()
    def prepare(self, batch: Batch) -> None:
        """Start codes from the k-means of the first batch's vectors.

        The library would do so in its first forward pass, in evaluation too.
        """
        if self.started:
            return
        self.started.fill_(True)
        vectors = self._vectors(self._encoder[0](batch.x)).flatten(0, 2)
        # Where there are fewer vectors than codes, some codes start alike, and are revived when nothing chooses them.
        enough = vectors.repeat(math.ceil(self.options.codes / len(vectors)), 1)
        self._book.initted.fill_(False)
        self._book.init_embed_(enough[None].float())

    def forward(self, features: Tensor) -> Distribution:
        vectors = self._vectors(features)
        # As they are chosen from: in training the library moves the codes in the same pass.
        codebook = self.codebook.clone()
        self._set_threshold(vectors)
        chosen: Tensor = self.quantiser(vectors.detach().flatten(1, 2))[1]
        indices = chosen.reshape(vectors.shape[:3])
        codes = codebook[indices]
        values = straight_through(codes, vectors).movedim(-1, 1)
        return Quantised(values, indices, self.options.codes, self._penalties(vectors, codes))

    def _vectors(self, features: Tensor) -> Tensor:
        vectors: Tensor = self.layer(features)
        return vectors.movedim(1, -1)

    def _set_threshold(self, vectors: Tensor) -> None:
        """Make a code's share of the mean the library's threshold, which is a count and depends on the batch."""
        if self.options.revive:
            mean = vectors[..., 0].numel() / self.options.codes
            self._book.threshold_ema_dead_code = self._book.reset_cluster_size = self.options.revive * mean

    def _penalties(self, vectors: Tensor, codes: Tensor) -> dict[str, Tensor]:
        penalties = {"commitment": self.options.commitment * _distance(vectors, codes.detach())}
        if self.options.codebook == "gradient":
            penalties["codebook"] = _distance(vectors.detach(), codes)
        return penalties


def _distance(vectors: Tensor, codes: Tensor) -> Tensor:
    return ((vectors - codes) ** 2).sum(-1).mean()
