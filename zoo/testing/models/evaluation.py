"""Checks of eval mode: the same numbers each time, whatever else is in the batch, and nothing moves."""

from __future__ import annotations

__all__ = ["eval_is_deterministic", "eval_is_free_of_the_batch", "evaluation_changes_nothing"]

from collections.abc import Iterator
from typing import TYPE_CHECKING

from zoo.testing.check import NotApplicable, require
from zoo.testing.models.case import ModelCase
from zoo.testing.wording import some

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.interfaces import Batch, Model

_CLOSE = 1e-4


def eval_is_deterministic(case: ModelCase) -> None:
    """In eval mode the same seed gives the same loss, and means need no seed at all."""
    model, batch = case.model().eval(), case.batch(5)
    with case.seeded(7):
        first = model.loss(batch, case.end).loss.detach()
    with case.seeded(7):
        again = model.loss(batch, case.end).loss.detach()
    cure = "draw from torch's default generator alone, and change nothing in eval mode"
    require(first.equal(again), f"two losses of one batch and seed differ: {float(first)} and {float(again)}; {cure}")
    for (name, value), (_, other) in zip(_means(model, batch), _means(model, batch), strict=True):
        require(value.equal(other), f"{name} changes from call to call; let it be a mean, without noise or dropout")


def eval_is_free_of_the_batch(case: ModelCase) -> None:
    """In eval mode an image's mean and density do not depend on which images are beside it."""
    from zoo.testing.models.taking import one_by_one

    model, batch = case.model().eval(), case.batch(5)
    found = dict(_means(model, batch))
    if not found:
        raise NotApplicable("it neither reconstructs nor embeds")
    apart = [dict(_means(model, one)) for one in one_by_one(batch)]
    for name, value in found.items():
        alone = [float((each[name][0] - value[i]).abs().max()) for i, each in enumerate(apart)]
        scale = max(1.0, float(value.abs().max()))
        cure = "take no statistics of the batch in eval mode"
        require(
            max(alone) <= _CLOSE * scale, f"{name} of an image differs by {max(alone):.3g} when it is alone; {cure}"
        )


def evaluation_changes_nothing(case: ModelCase) -> None:
    """A pass in eval mode leaves parameters and buffers as they are."""
    model, batch = case.model().eval(), case.batch(5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.loss(batch, case.end)
    model.sample(2)
    dict(_means(model, batch))
    moved = [name for name, value in model.state_dict().items() if not value.equal(before[name])]
    require(not moved, f"a pass in eval mode changes {some(moved)}; change them where self.training holds alone")


def _means(model: Model, batch: Batch) -> Iterator[tuple[str, Tensor]]:
    """Yield what a model says of each image without noise."""
    from zoo.interfaces import Embeds, Reconstructs, given

    able = given(model, batch.y)
    if isinstance(able, Reconstructs):
        yield "the reconstruction", able.reconstruct(batch.x).detach()
    if isinstance(able, Embeds):
        yield "the code", able.embed(batch.x).detach()
