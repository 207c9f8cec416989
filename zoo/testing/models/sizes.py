"""Checks of sizes: of batches and of images."""

from __future__ import annotations

__all__ = ["batches_of_any_size", "builds", "odd_image_sizes", "seed_gives_the_same_weights"]

from typing import TYPE_CHECKING

from zoo.errors import ZooError
from zoo.testing.check import Failed, NotApplicable, require
from zoo.testing.models.case import ModelCase
from zoo.testing.wording import some

if TYPE_CHECKING:
    from torch import Tensor


def builds(case: ModelCase) -> None:
    """It builds from its recipe `tiny` for small images."""
    case.settings  # noqa: B018  # not applicable without them
    try:
        case.find_shape()
    except NotApplicable:
        raise
    except ZooError as error:
        raise Failed(f"does not build: {error}") from error


def seed_gives_the_same_weights(case: ModelCase) -> None:
    """The same seed builds the same weights, and another one builds others."""
    first, again, other = (_weights(case, seed) for seed in (1, 1, 2))
    cure = "draw them from torch's default generator"
    moved = [name for name, value in first.items() if not value.equal(again[name])]
    require(not moved, f"the same seed builds other weights in {some(moved)}; {cure}")
    if not any(value.is_floating_point() and value.numel() > 1 for value in first.values()):
        raise NotApplicable("it has no weights to draw")
    require(any(not value.equal(other[name]) for name, value in first.items()), f"two seeds build one model; {cure}")


def batches_of_any_size(case: ModelCase) -> None:
    """Batches of 1 and 5 images are scored, and batches of 2 and 5 train."""
    for count in (1, 5):
        loss = case.model().eval().loss(case.batch(count), case.end).loss.detach()
        require(bool(loss.isfinite()), f"the loss of {count} images is {float(loss)} in eval mode")
    for count in (2, 5):
        loss = case.model().loss(case.batch(count), case.end).loss.detach()
        require(bool(loss.isfinite()), f"the loss of {count} images is {float(loss)} in training mode")


def odd_image_sizes(case: ModelCase) -> None:
    """Images of odd, unequal sides, with one channel or three, go through: loss, gradient and sample."""
    _, height, width = case.shape
    for shape in ((1, height + 1, width + 5), (3, height + 3, width)):
        size = "x".join(map(str, shape))
        try:
            model = case.model(shape)
            loss = model.loss(case.batch(shape=shape), case.end).loss
            loss.backward()  # type: ignore[no-untyped-call]  # torch's
            x = model.eval().sample(2)
        except Exception as error:
            raise Failed(f"images of {size} do not go through: {' '.join(str(error).split())}") from error
        require(bool(loss.isfinite()), f"the loss of images of {size} is {float(loss.detach())}")
        require(tuple(x.shape) == (2, *shape), f"samples for images of {size} have shape {tuple(x.shape)}")


def _weights(case: ModelCase, seed: int) -> dict[str, Tensor]:
    with case.seeded(seed):
        return case.build(case.shape).state_dict()
