"""What latents tell of factors, in bins: the mutual information gap, and modularity."""

from __future__ import annotations

__all__ = ["Mig", "Modularity", "mig", "modularity", "mutual_information"]

from typing import final

import numpy as np
from numpy.typing import NDArray

from zoo import Measure, Subject
from zoo_representation.codes import Values
from zoo_representation.factors import FactorMetric, Factors, by_factor
from zoo_representation.options import BinnedOptions

Places = NDArray[np.int64]


def mutual_information(codes: Values, places: Places, bins: int) -> Values:
    """Return I(z_j; v_k) of each latent and each factor in nats, `(d, k)`, from counts.

    From N images it is too large by about (bins - 1) (values - 1) / 2N, the more the finer.

    Arguments:
        codes: The codes, `(N, d)`; each latent is put into bins of equal width between its ends.
        places: The values of the factors by their place, `(N, k)`.
        bins: How many bins.
    """
    binned = [_bins(unit, bins) for unit in codes.T]
    return np.array([[_information(one, other) for other in places.T] for one in binned])


def _bins(unit: Values, bins: int) -> Places:
    low, high = unit.min(), unit.max()
    if low == high:
        return np.zeros(len(unit), np.int64)
    return np.asarray(np.minimum((unit - low) / (high - low) * bins, bins - 1).astype(np.int64))


def _information(one: Places, other: Places) -> float:
    rows, columns = int(one.max()) + 1, int(other.max()) + 1
    joint = np.bincount(one * columns + other, minlength=rows * columns).reshape(rows, columns) / len(one)
    apart = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / apart[seen])).sum())


def _gaps(codes: Values, places: Places, bins: int) -> Values:
    """Return, for each factor, how much more the best latent tells than the second, as a share of its entropy."""
    information = np.sort(np.pad(mutual_information(codes, places, bins), ((1, 0), (0, 0))), axis=0)
    entropy = np.array([_information(column, column) for column in places.T])
    return np.asarray((information[-1] - information[-2]) / entropy)


def mig(codes: Values, places: Places, bins: int = 20) -> float:
    """Return the mutual information gap of codes `(N, d)` against the places of factors `(N, k)`.

    Example:
        >>> places = np.random.default_rng(0).integers(0, 4, (1000, 3))
        >>> round(mig(places.astype(float), places, bins=4), 1)
        1.0
    """
    return float(_gaps(codes, places, bins).mean())


def modularity(codes: Values, places: Places, bins: int = 20) -> float:
    """Return how far each latent of codes `(N, d)` tells of one of the factors `(N, k)` alone, averaged over latents.

    A latent that tells of none counts as 0.
    """
    squares = mutual_information(codes, places, bins) ** 2
    most = squares.max(1)
    rest = (squares.sum(1) - most) / (squares.shape[1] - 1)
    return float(np.where(most > 0, 1 - rest / np.where(most > 0, most, 1), 0).mean())


@final
class Mig(FactorMetric):
    """Mutual information gap: how much more the best latent tells of a factor than the second best, in [0, 1].

    The mean over factors of the gap divided by the factor's entropy. 1 is one latent for each factor; a factor that
    two latents share has no gap. As in Locatello et al., information is counted: posterior means in 20 bins of equal
    width; Chen et al. integrate over q(z|x). With fewer bins than a factor has values even a perfect code is below 1.

    References:
        Isolating Sources of Disentanglement in Variational Autoencoders (Chen et al., 2018), arXiv:1802.04942.
        Challenging Common Assumptions in the Unsupervised Learning of Disentangled Representations (Locatello et al.,
        2019), arXiv:1811.12359.
    """

    def __init__(self, options: BinnedOptions, subject: Subject) -> None:
        super().__init__(options, subject)
        self.bins = options.bins

    def of(self, codes: Values, factors: Factors) -> Measure:
        gaps = _gaps(codes, factors.places, self.bins)
        return Measure(float(gaps.mean()), details={"images": len(codes), **by_factor(factors, gaps)})


@final
class Modularity(FactorMetric):
    """Modularity: how far each latent tells of one factor alone, averaged over latents, in [0, 1].

    One minus the mean square of what a latent tells of the other factors, as a share of the square of what it tells of
    its own. Information is counted as for `mig`, so that latents that tell of nothing have little by chance, and yet
    score well above 0. It does not mind that several latents tell of the same factor.

    References:
        Learning Deep Disentangled Embeddings With the F-Statistic Loss (Ridgeway & Mozer, 2018), arXiv:1802.05312.
        Challenging Common Assumptions in the Unsupervised Learning of Disentangled Representations (Locatello et al.,
        2019), arXiv:1811.12359.
    """

    def __init__(self, options: BinnedOptions, subject: Subject) -> None:
        super().__init__(options, subject)
        self.bins = options.bins

    def of(self, codes: Values, factors: Factors) -> Measure:
        return Measure(modularity(codes, factors.places, self.bins), details={"images": len(codes)})
