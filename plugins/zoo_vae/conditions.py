"""What a conditional autoencoder is told of an image."""

from __future__ import annotations

__all__ = ["LabelCondition"]

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from zoo import Condition, Site, ZooError
from zoo_vae.options import LabelOptions


@final
class LabelCondition(Condition):
    """The class of an image, one-hot: c `(B, classes)`.

    Encoder and decoder see it, so that the latent need not say it: q(z|x, c), p(x|z, c), and the prior p(z) stays.
    Without a label, samples have each class as often as the training images.

    References:
        Semi-Supervised Learning with Deep Generative Models (Kingma et al., 2014), arXiv:1406.5298.
        Learning Structured Output Representation using Deep Conditional Generative Models (Sohn et al., 2015).
    """

    counts: Tensor

    def __init__(self, options: LabelOptions, site: Site) -> None:
        super().__init__()
        self.name = options.name
        if options.name not in site.classes:
            known = f"; it has {', '.join(site.classes)}" if site.classes else ", because it has none"
            raise ZooError(f"--condition label: the data has no classes called '{options.name}'{known}")
        self.size = len(site.classes[options.name])
        self.register_buffer("counts", torch.tensor(site.classes[options.name], dtype=torch.float32))

    def forward(self, y: Mapping[str, Tensor]) -> Tensor:
        if self.name not in y:
            raise ZooError(f"this model is told the '{self.name}' of each image, and these images have none")
        labels = y[self.name]
        # The labels of training are those it was built for; to look at them would make a GPU wait.
        if not self.training and int(labels.max()) >= self.size:
            raise ZooError(f"this model knows the labels 0 to {self.size - 1}; these images have {int(labels.max())}")
        return (labels[:, None] == torch.arange(self.size, device=labels.device)).to(self.counts.dtype)

    def sample(self, n: int, label: int | None = None) -> Mapping[str, Tensor]:
        if label is None:
            return {self.name: torch.multinomial(self.counts, n, replacement=True)}
        if not 0 <= label < self.size:
            raise ZooError(f"--label {label}: this model knows the labels 0 to {self.size - 1}")
        return {self.name: torch.full((n,), label, device=self.counts.device)}
