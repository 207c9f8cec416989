"""Disentanglement, completeness and informativeness, from trees that predict factors from codes."""

from __future__ import annotations

__all__ = [
    "Completeness",
    "Disentanglement",
    "Informativeness",
    "Predicted",
    "completeness",
    "disentanglement",
    "predict",
]

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from zoo import Measure, Metric, Subject
from zoo_representation.codes import Embedded, NoScore, Values
from zoo_representation.factors import Factors, by_factor
from zoo_representation.options import DciOptions

LEARNT, HELD = 10_000, 5_000
"""Training images that trees learn from, and test images that they are tested on, as in Locatello et al."""

TREES, DEPTHS = 10, (4, 8, 16)
"""Trees of a forest, and how deep they may be: what suits a factor best is found on a fifth of the images."""


@dataclass(frozen=True)
class Predicted:
    """How factors are predicted from codes.

    Arguments:
        importance: How much each latent matters for each factor, `(d, k)`; columns sum to 1, or to 0 if none does.
        accuracy: The share of held-back images for which each factor is right, `(k,)`.
    """

    importance: Values
    accuracy: Values


def predict(
    codes: Values,
    places: NDArray[np.int64],
    held_codes: Values,
    held_places: NDArray[np.int64],
    trees: Literal["forest", "boosted"] = "forest",
) -> Predicted:
    """Learn the values of factors, by their places `(N, k)`, from codes `(N, d)`, and test that on others."""
    learn = _forest if trees == "forest" else _boosted
    found = [learn(codes, column) for column in places.T]
    right = [float(one.score(held_codes, column)) for one, column in zip(found, held_places.T, strict=True)]
    return Predicted(np.stack([one.feature_importances_ for one in found], 1), np.array(right))


def _forest(x: Values, y: NDArray[np.int64]) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    chosen = np.arange(len(x)) % 5 > 0
    # Each split looks at all latents: if some were left out at random, others would seem to matter.
    forests = [
        RandomForestClassifier(TREES, max_depth=depth, max_features=None, random_state=0).fit(x[chosen], y[chosen])
        for depth in DEPTHS
    ]
    return max(forests, key=lambda forest: float(forest.score(x[~chosen], y[~chosen])))


def _boosted(x: Values, y: NDArray[np.int64]) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(random_state=0).fit(x, y)


def disentanglement(importance: Values) -> float:
    """Return how far each latent matters for one factor alone, weighted by how much it matters, of `(d, k)`."""
    return _concentration(importance)


def completeness(importance: Values) -> float:
    """Return how far each factor is told by one latent alone, weighted by how far it is told at all, of `(d, k)`."""
    return _concentration(importance.T)


def _concentration(rows: Values) -> float:
    """Return the mean over rows, by their weight, of 1 - H, with entropies on a scale that ends at 1."""
    weight = rows.sum(1)
    if weight.sum() == 0 or rows.shape[1] == 1:
        return float(weight.sum() > 0)
    p = rows / np.where(weight > 0, weight, 1)[:, None]
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(1) / np.log(rows.shape[1])
    return float((weight * (1 - entropy)).sum() / weight.sum())


@final
class Predictions:
    """What is predicted of a subject's factors, by each kind of trees that anyone has asked for."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._made: dict[str, tuple[Predicted, Factors]] = {}

    def by(self, trees: Literal["forest", "boosted"]) -> tuple[Predicted, Factors]:
        """Return it, with the factors.

        Raises:
            NoScore: If there are no factors.
        """
        if trees not in self._made:
            self._made[trees] = self._make(trees)
        return self._made[trees]

    def _make(self, trees: Literal["forest", "boosted"]) -> tuple[Predicted, Factors]:
        codes = self._subject.once(Embedded)
        learnt, held = codes.train(LEARNT), codes.test(HELD)
        factors = Factors.of(learnt.beside(held).labels)
        seen, unseen = factors.places[: len(learnt)], factors.places[len(learnt) :]
        if not np.ptp(seen, axis=0).all():
            raise NoScore(f"one of the factors does not vary over the {len(learnt):,} training images")
        return predict(learnt.values, seen, held.values, unseen, trees), factors


class _Dci(Metric):
    """A score of what trees have found."""

    def __init__(self, options: DciOptions, subject: Subject) -> None:
        self.trees = options.trees
        self.subject = subject

    @abstractmethod
    def of(self, found: Predicted, factors: Factors) -> Measure:
        """Return the score."""

    @final
    def compute(self) -> Measure:
        try:
            return self.of(*self.subject.once(Predictions).by(self.trees))
        except NoScore as reason:
            return Measure(None, str(reason))


@final
class Disentanglement(_Dci):
    """Disentanglement: how far each latent matters for one factor alone, in [0, 1].

    One minus the entropy, with logarithms to the base of the number of factors, of how much a latent matters for each
    factor; averaged over latents by how much they matter at all. What matters is told by random forests, one of the two
    predictors of the paper, which learn each factor's values from the codes of 10,000 training images, with the depth
    that suits a fifth of these best. Locatello et al. have boosted trees in their place, one for each value and step,
    which `trees` gives. The score depends on the predictor: compare numbers of the same one.

    References:
        A Framework for the Quantitative Evaluation of Disentangled Representations (Eastwood & Williams, 2018),
        https://openreview.net/forum?id=By-7dz-AZ.
    """

    def of(self, found: Predicted, factors: Factors) -> Measure:
        return Measure(disentanglement(found.importance))


@final
class Completeness(_Dci):
    """Completeness: how far each factor is told by one latent alone, in [0, 1].

    One minus the entropy, with logarithms to the base of the number of latents, of how much each latent matters for a
    factor, averaged over factors. The trees are those of `dci-disentanglement`.

    References:
        A Framework for the Quantitative Evaluation of Disentangled Representations (Eastwood & Williams, 2018),
        https://openreview.net/forum?id=By-7dz-AZ.
    """

    def of(self, found: Predicted, factors: Factors) -> Measure:
        return Measure(completeness(found.importance))


@final
class Informativeness(_Dci):
    """Informativeness: the share of test images for which a factor's value is told from the code, over factors.

    The trees are those of `dci-disentanglement`. The paper has an error here; the share that is right is that of
    Locatello et al.

    References:
        A Framework for the Quantitative Evaluation of Disentangled Representations (Eastwood & Williams, 2018),
        https://openreview.net/forum?id=By-7dz-AZ.
        Challenging Common Assumptions in the Unsupervised Learning of Disentangled Representations (Locatello et al.,
        2019), arXiv:1811.12359.
    """

    def of(self, found: Predicted, factors: Factors) -> Measure:
        return Measure(float(found.accuracy.mean()), details=by_factor(factors, found.accuracy))
