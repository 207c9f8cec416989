"""A run of a few steps by the trainer itself, on one batch."""

from __future__ import annotations

__all__ = ["largest_gradients", "loss_before_and_after", "one_batch_trainer"]

import math
from collections.abc import Callable

import torch

from zoo.interfaces import Model
from zoo.runs.checkpoint import Checkpoint
from zoo.testing.models.building import feed
from zoo.testing.models.case import ModelCase
from zoo.training.options import TrainOptions
from zoo.training.players import Optimisers
from zoo.training.progress import Silent
from zoo.training.trainer import Trainer, TrainingData

_BATCH = 8
_DRAWS = 8


def largest_gradients(case: ModelCase) -> dict[str, float | None]:
    """Return the largest gradient that each parameter gets in four steps, or nothing where it gets none.

    The steps are at the start of a run and at its end in turn, as a schedule may leave a term out at either, and
    move the weights, as layers that start at 0 leave those before them without a gradient at first.
    """
    model, batch = case.model(), case.batch()
    optimisers = Optimisers(model.players(), _options(case, 4))
    learned = {name: value for name, value in model.named_parameters() if value.requires_grad}
    largest: dict[str, float | None] = dict.fromkeys(learned)
    for step in (case.start, case.end) * 2:
        optimisers.step(model.loss(batch, step), 0, 1e-3)
        for name, value in learned.items():
            if value.grad is not None:
                found = float(value.grad.abs().max())
                before = largest[name] or 0.0
                largest[name] = found if math.isnan(found) else max(found, before)
    return largest


def loss_before_and_after(case: ModelCase, steps: int) -> tuple[float, float]:
    """Return the loss of a batch before and after as many steps, with schedules at their end, averaged over draws."""
    model = case.model()
    before = _training_loss(case, model)
    trainer = one_batch_trainer(case, model, steps, lambda _: None)
    trainer.fit()
    return before, _training_loss(case, model)


def one_batch_trainer(case: ModelCase, model: Model, epochs: int, save: Callable[[Checkpoint], None]) -> Trainer:
    """Return a trainer whose epochs are one step each, of the same batch."""
    data = TrainingData(feed(case.settings, case.shape, _BATCH))
    return Trainer(model, data, _options(case, epochs), Silent(), save, lambda _: None)


def _options(case: ModelCase, epochs: int) -> TrainOptions:
    """Return the recipe's own training, without what ends it early."""
    whole = {"patience": None, "budget": None, "init_from": None, "device": "cpu"}
    chosen = {**case.settings.training.to_dict(), **whole, "epochs": epochs, "batch_size": _BATCH}
    return TrainOptions.from_dict(chosen)


@torch.no_grad()
def _training_loss(case: ModelCase, model: Model) -> float:
    # Of another with its weights, because a pass in training mode may move running means.
    copy = case.model()
    copy.load_state_dict(model.state_dict())
    return sum(float(copy.loss(case.batch(_BATCH), case.end).loss) for _ in range(_DRAWS)) / _DRAWS
