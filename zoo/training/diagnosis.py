"""Where a run went wrong: the term, and the first tensor that is no longer finite."""

from __future__ import annotations

__all__ = ["bad_tensor", "bad_term"]

from typing import Any

import torch
from torch import Tensor, nn

from zoo.interfaces import Batch, Model, Step, Terms


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
