"""Parts in their places: a model that holds the part, and what it is handed there."""

from __future__ import annotations

__all__ = ["CLASSES", "SHAPE", "Home", "Placed", "handed", "roughen"]

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.catalogue import Entry
from zoo.interfaces import Batch, Condition, LatentModel, Model, Part, given
from zoo.registry import Registry
from zoo.specs import PartSpec
from zoo.testing.check import NotApplicable

SHAPE = (1, 12, 12)
"""The shape of the images that parts are checked with."""

CLASSES = 10
"""How many classes their label has."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A part in a model.

    Arguments:
        part: The part.
        parts: All parts of the model, by role.
        kinds: What kind of part each role holds.
        model: The model.
        shape: The shape of its images.
    """

    part: Part
    parts: Mapping[str, Part]
    kinds: Mapping[str, str]
    model: Model
    shape: tuple[int, int, int]

    def of_kind(self, kind: str) -> Part | None:
        """Return the model's part of a kind, or nothing if it has none."""
        return next((self.parts[role] for role in self.parts if self.kinds[role] == kind), None)

    def batch(self, count: int) -> Batch:
        """Return random images in the model's number type, with the labels that its condition is told."""
        like = next(iter(self.model.parameters()), torch.zeros(()))
        y: dict[str, Tensor] = {"label": torch.arange(count) % CLASSES}
        condition = self.of_kind("condition")
        if isinstance(condition, Condition):
            y |= condition.sample(count)
        return Batch(torch.rand(count, *self.shape, dtype=like.dtype), y, torch.arange(count))

    def told(self, batch: Batch) -> LatentModel:
        """Return the model under the labels of a batch.

        Raises:
            NotApplicable: If it has no q(z|x), p(x|z) and p(z).
        """
        told = given(self.model, batch.y)
        if not isinstance(told, LatentModel):
            raise NotApplicable(f"its model, a {type(told).__name__}, is no LatentModel")
        return told


class Home(ABC):
    """Where a part is checked.

    Arguments:
        registry: Where parts and models are found.
        kind: What kind of part it is.
        entry: The part.
        options: Its options, as far as they are not to be the defaults.
    """

    def __init__(
        self, registry: Registry, kind: str, entry: Entry[PartSpec], options: Mapping[str, Any] | None = None
    ) -> None:
        self.registry = registry
        self.kind = kind
        self.entry = entry
        self.options = dict(options or {})

    @abstractmethod
    def placed(self, *, shape: tuple[int, int, int] = SHAPE, rough: bool = False) -> Placed:
        """Build a model with the part anew, in eval mode; a rough one in double precision, far from its first weights.

        Raises:
            NotApplicable: If the part fits no model, which another check tells.
        """


def roughen(module: nn.Module, spread: float = 0.5) -> None:
    """Move every weight far from where it starts, so that nothing is close to the identity or to a standard normal."""
    with torch.no_grad():
        for parameter in module.parameters():
            columns = parameter.shape[-1] if parameter.ndim else 1
            parameter.add_(spread * torch.randn_like(parameter) / max(1, columns) ** 0.5)


def handed(part: nn.Module, run: Callable[[], object]) -> tuple[Any, ...]:
    """Return what a part is handed by its model when something is run.

    Raises:
        NotApplicable: If the model does not call it.
    """
    kept: list[tuple[Any, ...]] = []
    handle = part.register_forward_pre_hook(lambda module, arguments: kept.append(arguments))
    try:
        run()
    except Exception:
        # What comes after the part may not take what it gives.
        if not kept:
            raise
    finally:
        handle.remove()
    if not kept:
        raise NotApplicable("its model hands it nothing")
    return kept[0]
