"""A model under test: built from its recipe `tiny`, for a few small images with labels."""

from __future__ import annotations

__all__ = ["ModelCase"]

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from zoo.errors import ZooError, did_you_mean
from zoo.registry import Registry
from zoo.settings import Settings, resolve
from zoo.testing.check import Failed, NotApplicable

if TYPE_CHECKING:
    from zoo.interfaces import Batch, Model, Step

Shape = tuple[int, int, int]

_SHAPES: tuple[Shape, ...] = ((1, 12, 12), (1, 28, 28), (3, 32, 32), (3, 64, 64))
"""What is tried in turn: the first that a model takes is what it is checked with."""


@dataclass(frozen=True)
class ModelCase:
    """A model of the registry.

    What computes is imported when it is asked for, so that checks can be listed without torch.

    Arguments:
        registry: Where it is found.
        name: What finds it there.
    """

    registry: Registry
    name: str

    def resolve(self) -> Settings:
        """Return the settings of its recipe `tiny`.

        Raises:
            Failed: If it has none.
            ZooError: If they do not resolve.
        """
        if "tiny" not in (recipes := self.registry.model(self.name).recipes):
            table = f"[models.{self.name}.recipes.tiny]{did_you_mean('tiny', recipes)}"
            raise Failed(f"has no recipe 'tiny' to be checked with; add small sizes and 'epochs = 1' as {table}")
        return resolve(self.registry, f"{self.name}.tiny")

    @cached_property
    def settings(self) -> Settings:
        """The settings of its recipe `tiny`.

        Raises:
            NotApplicable: If there are none, which another check tells.
        """
        try:
            return self.resolve()
        except (Failed, ZooError):
            raise NotApplicable("its recipe 'tiny' does not resolve") from None

    def find_shape(self) -> Shape:
        """Return the smallest shape of images that it builds for.

        Raises:
            ZooError: If it takes none of those that are tried.
        """
        refusals = []
        for shape in _SHAPES:
            try:
                with self.seeded(0):
                    self.build(shape)
            except ZooError as error:
                refusals.append(error)
            else:
                return shape
        raise refusals[0]

    @cached_property
    def shape(self) -> Shape:
        """The shape of the images that it is checked with.

        Raises:
            NotApplicable: If it does not build, which another check tells.
        """
        try:
            return self.find_shape()
        except NotApplicable:
            raise
        except Exception:
            raise NotApplicable("it does not build") from None

    def build(self, shape: Shape) -> Model:
        """Build it anew, from torch's default generator."""
        from zoo.testing.models.building import build

        return build(self.registry, self.settings, shape)

    def model(self, shape: Shape | None = None) -> Model:
        """Build it anew and let its parts start from data, as the trainer does; it is in training mode."""
        from zoo.testing.models.building import prepare

        return prepare(self.build(shape or self.shape), self.batch(shape=shape))

    def batch(self, count: int = 8, shape: Shape | None = None) -> Batch:
        """Return the first images, 16 at most, as the trainer would feed them."""
        from zoo.testing.models.building import batch

        return batch(self.settings, shape or self.shape, count)

    @property
    def start(self) -> Step:
        """The first step of a run."""
        from zoo.interfaces import Step

        return Step.of(0, 0, 0)

    @property
    def end(self) -> Step:
        """The last step of a run, where schedules have come to their end."""
        from zoo.interfaces import Step

        return Step.of(self.settings.training.epochs, self.settings.training.epochs, 1)

    def in_range(self, model: Model) -> bool:
        """Whether mean images of a model lie in [0, 1]."""
        from zoo.interfaces import Likelihood

        return all(part.unit_range for part in model.modules() if isinstance(part, Likelihood))

    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """Draw from torch's default generator at a seed inside a `with`."""
        from zoo.training.randomness import isolated

        return isolated(seed)
