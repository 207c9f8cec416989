"""Checks of bijections: determinants against autograd's Jacobian, and the way back."""

from __future__ import annotations

__all__ = ["inverse_undoes_forward", "log_determinants_are_those_of_autograd"]

import torch
from torch import Tensor

from zoo.interfaces import Bijection, Step
from zoo.testing.check import NotApplicable, require
from zoo.testing.parts.places import Home, Placed, handed

_SHAPE = (1, 6, 6)
_IMAGES = 3


def log_determinants_are_those_of_autograd(case: Home) -> None:
    """The log-determinant is that of autograd's Jacobian, in double precision, away from the first weights."""
    bijection, h = _bijection(case)
    with torch.no_grad():
        found = bijection(h)[1]
    require(tuple(found.shape) == (_IMAGES,), f"log |det| of {_IMAGES} images has shape {tuple(found.shape)}, not (B,)")
    for i in range(_IMAGES):
        one = h[i : i + 1]
        jacobian = torch.autograd.functional.jacobian(  # type: ignore[no-untyped-call]  # torch leaves it untyped
            lambda flat, shape=one.shape: bijection(flat.reshape(shape))[0].flatten(), one.flatten()
        )
        require(jacobian.shape[0] == jacobian.shape[1], f"maps {jacobian.shape[1]} values to {jacobian.shape[0]}")
        wanted = float(torch.linalg.slogdet(jacobian).logabsdet)
        require(
            abs(float(found[i]) - wanted) < 1e-5 * max(1.0, abs(wanted)),
            f"its log |det| is {float(found[i]):.6g} where that of autograd's Jacobian is {wanted:.6g}",
        )


@torch.no_grad()
def inverse_undoes_forward(case: Home) -> None:
    """`inverse` maps what `forward` gives back to what it was given."""
    bijection, h = _bijection(case)
    gap = float((bijection.inverse(bijection(h)[0]).reshape(h.shape) - h).abs().max())
    require(gap < 1e-5 * float(h.abs().max().clamp(min=1)), f"inverse(forward(h)) is off by up to {gap:.3g}")


def _bijection(case: Home) -> tuple[Bijection, Tensor]:
    """Return the part, rough, and what its model hands it.

    Raises:
        NotApplicable: If it is no bijection.
    """
    placed = _small(case)
    if not isinstance(placed.part, Bijection):
        raise NotApplicable("it is no zoo.Bijection")
    batch = placed.batch(_IMAGES)
    with torch.no_grad():
        (h,) = handed(placed.part, lambda: placed.model.loss(batch, Step.of(0, 0, 0)))
    return placed.part, h.detach()


def _small(case: Home) -> Placed:
    placed = case.placed(shape=_SHAPE, rough=True)
    placed.model.requires_grad_(False)
    return placed
