"""Checks of gradients: every parameter learns, and the loss falls."""

from __future__ import annotations

__all__ = ["every_parameter_gets_a_gradient", "loss_falls"]

from zoo.testing.check import require
from zoo.testing.models.case import ModelCase
from zoo.testing.wording import some

_STEPS = 20


def every_parameter_gets_a_gradient(case: ModelCase) -> None:
    """Every parameter gets a finite gradient from its player's loss, but those frozen by `requires_grad_(False)`."""
    from zoo.testing.models.training import largest_gradients

    found = largest_gradients(case)
    cure = "use them in the loss, or freeze them with requires_grad_(False)"
    none = [name for name, size in found.items() if size is None]
    require(not none, f"parameters without gradient: {some(none)}; {cure}")
    zero = [name for name, size in found.items() if size == 0]
    require(not zero, f"parameters whose gradient is 0 in each of the first steps: {some(zero)}; {cure}")
    bad = [name for name, size in found.items() if size is not None and not size < float("inf")]
    require(not bad, f"parameters whose gradient is not finite: {some(bad)}; look for a root, a log or a division by 0")


def loss_falls(case: ModelCase) -> None:
    """The loss of one batch falls in 20 steps of the trainer."""
    from zoo.testing.models.training import loss_before_and_after

    before, after = loss_before_and_after(case, _STEPS)
    cure = "look at its sign, at what is detached, and at the recipe's learning rate"
    require(after < before, f"the loss of one batch went from {before:.6g} to {after:.6g} in {_STEPS} steps; {cure}")
