"""The check of a run that is stopped and goes on."""

from __future__ import annotations

__all__ = ["resumes_to_the_bit"]

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.testing.check import require
from zoo.testing.models.case import ModelCase
from zoo.testing.wording import some

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.runs.checkpoint import Checkpoint


def resumes_to_the_bit(case: ModelCase) -> None:
    """A run that goes on from its checkpoint ends with the weights of one that never stopped, to the bit."""
    from zoo.runs.checkpoint import read_checkpoint, write_checkpoint

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def save(checkpoint: Checkpoint) -> None:
            if checkpoint.facts["epoch"] == 2:
                write_checkpoint(folder, checkpoint)

        straight = _train(case, save, None)
        resumed = _train(case, lambda _: None, read_checkpoint(folder))
    other = [name for name, value in straight.items() if not value.equal(resumed[name])]
    cure = "keep what training changes in parameters and buffers, and draw from torch's default generator alone"
    require(not other, f"ends elsewhere when it is resumed, in {some(other)}; {cure}")


def _train(case: ModelCase, save: Callable[[Checkpoint], None], checkpoint: Checkpoint | None) -> dict[str, Tensor]:
    from zoo.testing.models.training import one_batch_trainer
    from zoo.training.randomness import isolated

    with isolated(0 if checkpoint is None else 1):
        model = case.model()
        trainer = one_batch_trainer(case, model, 4, save)
        if checkpoint is not None:
            trainer.restore(checkpoint)
        trainer.fit()
    return model.state_dict()
