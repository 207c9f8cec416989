"""The net of a classifier: few layers, the last hidden one of which is the space of features."""

from __future__ import annotations

__all__ = ["FEATURES", "Net"]

import math
from collections.abc import Sequence
from typing import final

from torch import Tensor, nn

FEATURES = 64
"""Values of a feature: few enough that a thousand images tell their covariance."""


@final
class Net(nn.Module):
    """Convolutions that halve an image until its sides are 4 or less, a linear layer to features, one to labels.

    For `(1, 28, 28)` and ten labels it has 122,666 trained values.

    Arguments:
        shape: The shape `(C, H, W)` of one image.
        classes: How many labels it tells apart.
    """

    def __init__(self, shape: Sequence[int], classes: int) -> None:
        super().__init__()
        channels, *sides = shape
        layers = _halve(channels, 32, 5)
        sides, channels = [(side + 1) // 2 for side in sides], 32
        while max(sides) > 4:
            layers += _halve(channels, 64, 3)
            sides, channels = [(side + 1) // 2 for side in sides], 64
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * math.prod(sides), FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the log-odds of each label, up to a constant, for `x (B, C, H, W)`: `(B, K)`."""
        scores: Tensor = self.head(self.body(x))
        return scores


def _halve(channels: int, width: int, kernel: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, width, kernel, stride=2, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(width), nn.ReLU()]
