"""Whether a comparison got worse than an earlier one, by more than is allowed and more than noise explains."""

from __future__ import annotations

__all__ = ["Finding", "against_baseline", "parse_share", "same_models"]

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.comparison.paired import LEVEL, spread
from zoo.errors import ZooError


@dataclass(frozen=True)
class Finding:
    """What is to be told of one model by one metric.

    Arguments:
        regression: Whether it got worse; else it cannot be judged.
        line: In words.
    """

    regression: bool
    line: str


@dataclass(frozen=True)
class _Side:
    """The scores of a model by a metric in one document: one a seed, and the standard error of each over images."""

    values: Sequence[float]
    errors: Sequence[float | None]

    @property
    def mean(self) -> float:
        return spread(self.values)[0]


def parse_share(text: str) -> float:
    """Return a percentage such as `2%` as a share.

    Raises:
        ZooError: If it is none.

    Example:
        >>> parse_share("2%")
        0.02
    """
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*%", text)
    if match is None:
        raise ZooError(f"--max-regression must be a percentage such as 2%, got '{text}'")
    return float(match[1]) / 100


def same_models(baseline: dict[str, Any], where: str, data: str, labels: Sequence[str]) -> None:
    """Check, before anything is trained, that a baseline has something to say.

    Raises:
        ZooError: If it is of other data, or has none of the models.
    """
    if baseline["data"]["name"] != data:
        raise ZooError(f"{where} is of {baseline['data']['name']}, not of {data}: its scores say nothing of these")
    names = [model["name"] for model in baseline["models"]]
    if not set(names).intersection(labels):
        raise ZooError(
            f"{where} has none of these models, so that there is nothing to hold against it: it has "
            f"{', '.join(names) or 'none at all'}"
        )


def against_baseline(document: dict[str, Any], baseline: dict[str, Any], share: float) -> list[Finding]:
    """Return where a comparison is worse than its baseline, and where that cannot be judged.

    Worse is a mean that is worse by more than `share` of the baseline's, and by more than noise explains (95 %): with
    several seeds on both sides that of the means over seeds (Welch's t), else that of the mean over images, each side's
    taken as if of images of its own, which is more than it is.

    Arguments:
        document: The comparison.
        baseline: The earlier one.
        share: What is allowed.
    """
    return list(_findings(document, baseline, share))


def _findings(document: dict[str, Any], baseline: dict[str, Any], share: float) -> Iterator[Finding]:
    known = [model["name"] for model in baseline["models"]]
    for model in (model["name"] for model in document["models"] if model["name"] in known and not model["error"]):
        for key, metric in document["metrics"].items():
            before, now = _side(baseline, model, key), _side(document, model, key)
            if not metric["better"] or before is None:
                continue
            if now is None:
                yield Finding(False, f"{model}: the baseline has {key}, this comparison has none")
            elif metric["group"] == "samples" and document["samples"] != baseline["samples"]:
                told = f"of {baseline['samples']:,} samples, now it is of {document['samples']:,}"
                yield Finding(False, f"{model}: {key} of the baseline is {told}; give the same --samples")
            else:
                yield from _judge(f"{model}: {key}", metric["better"], before, now, share)


def _side(document: dict[str, Any], model: str, key: str) -> _Side | None:
    rows = [row for row in document["rows"] if row["model"] == model and row["metric"] == key]
    if not rows or any(row["value"] is None for row in rows):
        return None
    return _Side([row["value"] for row in rows], [row["standard_error"] for row in rows])


def _judge(what: str, better: str, before: _Side, now: _Side, share: float) -> Iterator[Finding]:
    if not math.isfinite(before.mean):
        yield Finding(False, f"{what} of the baseline is {before.mean}")
        return
    if not math.isfinite(now.mean):
        yield Finding(True, f"{what} was {before.mean:.5g} and is {now.mean}")
        return
    worse = now.mean - before.mean if better == "lower" else before.mean - now.mean
    if worse <= share * abs(before.mean):
        return
    noise = _noise(before, now)
    change = f"{what} was {before.mean:.5g} and is {now.mean:.5g}, {_by(worse, before.mean)}worse"
    if noise is None:
        told = "no telling whether that is noise: it has no values of single images; take more --seeds on both sides"
        yield Finding(False, f"{change}; {told}")
    elif worse > noise:
        yield Finding(True, f"{change}; noise explains {noise:.3g} ({LEVEL:.0%})".replace("%)", " %)"))


def _by(worse: float, mean: float) -> str:
    return f"{worse / abs(mean):.1%} ".replace("%", " %") if mean else ""


def _noise(before: _Side, now: _Side) -> float | None:
    """Return how large a difference chance explains, half the width of its interval, or nothing where none can tell."""
    from scipy import stats

    if len(before.values) > 1 and len(now.values) > 1:
        variances = [(spread(side.values)[1] or 0.0) ** 2 / len(side.values) for side in (before, now)]
        total = sum(variances)
        if total == 0:
            return 0.0
        shares = sum(v**2 / (len(side.values) - 1) for v, side in zip(variances, (before, now), strict=True))
        return float(stats.t.ppf((1 + LEVEL) / 2, df=total**2 / shares)) * math.sqrt(total)
    errors = [error for side in (before, now) for error in side.errors[:1]]
    if None in errors:
        return None
    return float(stats.norm.ppf((1 + LEVEL) / 2)) * math.sqrt(sum(error**2 for error in errors if error is not None))
