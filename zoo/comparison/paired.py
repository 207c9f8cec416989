"""How far apart two models are, and how sure that is: intervals over images and over seeds."""

from __future__ import annotations

__all__ = ["FEWEST_IMAGES", "FEWEST_SEEDS", "LEVEL", "RESAMPLES", "Interval", "over_images", "over_seeds", "spread"]

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

RESAMPLES = 2_000
LEVEL = 0.95
FEWEST_IMAGES = 30
"""Fewer images than this say too little of the others that could have been drawn."""
FEWEST_SEEDS = 3
"""Fewer seeds than this give no interval by themselves."""
_SEED = 0


@dataclass(frozen=True)
class Interval:
    """The difference of two means, one minus other, with the interval that holds 95 % of what chance allows.

    Arguments:
        difference: The difference found.
        low, high: The interval's ends.
        over: What it rests on, in words, such as `10,000 images, 3 seeds`.
    """

    difference: float
    low: float
    high: float
    over: str

    @property
    def excludes_zero(self) -> bool:
        """Whether chance alone does not explain the difference."""
        return self.low > 0 or self.high < 0


def spread(values: Sequence[float]) -> tuple[float, float | None]:
    """Return mean and standard deviation `n - 1`; no deviation of one value, and NaN as soon as one value is.

    Example:
        >>> spread([1.0, 2.0, 3.0])
        (2.0, 1.0)
    """
    if not all(math.isfinite(value) for value in values):
        return math.nan, math.nan if len(values) > 1 else None
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def over_images(one: Mapping[int, Values], other: Mapping[int, Values]) -> Interval | None:
    """Return the interval of the difference of two models that saw the same images.

    A paired bootstrap: in each of 2,000 resamples, images are drawn with replacement, the same ones for both models,
    with a fixed seed. With several seeds, the mean over them is what is compared, and each resample moves it by what
    other seeds might have made of it: the standard error over seeds times a draw of Student's t. Resampling three
    seeds themselves would not do: of differences that are chance alone it calls a quarter real, where t calls 5 %.

    Arguments:
        one, other: The values of each image, `(N,)`, by seed. The same seeds on both sides are taken in pairs.

    Returns:
        The interval, or nothing where images are too few, or not the same, or a value is not finite.

    References:
        An Introduction to the Bootstrap (Efron & Tibshirani, 1993), chapter 13.
    """
    groups = [np.stack(list(side.values())) for side in (one, other)] if _fit(one, other) else []
    if not groups:
        return None
    means = [group.mean(0) for group in groups]
    drawn = _resampled_means(means[0] - means[1])
    rng = np.random.default_rng(_SEED)
    if len(one) > 1 and one.keys() == other.keys():
        paired = np.array([one[seed].mean() - other[seed].mean() for seed in one])
        drawn = drawn + _other_seeds(paired, rng)
    else:
        drawn = drawn + _other_seeds(groups[0].mean(1), rng) - _other_seeds(groups[1].mean(1), rng)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    images = f"{len(means[0]):,} images"
    return Interval(float((means[0] - means[1]).mean()), float(low), float(high), f"{images}, {_seeds(one, other)}")


def _fit(one: Mapping[int, Values], other: Mapping[int, Values]) -> bool:
    values = [*one.values(), *other.values()]
    shapes = {value.shape for value in values}
    if not one or not other or len(shapes) > 1 or len(values[0]) < FEWEST_IMAGES:
        return False
    return all(bool(np.isfinite(value).all()) for value in values)


def _seeds(one: Mapping[int, object], other: Mapping[int, object]) -> str:
    counts = sorted({len(one), len(other)}, reverse=True)
    return f"{' and '.join(map(str, counts))} seed{'' if counts == [1] else 's'}"


def _resampled_means(values: Values) -> Values:
    """Return the mean of each resample, `(2000,)`, of the values of images `(N,)`."""
    # In parts, because counts are kept as bytes and multiplied as numbers.
    return np.concatenate([part @ values for part in np.array_split(_counts(len(values)), 20)]) / len(values)


@lru_cache(maxsize=1)
def _counts(images: int) -> NDArray[np.uint8]:
    """Return how often each resample draws each image, `(2000, N)`; kept, as all pairs of a comparison share it."""
    rng = np.random.default_rng(_SEED)
    rows = (np.bincount(rng.integers(0, images, images), minlength=images) for _ in range(RESAMPLES))
    return np.stack([row.astype(np.uint8) for row in rows])


def _other_seeds(means: Values, rng: np.random.Generator) -> Values:
    """Return by how much the mean over seeds might be off, `(2000,)`; unknown, and so nothing, with one seed."""
    if len(means) < 2:
        return np.zeros(RESAMPLES)
    from scipy import stats

    # The quantiles of t in random order, which are a fairer draw of it than as many random numbers.
    t: Values = stats.t.ppf((np.arange(RESAMPLES) + 0.5) / RESAMPLES, df=len(means) - 1)
    drawn: Values = rng.permutation(t) * means.std(ddof=1) / math.sqrt(len(means))
    return drawn


def over_seeds(one: Mapping[int, float], other: Mapping[int, float]) -> Interval | None:
    """Return Student's interval of the difference of two models that were trained with the same seeds, in pairs.

    Arguments:
        one, other: The score of each seed.

    Returns:
        The interval, or nothing with fewer than three seeds, with others, or where a score is not finite.
    """
    if one.keys() != other.keys() or len(one) < FEWEST_SEEDS:
        return None
    differences = [one[seed] - other[seed] for seed in one]
    mean, deviation = spread(differences)
    if deviation is None or not math.isfinite(mean):
        return None
    from scipy import stats

    half = float(stats.t.ppf((1 + LEVEL) / 2, df=len(differences) - 1)) * deviation / math.sqrt(len(differences))
    return Interval(mean, mean - half, mean + half, _seeds(one, other))
