"""What turns an image into features, in which samples are compared with images."""

from __future__ import annotations

__all__ = ["FeatureExtractor"]

from abc import ABC, abstractmethod

from torch import Tensor


class FeatureExtractor(ABC):
    """A fixed net, of which some values of an image are its features.

    Attributes:
        name: What it is, in a word, as scores tell it.
        size: How many values a feature has.
    """

    name: str
    size: int

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Return the features of images `(N, C, H, W)` with values in [0, 1]: `(N, F)`."""
