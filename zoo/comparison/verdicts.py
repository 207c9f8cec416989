"""What a comparison may say in words: which model is better, by how much, and where nothing can be said."""

from __future__ import annotations

__all__ = ["Pair", "Scored", "judge"]

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zoo.comparison.paired import FEWEST_IMAGES, FEWEST_SEEDS, LEVEL, Interval, over_images, over_seeds, spread
from zoo.comparison.scores import Column


@dataclass(frozen=True)
class Scored:
    """What is known of one model.

    Arguments:
        name: Its label.
        likelihood: Which kind of number for log p(x) it has, and of which pixels, if any.
        part: The part that its distortion is counted by.
        values: The score of each seed, by key.
        per_image: The values of each image `(N,)` of each seed, by key.
    """

    name: str
    likelihood: str | None = None
    part: str | None = None
    values: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    per_image: Mapping[str, Mapping[int, NDArray[np.float64]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """Two models by one metric.

    Arguments:
        metric: The score's key.
        one, other: Their labels.
        difference: One minus other, of means over seeds.
        interval: What chance allows the difference to be, where that is known.
        verdict: The same in words.
        winner: The label of the better one, where the interval allows a verdict.
    """

    metric: str
    one: str
    other: str
    difference: float
    interval: Interval | None
    verdict: str
    winner: str | None


def judge(models: Sequence[Scored], columns: Sequence[Column]) -> list[Pair]:
    """Compare each two models by each metric that has a better direction, where its numbers mean the same for both."""
    return list(_pairs(models, columns))


def _pairs(models: Sequence[Scored], columns: Sequence[Column]) -> Iterator[Pair]:
    for column in columns:
        for one, other in itertools.combinations(models, 2):
            both = column.key in one.values and column.key in other.values
            if both and column.spec.better and _means_the_same(column, one, other):
                yield _judge_two(column, one, other)


def _means_the_same(column: Column, one: Scored, other: Scored) -> bool:
    """Whether a score of two models can be read side by side."""
    if column.key == "distortion":
        # It is counted as the loss counts it: squares, or nats of one density or another.
        return one.part == other.part
    return column.spec.group != "likelihood" or one.likelihood == other.likelihood


def _judge_two(column: Column, one: Scored, other: Scored) -> Pair:
    key = column.key
    images = over_images(one.per_image.get(key, {}), other.per_image.get(key, {}))
    interval = images or over_seeds(one.values[key], other.values[key])
    difference = spread(list(one.values[key].values()))[0] - spread(list(other.values[key].values()))[0]
    if interval is None:
        verdict = f"{key}: {one.name} and {other.name} cannot be told apart: {_why_not(key, one, other)}"
        return Pair(key, one.name, other.name, difference, None, verdict, None)
    if not interval.excludes_zero:
        verdict = (
            f"{key}: {one.name} and {other.name} cannot be told apart: the difference is between "
            f"{_short(interval.low)} and {_short(interval.high)} ({_basis(interval)})"
        )
        return Pair(key, one.name, other.name, difference, interval, verdict, None)
    lower_wins = column.spec.better == "lower"
    winner, loser = (one, other) if (interval.high < 0) == lower_wins else (other, one)
    near, far = sorted((abs(interval.low), abs(interval.high)))
    verdict = (
        f"{winner.name} has a {'lower' if lower_wins else 'higher'} {key} than {loser.name}: "
        f"{_short(near)} to {_short(far)} {'less' if lower_wins else 'more'} ({_basis(interval)})"
    )
    return Pair(key, one.name, other.name, difference, interval, verdict, winner.name)


def _basis(interval: Interval) -> str:
    return f"{LEVEL:.0%}, paired over {interval.over}".replace("%", " %")


def _why_not(key: str, one: Scored, other: Scored) -> str:
    values = [*one.values[key].values(), *other.values[key].values()]
    if not all(math.isfinite(value) for value in values):
        return "a score is not finite"
    if one.per_image.get(key) and other.per_image.get(key):
        return f"the test images are fewer than {FEWEST_IMAGES}, or not the same"
    if one.values[key].keys() != other.values[key].keys():
        return "without values of single images that takes the same seeds"
    return f"without values of single images that takes {FEWEST_SEEDS} seeds or more"


def _short(value: float) -> str:
    """Return three digits of a number, without an exponent where people write none."""
    text = f"{value:.3g}"
    return f"{value:,.0f}" if "e+" in text else text
