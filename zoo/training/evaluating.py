"""A model as it is evaluated in the middle of its training."""

from __future__ import annotations

__all__ = ["evaluating"]

from zoo.interfaces import Model
from zoo.training.averaging import Average


class evaluating:
    """Eval mode and averaged weights inside a `with`, training mode and live weights after it."""

    def __init__(self, model: Model, average: Average | None) -> None:
        self.model = model
        self.average = average

    def __enter__(self) -> None:
        self.model.eval()
        if self.average is not None:
            self.average.swap()

    def __exit__(self, *error: object) -> None:
        if self.average is not None:
            self.average.swap()
        self.model.train()
