"""Checks of samples."""

from __future__ import annotations

__all__ = ["samples_are_images", "same_seed_same_samples"]

from typing import TYPE_CHECKING

from zoo.testing.check import require
from zoo.testing.models.case import ModelCase

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.interfaces import Model


def samples_are_images(case: ModelCase) -> None:
    """Samples are `float32` images of the data's shape in [0, 1], without gradients, as many as are asked for."""
    model = case.model().eval()
    for n in (1, 5):
        x = model.sample(n)
        require(tuple(x.shape) == (n, *case.shape), f"{n} samples have shape {tuple(x.shape)}, not {(n, *case.shape)}")
        require_image(x, "samples", ranged=case.in_range(model))


def require_image(x: Tensor, what: str, *, ranged: bool) -> None:
    """Fail unless a tensor holds pixels."""
    from torch import float32

    require(x.dtype == float32, f"{what} are {x.dtype}, not float32")
    require(not x.requires_grad, f"{what} carry gradients; compute them under torch.no_grad()")
    require(bool(x.isfinite().all()), f"{what} are not finite")
    span = f"{float(x.min()):.4g} to {float(x.max()):.4g}"
    cure = "squash the mean, or set 'unit_range = False' in the likelihood if it cannot keep to it"
    require(not ranged or bool((x >= 0).all() and (x <= 1).all()), f"{what} lie in {span}, not in [0, 1]; {cure}")


def same_seed_same_samples(case: ModelCase) -> None:
    """Samples follow from torch's default generator: the same seed draws the same ones, another draws others."""
    model = case.model().eval()
    first, again, other = (_sample(model, seed) for seed in (4, 4, 5))
    cure = "draw from torch's default generator alone"
    require(first.equal(again), f"two samples of the same seed differ; {cure}")
    require(not first.equal(other), f"samples of two seeds are the same; {cure}, and set no seed")


def _sample(model: Model, seed: int) -> Tensor:
    from zoo.training.randomness import isolated

    with isolated(seed):
        return model.sample(3)
