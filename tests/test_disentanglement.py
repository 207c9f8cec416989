"""Scores of codes against factors: closed forms, symmetries, chance, and what other code makes of the same numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import entropy
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import mutual_info_score

from zoo.data import glyphs, sprites
from zoo_representation import fixed
from zoo_representation.dci import completeness, disentanglement, predict
from zoo_representation.fixed import SIZE, _pairs, _sharing, beta_vae_score, factor_vae_score
from zoo_representation.information import mig, modularity, mutual_information
from zoo_representation.sap import sap

Array = NDArray[np.float64]
Places = NDArray[np.int64]
Embed = Callable[[Places], Array]
ByChance = tuple[str, list[int], dict[str, float]]


def drawn(*sizes: int, count: int = 4000, seed: int = 0) -> Places:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, size, count) for size in sizes], 1)


def grid(*sizes: int, times: int = 1) -> Places:
    """Every combination of values, equally often, so that nothing is left to chance."""
    return np.tile(np.array(list(itertools.product(*map(range, sizes)))), (times, 1))


def standard(places: Places) -> Array:
    return (places - places.mean(0)) / places.std(0)


def turned(places: Places, seed: int = 1) -> Array:
    """A code that tells everything, by latents that all tell of everything."""
    k = places.shape[1]
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(k, k)))
    return standard(places) @ rotation


def all_scores(codes: Array, places: Places, bins: int) -> dict[str, float]:
    # Few images, as it is the forests that take time.
    found = predict(codes[:1500], places[:1500], codes[-1000:], places[-1000:])
    return {
        "mig": mig(codes, places, bins),
        "modularity": modularity(codes, places, bins),
        "sap": sap(codes, places.astype(float), [False] * places.shape[1]),
        "disentanglement": disentanglement(found.importance),
        "completeness": completeness(found.importance),
        "informativeness": float(found.accuracy.mean()),
        "factor-vae": factor_vae_score(codes, places),
        "beta-vae": beta_vae_score(codes, places),
    }


@pytest.fixture(scope="class")
def few_draws() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixed, "LEARNT", 3000)
        patch.setattr(fixed, "HELD", 1500)
        yield


@pytest.mark.usefixtures("few_draws")
class TestPerfect:
    @settings(max_examples=3, deadline=None)
    @given(values=st.integers(2, 9), factors=st.integers(2, 4), seed=st.integers(0, 99))
    def test_a_perfect_code_is_near_one(self, values: int, factors: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        places = drawn(*[values] * factors, seed=seed)
        scale = rng.uniform(0.5, 3, factors) * rng.choice([-1, 1], factors)
        codes = (standard(places) * scale)[:, rng.permutation(factors)]
        found = all_scores(codes, places, values)
        assert min(found.values()) > 0.99, found

    @pytest.mark.parametrize("factors", [glyphs.FACTORS, sprites.FACTORS])
    def test_so_is_that_of_the_factors_of_a_data_set(self, factors: tuple[glyphs.Factor, ...]) -> None:
        sizes = [factor.count for factor in factors]
        places = drawn(*sizes, count=20_000)
        found = all_scores(standard(places), places, max(sizes))
        # What the second-best latent seems to tell is chance, of which finer bins have more.
        assert found.pop("mig") > 0.985
        assert min(found.values()) > 0.99, found

    def test_too_few_bins_cost_it_what_they_blur(self) -> None:
        places = grid(8, 8, times=20)
        assert mig(standard(places), places, bins=8) == pytest.approx(1)
        assert mig(standard(places), places, bins=4) == pytest.approx(np.log(4) / np.log(8))

    def test_units_that_tell_nothing_do_not_matter_to_it(self) -> None:
        places = drawn(5, 5, 5)
        noise = np.random.default_rng(1).normal(size=(len(places), 4))
        found = all_scores(np.hstack([standard(places), noise, np.zeros((len(places), 1))]), places, 5)
        assert found.pop("modularity") < 0.9, "latents without any factor have none of their own"
        assert min(found.values()) > 0.98, found

    def test_classes_are_told_by_chance_by_every_other_latent(self) -> None:
        places = grid(4, 4, 4, times=10)
        assert sap(standard(places), places.astype(float), [True] * 3) == pytest.approx(1 - 1 / 4, abs=0.001)


@pytest.mark.usefixtures("few_draws")
class TestRotated:
    def test_latents_that_share_two_factors_tell_of_both_alike(self) -> None:
        # By 45 degrees: swapping the factors swaps the sign of one latent, so no score can tell them apart.
        places = grid(8, 8, times=60)
        rng = np.random.default_rng(0)
        places = places[rng.permutation(len(places))]
        codes = standard(places) @ np.array([[1, 1], [1, -1]]) / np.sqrt(2)
        found = all_scores(codes, places, 15)
        for name in ("mig", "sap", "modularity", "disentanglement", "completeness"):
            assert found[name] < 0.02, (name, found)
        for name in ("factor-vae", "beta-vae"):
            assert found[name] == pytest.approx(0.5, abs=0.03), (name, found)
        assert found["informativeness"] > 0.98, "nothing is lost"

    def test_a_code_that_mixes_everything_falls(self) -> None:
        places = drawn(6, 6, 6, 6, 6)
        straight, mixed = (all_scores(codes, places, 20) for codes in (standard(places), turned(places)))
        assert all(mixed[name] < straight[name] for name in mixed)
        assert all(mixed[name] < 0.35 for name in ("mig", "sap", "disentanglement", "completeness"))
        assert mixed["beta-vae"] > 0.8, "which its critics hold against it"


@pytest.fixture(scope="module", params=["glyphs", "sprites"])
def by_chance(request: pytest.FixtureRequest) -> ByChance:
    """The scores of ten latents of noise, with the data set and how many values its factors have."""
    sizes = [factor.count for factor in {"glyphs": glyphs, "sprites": sprites}[request.param].FACTORS]
    places = drawn(*sizes, count=5000)
    codes = np.random.default_rng(1).normal(size=(5000, 10))
    return request.param, sizes, all_scores(codes, places, 20)


class TestChance:
    """What docs/metrics.md says of codes that have nothing to do with the images."""

    def test_gaps_are_near_nothing(self, by_chance: ByChance) -> None:
        assert all(by_chance[2][name] < 0.01 for name in ("mig", "sap"))
        assert all(by_chance[2][name] < 0.05 for name in ("disentanglement", "completeness"))

    def test_guesses_are_right_by_chance(self, by_chance: ByChance) -> None:
        _, sizes, scores = by_chance
        assert scores["informativeness"] == pytest.approx(np.mean([1 / size for size in sizes]), abs=0.02)
        assert scores["factor-vae"] == pytest.approx(1 / len(sizes), abs=0.03)
        assert scores["beta-vae"] == pytest.approx(1 / len(sizes), abs=0.03)

    def test_modularity_is_far_from_nothing(self, by_chance: ByChance) -> None:
        data, sizes, scores = by_chance
        # Chance information grows with the number of values less one.
        shares = (np.array(sizes) - 1.0) / (max(sizes) - 1)
        assert scores["modularity"] == pytest.approx(1 - (np.sum(shares**2) - 1) / (len(sizes) - 1), abs=0.12)
        assert scores["modularity"] == pytest.approx({"glyphs": 0.63, "sprites": 0.67}[data], abs=0.03)


@pytest.fixture(scope="module")
def mixed() -> tuple[Array, Places]:
    """A code of six latents of which two are straight, two mixed, and two noisy, one of them curved."""
    places = drawn(3, 4, 6, 8)
    z, rng = standard(places), np.random.default_rng(2)
    noise = rng.normal(size=(len(z), 2))
    curved = np.sin(2 * z[:, 3]) + 0.3 * noise[:, 0]
    return np.stack([z[:, 0], 2 * z[:, 1], z[:, 2] + z[:, 3], z[:, 2] - z[:, 3], curved, noise[:, 1]], 1), places


class TestOtherCode:
    def test_information(self, mixed: tuple[Array, Places]) -> None:
        codes, places = mixed
        binned = [np.digitize(unit, np.histogram(unit, 20)[1][:-1]) for unit in codes.T]
        expected = np.array([[mutual_info_score(one, factor) for factor in places.T] for one in binned])
        assert np.abs(mutual_information(codes, places, 20) - expected).max() < 1e-9
        order = np.sort(expected, 0)
        gaps = [(order[-1, k] - order[-2, k]) / entropy(np.bincount(places[:, k])) for k in range(4)]
        assert mig(codes, places) == pytest.approx(np.mean(gaps))
        theirs = [1 - np.sum(np.sort(row)[:-1] ** 2) / (max(row) ** 2 * 3) for row in expected]
        assert modularity(codes, places) == pytest.approx(np.mean(theirs))

    def test_sap_of_numbers(self, mixed: tuple[Array, Places]) -> None:
        codes, places = mixed
        scores = [
            [LinearRegression().fit(unit[:, None], factor).score(unit[:, None], factor) for unit in codes.T]
            for factor in places.T
        ]
        best = np.sort(scores, 1)
        assert sap(codes, places.astype(float), [False] * 4) == pytest.approx(np.mean(best[:, -1] - best[:, -2]))

    def test_sap_of_two_classes(self) -> None:
        places = drawn(2, 2, count=150)
        rng = np.random.default_rng(0)
        codes = np.hstack([places + rng.normal(size=places.shape), rng.normal(size=(150, 1))])
        scores = [[self._best_threshold(unit, factor) for unit in codes.T] for factor in places.T]
        best = np.sort(scores, 1)
        assert sap(codes, places.astype(float), [True] * 2) == pytest.approx(
            np.mean(best[:, -1] - best[:, -2]), abs=0.02
        )

    @staticmethod
    def _best_threshold(unit: Array, factor: Places) -> float:
        above = [((unit > edge)[factor == 1].mean() + (unit <= edge)[factor == 0].mean()) / 2 for edge in unit]
        return float(max(max(above), 1 - min(above)))

    @settings(max_examples=30, deadline=None)
    @given(st.integers(1, 6), st.integers(2, 6), st.integers(0, 99))
    def test_dci_of_importances(self, latents: int, factors: int, seed: int) -> None:
        importance = np.random.default_rng(seed).dirichlet(np.ones(latents) / 3, factors).T
        rows, columns = importance.sum(1), importance.sum(0)
        expected = np.sum(rows * (1 - entropy(importance.T + 1e-11, base=factors))) / rows.sum()
        assert disentanglement(importance) == pytest.approx(expected, abs=1e-6)
        if latents > 1:
            expected = np.sum(columns * (1 - entropy(importance + 1e-11, base=latents))) / columns.sum()
            assert completeness(importance) == pytest.approx(expected, abs=1e-6)

    def test_dci_of_boosted_trees(self, mixed: tuple[Array, Places]) -> None:
        from sklearn.ensemble import GradientBoostingClassifier

        codes, places = mixed[0][:300], mixed[1][:300, :2]
        found = predict(codes[:200], places[:200], codes[200:], places[200:], "boosted")
        for k in range(2):
            theirs = GradientBoostingClassifier(random_state=0).fit(codes[:200], places[:200, k])
            assert np.allclose(found.importance[:, k], theirs.feature_importances_)
            assert found.accuracy[k] == np.mean(theirs.predict(codes[200:]) == places[200:, k])

    def test_forests_and_boosted_trees_see_the_same_structure(self, mixed: tuple[Array, Places]) -> None:
        codes, places = mixed[0][:1200], mixed[1][:1200, :2]
        parts = codes[:800], places[:800], codes[800:], places[800:]
        forest, boosted = predict(*parts), predict(*parts, "boosted")
        assert np.abs(forest.importance - boosted.importance).max() < 0.1
        assert np.abs(forest.accuracy - boosted.accuracy).max() < 0.05

    def test_factor_vae_score(self) -> None:
        places = drawn(3, 4, 6, 8, count=20_000)
        expected = self._majority(np.random.default_rng(5), (3, 4, 6, 8), self._codes)
        assert factor_vae_score(self._codes(places), places) == pytest.approx(expected, abs=0.02)

    def test_beta_vae_score(self) -> None:
        def few(places: Places) -> Array:
            return self._codes(places)[:, :2]

        places = drawn(3, 4, 6, 8, count=20_000)
        expected = self._linear(np.random.default_rng(5), (3, 4, 6, 8), few)
        assert beta_vae_score(few(places), places) == pytest.approx(expected, abs=0.02)

    @staticmethod
    def _codes(places: Places) -> Array:
        """A code of three of the factors, two of which are mixed without being alike."""
        v = (places - (np.array([3, 4, 6, 8]) - 1) / 2) / np.sqrt((np.array([3, 4, 6, 8]) ** 2 - 1) / 12)
        return np.stack([v[:, 0], 0.8 * v[:, 1] + 0.6 * v[:, 2], 0.8 * v[:, 2] - 0.6 * v[:, 1], v[:, 2] ** 2], 1)

    @staticmethod
    def _majority(rng: np.random.Generator, sizes: tuple[int, ...], embed: Embed) -> float:
        """FactorVAE's score as its paper tells it, of images that are made for each draw."""

        def make(count: int) -> Places:
            return np.stack([rng.integers(0, size, count) for size in sizes], 1)

        spread = embed(make(20_000)).std(0, ddof=1)
        votes = np.zeros((2, len(spread), len(sizes)))
        for draw in range(4000):
            factor, places = rng.integers(len(sizes)), make(SIZE)
            places[:, factor] = places[0, factor]
            votes[draw % 2, (embed(places) / spread).var(0, ddof=1).argmin(), factor] += 1
        told = votes[0].argmax(1)
        return float(sum(votes[1, unit, told[unit]] for unit in range(len(spread))) / votes[1].sum())

    @staticmethod
    def _linear(rng: np.random.Generator, sizes: tuple[int, ...], embed: Embed) -> float:
        """Beta-VAE's score as its paper tells it."""
        x, y = [], []
        for _ in range(4000):
            factor = rng.integers(len(sizes))
            one, other = (np.stack([rng.integers(0, size, SIZE) for size in sizes], 1) for _ in range(2))
            other[:, factor] = one[:, factor]
            x.append(np.abs(embed(one) - embed(other)).mean(0))
            y.append(factor)
        fitted = LogisticRegression(C=1e3, max_iter=5000).fit(x[:2000], y[:2000])
        return float(fitted.score(x[2000:], y[2000:]))


class TestDraws:
    @settings(max_examples=20, deadline=None)
    @given(st.integers(1, 5), st.integers(0, 99))
    def test_images_share_a_value_and_differ(self, values: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        column = rng.permutation(np.repeat(np.arange(values), rng.integers(SIZE, 2 * SIZE, values)))
        images = _sharing(column, 7, rng)
        assert images.shape == (7, SIZE)
        assert all(len(set(row)) == SIZE and len(set(column[row])) == 1 for row in images.tolist())
        one, other = _pairs(column, 7, rng)
        assert one.shape == other.shape == (7, SIZE)
        assert (column[one] == column[other]).all()
        assert (one != other).all()

    def test_seeds_repeat(self) -> None:
        places = drawn(4, 4, count=1000)
        codes = turned(places)
        assert factor_vae_score(codes, places, 3) == factor_vae_score(codes, places, 3)
        assert beta_vae_score(codes, places, 3) == beta_vae_score(codes, places, 3)

    def test_latents_that_hardly_vary_have_no_vote(self) -> None:
        places = drawn(4, 4, count=1000)
        small = standard(places) * 0.2
        assert factor_vae_score(small, places) == 0
        assert factor_vae_score(np.hstack([small, standard(places)]), places) == 1
