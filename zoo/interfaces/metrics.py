"""What a metric is, and what it finds."""

from __future__ import annotations

__all__ = ["Measure", "Metric"]

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Measure:
    """What a metric found.

    Arguments:
        value: The score, or several where it is one for each unit, or nothing where the model has none.
        reason: Why there is none, as the end of a sentence.
        details: What belongs to the score, by name: its standard error, how many samples it rests on, a verdict.
        per_image: The value of each image, `(N,)`, whose mean is the score, where it is such a mean: what tells two
            models apart image by image.
        warning: What to keep in mind when the score is read, as a sentence; empty if there is nothing.
    """

    value: float | Sequence[float] | None
    reason: str = ""
    details: Mapping[str, float | str] = field(default_factory=dict)
    per_image: Tensor | None = field(default=None, compare=False, repr=False)
    warning: str = ""


class Metric(ABC):
    """A score of a trained model; built as `Name(options, subject)` for a `zoo.Subject`, and used once.

    It is computed with the model in eval mode, without gradients, and with torch's default generator at a seed of its
    own, so that the score is repeatable to the bit.
    """

    @abstractmethod
    def compute(self) -> Measure:
        """Return the score, of as many of the subject's images and samples as it takes.

        Raises:
            TooFewSamples: If it takes more samples than the subject draws; where nobody named the metric, that is a
                reason for none, and no error.
        """
