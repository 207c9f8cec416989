"""Which factor was held fixed, told from codes: the scores of beta-VAE and of FactorVAE."""

from __future__ import annotations

__all__ = ["BetaVaeScore", "FactorVaeScore", "beta_vae_score", "factor_vae_score"]

from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from zoo import Measure
from zoo_representation.classifier import Linear
from zoo_representation.codes import Values
from zoo_representation.factors import FactorMetric, Factors

SIZE = 64
"""Images, or pairs of them, that share a value of the fixed factor."""

LEARNT, HELD = 10_000, 5_000
"""Draws of such images to learn from and to test on, as in Locatello et al."""

VARIANCE = 0.05
"""The variance below which FactorVAE's score leaves a latent out, as in Locatello et al."""

_AT_ONCE = 2**22  # numbers that are looked at at once: a part of what is drawn, but of no meaning

Places = NDArray[np.int64]


def factor_vae_score(codes: Values, places: Places, seed: int = 0) -> float:
    """Return the score of codes `(N, d)` against the places of factors `(N, k)`, 0 if no latent varies.

    Each value of each factor must be had by at least `SIZE` images.
    """
    rng = np.random.default_rng(seed)
    variance = codes.var(0, ddof=1)
    active = variance >= VARIANCE
    if not active.any():
        return 0.0
    scaled = codes[:, active] / np.sqrt(variance[active])
    votes = np.zeros((scaled.shape[1], places.shape[1]))
    units, fixed = _steadiest(scaled, places, LEARNT, rng)
    np.add.at(votes, (units, fixed), 1)
    units, fixed = _steadiest(scaled, places, HELD, rng)
    return float((votes.argmax(1)[units] == fixed).mean())


def _steadiest(codes: Values, places: Places, count: int, rng: np.random.Generator) -> tuple[Places, Places]:
    """Return the latent that varies least over images that share a value, for `count` draws, and of which factor."""

    def look(column: Places, draws: int) -> Places:
        return np.asarray(codes[_sharing(column, draws, rng)].var(1).argmin(1))

    return _draw(places, count, codes.shape[1], look, rng)


def beta_vae_score(codes: Values, places: Places, seed: int = 0) -> float:
    """Return the score of codes `(N, d)` against the places of factors `(N, k)`, whose values several images share."""
    rng = np.random.default_rng(seed)
    linear = Linear(*_differences(codes, places, LEARNT, rng))
    return float(linear.right(*_differences(codes, places, HELD, rng)).mean())


def _differences(codes: Values, places: Places, count: int, rng: np.random.Generator) -> tuple[Values, Places]:
    """Return the mean distance of pairs that share a factor's value, latent by latent, `(count, d)`, and the factor."""

    def look(column: Places, draws: int) -> Values:
        one, other = _pairs(column, draws, rng)
        return np.asarray(np.abs(codes[one] - codes[other]).mean(1))

    return _draw(places, count, codes.shape[1], look, rng)


def _draw(
    places: Places, count: int, width: int, look: Callable[[Places, int], NDArray[Any]], rng: np.random.Generator
) -> tuple[NDArray[Any], Places]:
    """Return what is seen in `count` draws, of a factor each that is chosen at random, and which factor it was."""
    fixed = np.sort(rng.integers(places.shape[1], size=count))
    most = max(1, _AT_ONCE // max(len(places), SIZE * width))
    seen = []
    for factor, column in enumerate(places.T):
        draws = int((fixed == factor).sum())
        seen += [look(column, min(most, draws - start)) for start in range(0, draws, most)]
    return np.concatenate(seen), fixed


def _sharing(column: Places, draws: int, rng: np.random.Generator) -> Places:
    """Return `SIZE` different images that share a value, for each draw, `(draws, SIZE)`."""
    values = column[rng.integers(len(column), size=draws)]
    images = np.empty((draws, SIZE), np.int64)
    for value in np.unique(values):
        members, rows = np.flatnonzero(column == value), np.flatnonzero(values == value)
        order = rng.random((len(rows), len(members))).argpartition(SIZE - 1, axis=1)
        images[rows] = members[order[:, :SIZE]]
    return images


def _pairs(column: Places, draws: int, rng: np.random.Generator) -> tuple[Places, Places]:
    """Return `SIZE` pairs of different images that share a value, each pair its own, `(draws, SIZE)` twice."""
    order = np.argsort(column, kind="stable")
    counts = np.bincount(column)
    start = np.cumsum(counts) - counts
    one = rng.integers(len(column), size=(draws, SIZE))
    value = column[order[one]]
    step = rng.integers(1, counts[value])
    other = start[value] + (one - start[value] + step) % counts[value]
    return order[one], order[other]


@final
class FactorVaeScore(FactorMetric):
    """FactorVAE's score: how often the latent that varies least tells which factor was held fixed, in [0, 1].

    64 images share a value of one factor; of the latents, each divided by its standard deviation over all images, the
    one that varies least among these votes for the factor. The score is the accuracy of the majority's vote, from
    10,000 draws, on 5,000 others. Latents whose posterior mean has a variance below 0.05 are left out. The images are
    those at hand, not made for the purpose. `active` is the number of latents that are left.

    References:
        Disentangling by Factorising (Kim & Mnih, 2018), arXiv:1802.05983.
        Challenging Common Assumptions in the Unsupervised Learning of Disentangled Representations (Locatello et al.,
        2019), arXiv:1811.12359.
    """

    def of(self, codes: Values, factors: Factors) -> Measure:
        factors.require(SIZE)
        active = int((codes.var(0, ddof=1) >= VARIANCE).sum())
        warning = "" if active else f"No latent has a posterior mean with a variance of {VARIANCE} or more."
        score = factor_vae_score(codes, factors.places, self.subject.seed)
        return Measure(score, details={"images": len(codes), "active": active}, warning=warning)


@final
class BetaVaeScore(FactorMetric):
    """Beta-VAE's score: how often a linear classifier tells which factor pairs of images share, in [0, 1].

    Of 64 pairs, each of which shares its value of one factor, it sees the mean absolute difference of the codes, latent
    by latent. It learns from 10,000 draws and is tested on 5,000 others. It is easily 1: latents may tell of several
    factors, as long as the differences are of other sizes. The images are those at hand, not made for the purpose.

    References:
        beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework (Higgins et al., 2017),
        https://openreview.net/forum?id=Sy2fzU9gl.
        Challenging Common Assumptions in the Unsupervised Learning of Disentangled Representations (Locatello et al.,
        2019), arXiv:1811.12359.
    """

    def of(self, codes: Values, factors: Factors) -> Measure:
        factors.require(SIZE)
        return Measure(beta_vae_score(codes, factors.places, self.subject.seed), details={"images": len(codes)})
