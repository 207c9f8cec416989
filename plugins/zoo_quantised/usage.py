"""How many codes of a codebook are in use."""

from __future__ import annotations

__all__ = ["CodeUsage"]

from typing import cast, final

import torch

from zoo import LatentModel, Measure, Metric, Options, Subject, given
from zoo_quantised.distributions import Quantised


@final
class CodeUsage(Metric):
    """The share of a codebook's K codes that the test images use at least once.

    `perplexity` is the exponential of the entropy of their frequencies: the number of codes that would be as varied if
    all were used alike. It is at most K.

    References:
        Neural Discrete Representation Learning (van den Oord, Vinyals & Kavukcuoglu, 2017), arXiv:1711.00937.
    """

    def __init__(self, options: Options, subject: Subject) -> None:
        self.subject = subject

    def compute(self) -> Measure:
        model = cast(LatentModel, self.subject.model)
        counts = torch.zeros(0, dtype=torch.int64)
        for batch in self.subject.test():
            q = given(model, batch.y).encode(batch.x)
            if not isinstance(q, Quantised):
                return Measure(None, f"a {type(q).__name__} posterior has no codes to count")
            found = torch.bincount(q.indices.flatten().cpu(), minlength=q.codes)
            counts = found if not len(counts) else counts + found
        frequency = counts / counts.sum()
        details = {
            "codes": len(counts),
            "perplexity": float(torch.special.entr(frequency.double()).sum().exp()),
            "places": int(counts.sum()),
        }
        return Measure(float((counts > 0).double().mean()), details=details)
