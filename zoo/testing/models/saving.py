"""The check of a run folder: what is saved comes back."""

from __future__ import annotations

__all__ = ["loads_to_the_bit"]

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.testing.check import require
from zoo.testing.models.case import ModelCase
from zoo.testing.wording import some

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.interfaces import Model


def loads_to_the_bit(case: ModelCase) -> None:
    """A trained model that is saved and loaded has the same weights, loss and samples, to the bit."""
    from zoo.testing.models.filing import save_and_load
    from zoo.testing.models.training import one_batch_trainer

    model = case.model()
    one_batch_trainer(case, model, 3, lambda _: None).fit()
    with tempfile.TemporaryDirectory() as name:
        loaded = save_and_load(case, model, Path(name))
    cure = "keep what training changes in parameters and persistent buffers"
    weights, others = model.state_dict(), loaded.state_dict()
    moved = [name for name, value in weights.items() if not value.equal(others[name])]
    require(not moved, f"comes back from its file with other numbers in {some(moved)}")
    for what, value, other in zip(("loss", "samples"), _said(case, model), _said(case, loaded), strict=True):
        require(value.equal(other), f"has another {what} when it comes back from its file; {cure}")


def _said(case: ModelCase, model: Model) -> tuple[Tensor, Tensor]:
    with case.seeded(2):
        return model.eval().loss(case.batch(5), case.end).loss, model.sample(3)
