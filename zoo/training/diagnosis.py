"""Where a run went wrong: the term, the first tensor that is no longer finite, and whose learning rate to lower."""

from __future__ import annotations

__all__ = ["bad_tensor", "bad_term", "is_finite", "remedy"]

import math
from typing import Any

import torch
from torch import Tensor, nn

from zoo.interfaces import Batch, Model, Step, Terms


def is_finite(terms: Terms) -> bool:
    """Return whether every player's loss is finite."""
    return all(math.isfinite(float(loss.detach())) for loss in (terms.loss, *terms.adversaries.values()))


def bad_term(terms: Terms) -> tuple[str, float]:
    """Return the name and value of the first term that is not finite."""
    for name, value in [*terms.logs.items(), *terms.adversaries.items(), ("loss", terms.loss)]:
        if not bool(torch.isfinite(value)):
            return name, float(value.detach())
    return "loss", float(terms.loss.detach())


def bad_tensor(model: Model, batch: Batch, step: Step) -> str:
    """Return the first tensor that is not finite: a weight, the data, or a module's output in forward order."""
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if _is_bad(value):
            return f"weight {name}"
    if _is_bad(batch.x):
        return "the data"
    return _bad_output(model, batch, step) or "a term of the loss"


def remedy(model: Model, term: str, tensor: str) -> str:
    """Return what to try, for the player whose term or weight went bad: an adversary may have a rate of its own.

    Arguments:
        model: The model.
        term: The term that `bad_term` found.
        tensor: The tensor that `bad_tensor` found.
    """
    place = tensor.rpartition(" ")[2]
    for player, moved in model.players().items():
        owned = {id(value) for value in moved.parameters.values()}
        names = [f"{name}." for name, value in model.named_parameters() if id(value) in owned]
        if moved.lr is not None and (term == player or any(name.startswith(f"{place}.") for name in names)):
            return f"try a lower learning rate for the {player}, which has its own, {moved.lr:g}, or --clip 1"
    return "try a lower --lr, or --clip 1"


def _bad_output(model: Model, batch: Batch, step: Step) -> str | None:
    found: list[str] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and _is_bad(output):
                found.append(f"output of {name}")

        return hook

    handles = [module.register_forward_hook(watch(name)) for name, module in model.named_modules() if name]
    try:
        with torch.no_grad():
            model.loss(batch, step)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _is_bad(value: Tensor) -> bool:
    return value.is_floating_point() and not bool(torch.isfinite(value).all())
