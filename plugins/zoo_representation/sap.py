"""The gap between the two latents from which a factor is best told."""

from __future__ import annotations

__all__ = ["Sap", "sap"]

from collections.abc import Sequence
from typing import final

import numpy as np

from zoo import Measure
from zoo_representation.codes import Values
from zoo_representation.factors import FactorMetric, Factors, by_factor


def sap(codes: Values, values: Values, classes: Sequence[bool]) -> float:
    """Return the separated attribute predictability of codes `(N, d)`.

    Arguments:
        codes: The codes.
        values: The factors, `(N, k)`.
        classes: Whether the values of each factor are names alone.
    """
    return float(_gaps(codes, values, classes).mean())


def _gaps(codes: Values, values: Values, classes: Sequence[bool]) -> Values:
    scores = [
        [_balanced_accuracy(unit, factor) if named else _explained(unit, factor) for unit in codes.T]
        for factor, named in zip(values.T, classes, strict=True)
    ]
    best = np.sort(np.pad(np.array(scores), ((0, 0), (1, 0))), axis=1)
    return np.asarray(best[:, -1] - best[:, -2])


def _explained(unit: Values, factor: Values) -> float:
    """Return R^2 of the best line from a latent to a factor, the square of their correlation."""
    unit, factor = unit - unit.mean(), factor - factor.mean()
    scale = (unit @ unit) * (factor @ factor)
    return float((unit @ factor) ** 2 / scale) if scale > 0 else 0.0


def _balanced_accuracy(unit: Values, factor: Values) -> float:
    """Return the share of images told right, averaged over classes, by as many intervals of a latent as classes."""
    from sklearn.tree import DecisionTreeClassifier

    classes = np.unique(factor)
    tree = DecisionTreeClassifier(max_leaf_nodes=len(classes), class_weight="balanced", random_state=0)
    right = tree.fit(unit[:, None], factor).predict(unit[:, None]) == factor
    return float(np.mean([right[factor == value].mean() for value in classes]))


@final
class Sap(FactorMetric):
    """Separated attribute predictability: how much better the best latent predicts a factor than the second best.

    The mean over factors of the gap in the score of a prediction from one latent: R^2 of a line for a number, and for
    K classes the balanced accuracy by K - 1 thresholds on the same images. A perfect code has 1 for a number and
    1 - 1/K for classes, since the second best is right by chance. This is the paper's definition; the code of Locatello
    et al. fits a linear SVM to every factor, which cannot tell the middle values of a number from one latent.

    References:
        Variational Inference of Disentangled Latent Concepts from Unlabeled Observations (Kumar, Sattigeri &
        Balakrishnan, 2018), arXiv:1711.00848.
    """

    def of(self, codes: Values, factors: Factors) -> Measure:
        gaps = _gaps(codes, factors.values, factors.classes)
        return Measure(float(gaps.mean()), details={"images": len(codes), **by_factor(factors, gaps)})
