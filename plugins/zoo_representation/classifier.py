"""A linear classifier, learnt to its end."""

from __future__ import annotations

__all__ = ["Linear"]

import warnings
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from zoo_representation.codes import Values

STEPS = 1000
"""Steps within which logistic regression must come to its end."""


@final
class Linear:
    """Logistic regression on features with mean 0 and variance 1, with scikit-learn's weight on small coefficients.

    Arguments:
        x: Features, `(N, d)`.
        y: Classes, `(N,)`, at least two.
    """

    def __init__(self, x: Values, y: NDArray[Any]) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self._fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=STEPS))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._fitted.fit(x, y)
        self.converged = bool((self._fitted[-1].n_iter_ < STEPS).all())

    def right(self, x: Values, y: NDArray[Any]) -> NDArray[np.bool_]:
        """Return for which features `(N, d)` the class is told right, `(N,)`."""
        return np.asarray(self._fitted.predict(x) == y)
