"""Posterior collapse: how many latents say nothing, and a verdict in words."""

from __future__ import annotations

__all__ = ["Collapse", "verdict"]

from typing import cast, final

import torch

from zoo import LatentModel, Measure, Metric, Options, Subject, given
from zoo.distributions import kl

ACTIVE = 0.01
"""The variance of a posterior mean above which a unit is active (Burda et al., 2016, arXiv:1509.00519)."""


@final
class Collapse(Metric):
    """The share of latents that are not active, and `collapse.verdict`: `none`, `partial` or `full`.

    A latent is active if its posterior mean varies over the test images by more than 0.01. One that is not says nothing
    of the image, and costs nothing. That some are not may be the optimum (Lucas et al.): a linear model uses as many
    as the data has directions that stand out of the noise.

    References:
        Importance Weighted Autoencoders (Burda, Grosse & Salakhutdinov, 2016), arXiv:1509.00519.
        Don't Blame the ELBO! A Linear VAE Perspective on Posterior Collapse (Lucas et al., 2019), arXiv:1911.02469.
    """

    def __init__(self, options: Options, subject: Subject) -> None:
        self.subject = subject

    @torch.no_grad()
    def compute(self) -> Measure:
        means, rates = [], []
        for batch in self.subject.test():
            model = given(cast(LatentModel, self.subject.model), batch.y)
            q = model.encode(batch.x)
            if not q.has_density or q.support == "codes":
                return Measure(None, "its codes are points, which nothing draws to the prior")
            z, log_q = q.draw()
            means.append(q.point.flatten(1).double())
            rates.append(kl(q, model.prior_distribution(), z, log_q).double())
        spread = torch.cat(means).var(0, correction=0)
        if not spread.isfinite().all():
            return Measure(None, "a posterior mean is not finite")
        active, latents = int((spread > ACTIVE).sum()), len(spread)
        return Measure(
            1 - active / latents,
            details={
                "verdict": verdict(active, latents),
                "active": active,
                "latents": latents,
                "rate": float(torch.cat(rates).mean()),
            },
            warning=_warning(active, latents),
        )


def verdict(active: int, latents: int) -> str:
    """Return the verdict in a word."""
    if active == latents:
        return "none"
    return "partial" if active else "full"


def _warning(active: int, latents: int) -> str:
    if active == latents:
        return ""
    if active:
        return f"{latents - active} of the {latents} latents are not in use"
    return f"the posterior has collapsed: none of its {latents} latents says anything of the image; try a lower --beta"
