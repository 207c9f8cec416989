"""Which number a model has for the likelihood of an image: exact, a bound, or none; and of which kind of pixels."""

from __future__ import annotations

__all__ = ["caution", "likelihood_of"]

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from zoo.interfaces import ExactLikelihood, LatentModel, Model
from zoo.training.randomness import isolated


def likelihood_of(model: Model, shape: tuple[int, ...], scores: Mapping[str, Any]) -> str | None:
    """Return what a model's `log_likelihood` or `elbo` is, in a few words, or nothing if it has neither.

    Arguments:
        model: The model, in eval mode.
        shape: The shape `(C, H, W)` of one image.
        scores: What `evaluate` found.
    """
    if isinstance(model, ExactLikelihood):
        return "exact, grey levels"
    if not isinstance(model, LatentModel) or scores.get("elbo") is None:
        return None
    with isolated(0), torch.no_grad():
        p = model.decode(model.encode(torch.zeros(1, *shape)).point)
    return "bound, binary pixels" if p.support == "binary" else "bound, density of pixels in [0, 1]"


def caution(likelihoods: Iterable[str | None]) -> str:
    """Return what to keep in mind of models with these likelihoods side by side; nothing where all have the same."""
    if len(set(likelihoods)) < 2:
        return ""
    return (
        "log_likelihood is log p(x) itself, elbo a lower bound on it, and neither says anything of a model without; "
        "compare them only where 'likelihood' says the same"
    )
