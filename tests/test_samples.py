"""Metrics of samples: against brute force, other libraries and known values, and readable beside their yardsticks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import scipy.stats
import torch
from conftest import Done
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import zoo
from zoo import Batch, Embeds, ImageSet, Measure, Model, SampleOptions, Split, Step, Subject, ZooError
from zoo.evaluation.measure import ask, measure
from zoo.features.learning import learn
from zoo.registry import load_registry
from zoo_samples import neighbours
from zoo_samples.data_copying import share_nearer
from zoo_samples.kernel_distance import kernel_distance
from zoo_samples.manifold import Manifold, compare
from zoo_samples.neighbours import distances, kth_nearest, nearest

START = Step.of(0, 0, 0)
NAMES = ("frechet", "kernel-distance", "precision", "recall", "density", "coverage", "data-copying")
Here = Callable[..., Done]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def rows(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def brute_force(images: Tensor, samples: Tensor, k: int) -> Manifold:
    """The definitions, one pair at a time."""

    def radii(x: Tensor) -> list[float]:
        return [sorted(float((a - b).norm()) for j, b in enumerate(x) if j != i)[k - 1] for i, a in enumerate(x)]

    r, s = radii(images), radii(samples)
    d = [[float((x - y).norm()) for y in samples] for x in images]
    n, m = range(len(images)), range(len(samples))
    return Manifold(
        precision=sum(any(d[i][j] < r[i] for i in n) for j in m) / len(samples),
        recall=sum(any(d[i][j] < s[j] for j in m) for i in n) / len(images),
        density=sum(d[i][j] < r[i] for i in n for j in m) / (k * len(samples)),
        coverage=sum(any(d[i][j] < r[i] for j in m) for i in n) / len(images),
    )


class TestNeighbours:
    @settings(max_examples=25, deadline=None)
    @given(n=st.integers(1, 30), m=st.integers(1, 30), f=st.integers(1, 5), at_once=st.integers(1, 200))
    def test_some_rows_at_a_time_or_all(self, n: int, m: int, f: int, at_once: int) -> None:
        x, y = rows(n, f), rows(m, f)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(neighbours, "DISTANCES", at_once)
            blocks = list(distances(x, y))
            found = nearest(x, y)
        torch.testing.assert_close(torch.cat([block for _, block in blocks]), torch.cdist(x, y) ** 2)
        assert torch.cat([x[part] for part, _ in blocks]).equal(x)
        torch.testing.assert_close(found, (torch.cdist(x, y) ** 2).amin(1))

    def test_a_row_is_no_neighbour_of_itself(self) -> None:
        line = torch.tensor([[0.0], [1.0], [3.0], [7.0]], dtype=torch.float64)
        assert kth_nearest(line, 1).sqrt().tolist() == [1, 1, 2, 4]
        assert kth_nearest(line, 3).sqrt().tolist() == [7, 6, 4, 7]


class TestManifold:
    @settings(max_examples=20, deadline=None)
    @given(n=st.integers(4, 25), m=st.integers(4, 25), k=st.integers(1, 3), shift=st.floats(0, 3))
    def test_equals_the_definitions(self, n: int, m: int, k: int, shift: float) -> None:
        images, samples = rows(n, 3), rows(m, 3) + shift
        assert compare(images, samples, k) == brute_force(images, samples, k)

    def test_far_away_there_is_nothing(self) -> None:
        assert compare(rows(40, 2), rows(30, 2) + 1000) == Manifold(0, 0, 0, 0)

    def test_of_one_place_is_precise_and_covers_little(self) -> None:
        images = rows(300, 2)
        found = compare(images, images[:1] + 1e-3 * rows(100, 2))
        assert found.precision == 1
        assert found.density > 1
        assert found.recall < 0.05
        assert found.coverage < 0.1

    def test_of_two_draws_of_one_distribution(self) -> None:
        found = compare(rows(1500, 8), rows(1500, 8))
        assert found.density == pytest.approx(1, abs=0.06)
        # 1 - 2^-5: of 2N equally likely ones, the five nearest are all images, and no sample.
        assert found.coverage == pytest.approx(1 - 2**-5, abs=0.015)
        assert found.precision == pytest.approx(found.recall, abs=0.04)

    @pytest.mark.slow
    def test_reference_values_in_1000_dimensions(self) -> None:
        found = compare(rows(10_000, 1000), rows(10_000, 1000))
        assert found.precision == pytest.approx(0.477, abs=0.02)
        assert found.recall == pytest.approx(0.471, abs=0.02)
        assert found.density == pytest.approx(1.056, abs=0.02)
        assert found.coverage == pytest.approx(0.974, abs=0.02)


class TestKernelDistance:
    def test_equals_that_of_torchmetrics(self) -> None:
        from torchmetrics.image.kid import poly_mmd

        for size in (2, 7, 64):
            x, y = rows(50, size), rows(50, size) + 0.3
            assert kernel_distance(x, y) == pytest.approx(float(poly_mmd(x, y)), rel=1e-9)

    def test_of_other_numbers_of_rows_is_a_direct_sum(self) -> None:
        x, y = rows(5, 3), rows(4, 3)

        def k(a: Tensor, b: Tensor) -> float:
            return float((a @ b) / 3 + 1) ** 3

        within = sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / 20
        within += sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / 12
        assert kernel_distance(x, y) == pytest.approx(within - 2 * sum(k(a, b) for a in x for b in y) / 20, rel=1e-12)

    def test_is_unbiased(self) -> None:
        found = torch.tensor([kernel_distance(rows(20, 4), rows(20, 4)) for _ in range(400)])
        assert abs(float(found.mean())) < 3 * float(found.std()) / math.sqrt(len(found))
        assert float(found.min()) < 0


class TestCopies:
    @settings(max_examples=40, deadline=None)
    @given(
        x=st.lists(st.integers(0, 5), min_size=1, max_size=20), y=st.lists(st.integers(0, 5), min_size=1, max_size=20)
    )
    def test_is_the_mann_whitney_statistic(self, x: list[int], y: list[int]) -> None:
        found = share_nearer(torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64))
        assert found == pytest.approx(scipy.stats.mannwhitneyu(y, x).statistic / (len(x) * len(y)), abs=1e-12)


def bars(count: int, noise: float = 0.2) -> tuple[Tensor, Tensor]:
    """Images of a bar of some height at one of two places, which is the label."""
    y = torch.randint(0, 2, (count,))
    x = torch.rand(count, 1, 12, 12) * noise
    height = torch.randint(3, 13, (count,))
    for image, label, h in zip(x, y, height, strict=True):
        image[0, :h, 2 + 7 * int(label)] += 0.7
    return x, 3 + 4 * y


def batches(x: Tensor, y: Tensor) -> list[Batch]:
    parts = torch.split(torch.arange(len(x)), 100)
    return [Batch(x[part], {"label": y[part]}, part) for part in parts]


torch.manual_seed(0)
TRAIN, TEST = bars(1200), bars(300)
DATA = ImageSet("bars", Split(TRAIN[0], {"label": TRAIN[1]}), Split(TEST[0], {"label": TEST[1]}), 1.0, "made here")
CLASSIFIER = learn(DATA)


class Drawer(Model, Embeds):
    """A model that draws by a function, and whose code of an image is its first row."""

    def __init__(self, draw: Callable[[int], Tensor]) -> None:
        super().__init__()
        self.draw = draw

    def sample(self, n: int, options: SampleOptions | None = None) -> Tensor:
        return self.draw(n)

    def embed(self, x: Tensor) -> Tensor:
        return x[:, 0, 0]

    loss = players = prepare = sample  # type: ignore[assignment]


def found(
    draw: Callable[[int], Tensor], *names: str, samples: int = 300, seed: int = 0, **options: Any
) -> dict[str, Measure]:
    registry = load_registry(third_party=False)
    subject = Subject(
        Drawer(draw),
        START,
        lambda: iter(batches(*TEST)),
        lambda: iter(batches(*TRAIN)),
        seed=seed,
        samples=samples,
        classifier=lambda label: CLASSIFIER,
    )
    return measure(subject, ask(registry, dict.fromkeys(names or NAMES, options)))


def value(one: Measure) -> float:
    assert isinstance(one.value, float), one
    return one.value


def fresh(n: int) -> Tensor:
    return bars(n)[0]


class TestMetrics:
    def test_new_images_are_at_the_floor_and_others_are_not(self) -> None:
        new, other = found(fresh), found(lambda n: torch.rand(n, 1, 12, 12))
        assert value(new["frechet"]) < 4 * new["frechet"].details["floor"]
        assert value(other["frechet"]) > 10 * value(new["frechet"])
        assert abs(value(new["kernel-distance"])) < 0.1 * value(other["kernel-distance"])
        for name in ("precision", "recall", "density", "coverage"):
            assert value(new[name]) == pytest.approx(new[name].details["train"], abs=0.15)
            assert value(other[name]) < 0.7 * value(new[name])
        assert 0.3 < value(new["data-copying"]) < 0.7
        assert value(other["data-copying"]) < 0.1

    def test_a_distance_stands_beside_its_yardsticks(self) -> None:
        one = found(fresh, "frechet")["frechet"]
        details = one.details
        assert set(details) == {"floor", "noise", "pca", "samples", "images", "accuracy", "features"}
        assert details["floor"] < details["pca"] < details["noise"]
        assert details["accuracy"] == CLASSIFIER.accuracy > 0.95
        noise = found(lambda n: torch.rand(n, 1, 12, 12), "frechet")["frechet"]
        assert value(noise) == pytest.approx(noise.details["noise"], rel=0.1)

    def test_copies_show(self) -> None:
        copied = found(lambda n: TRAIN[0][torch.randint(len(TRAIN[0]), (n,))], "data-copying")["data-copying"]
        assert value(copied) > 0.99
        assert copied.details["copies"] > 0.99
        assert copied.details["distance"] == pytest.approx(0, abs=1e-5)
        mixed = torch.stack([TRAIN[0][:250], fresh(250)], 1).flatten(0, 1)
        half = found(lambda n: mixed, "data-copying")["data-copying"]
        assert half.details["copies"] == pytest.approx(0.5, abs=0.1)

    def test_half_of_the_classes_is_half_covered(self) -> None:
        def one_class(n: int) -> Tensor:
            x, y = bars(3 * n)
            return x[y == 3][:n]

        scores = found(one_class)
        assert value(scores["precision"]) > 0.8
        assert value(scores["coverage"]) == pytest.approx(0.5, abs=0.1)
        assert value(scores["recall"]) < 0.6

    def test_blocks_of_the_kernel_distance_tell_its_error(self) -> None:
        many = found(fresh, "kernel-distance", block=50)["kernel-distance"]
        assert many.details["blocks"] == 6
        assert many.details["standard_error"] == pytest.approx(many.details["sd"] / math.sqrt(6))
        assert abs(value(many)) < 5 * many.details["standard_error"]
        assert "sd" not in found(fresh, "kernel-distance")["kernel-distance"].details

    def test_is_repeatable_to_the_bit_whatever_else_is_asked_for(self) -> None:
        before = torch.get_rng_state()
        together, again = found(fresh), found(fresh)
        assert together == again
        assert torch.equal(before, torch.get_rng_state())
        for name in ("frechet", "coverage"):
            assert found(fresh, name)[name] == together[name]
        assert found(fresh, "frechet", seed=1)["frechet"].value != together["frechet"].value

    def test_samples_are_drawn_once(self) -> None:
        drawn = []

        def counted(n: int) -> Tensor:
            drawn.append(n)
            return fresh(n)

        found(counted)
        assert drawn == [500]

    def test_too_few_samples_are_an_error_that_says_how_many(self) -> None:
        with pytest.raises(ZooError, match="64 samples are too few: --samples must be at least 65"):
            found(fresh, "frechet", samples=64)
        with pytest.raises(ZooError, match="5 samples are too few: --samples must be at least 6"):
            found(fresh, "coverage", samples=5)

    def test_without_a_number_there_is_a_reason(self) -> None:
        broken = found(lambda n: torch.full((n, 1, 12, 12), torch.nan))
        assert all(one == Measure(None, "the samples of the model are not all finite") for one in broken.values())
        subject = Subject(Drawer(fresh), START, lambda: iter(batches(*TEST)))
        for one in measure(subject, ask(load_registry(third_party=False), {name: {} for name in NAMES})).values():
            assert one.value is None
            assert one.reason.startswith("there is no classifier of the label of these images; Inception v3 needs ")


class TestRuns:
    def test_of_a_run(self, zoo_here: Here, small: str) -> None:
        zoo.train("vae.tiny", data=small, out="runs/a")
        one = zoo.evaluate("runs/a", metrics={name: {} for name in NAMES}, samples=100)
        assert one["reasons"]["frechet"] == "16 test images are too few, it needs 65"
        assert 0 <= one["coverage"] <= 1
        assert one["coverage.samples"] == one["data_copying.samples"] == 100
        assert one == zoo.evaluate("runs/a", metrics={name: {} for name in NAMES}, samples=100)

    def test_too_few_samples_are_a_reason_where_nobody_named_the_metric(
        self, zoo_here: Here, small: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("zoo.figures.gallery.draw_gallery", lambda *_: None)
        zoo_here("train", "vae.tiny", "--data", small, "--out", "runs/a")
        # Fewer than there are, which take minutes.
        monkeypatch.setattr("zoo.catalogue.Catalogue.names", lambda _: ["frechet", "coverage", "data-copying", "psnr"])
        words = ("evaluate", "runs/a", "--samples", "5", "--metrics")
        told = "5 samples are too few: --samples must be at least 6 for this metric"
        for named in ("coverage", "psnr,coverage", "all,coverage"):
            assert zoo_here(*words, named, code=2).lines[-1] == f"zoo: {told}"
        done = zoo_here(*words, "coverage,all", "--coverage.features", "classifier", code=2)
        assert done.lines[-1] == f"zoo: {told}", "an option names its metric"
        done = zoo_here(*words, "all")
        assert f"coverage: none, because {told}" in done.lines
        assert "coverage\t–" in done.out
        assert "data_copying.samples\t5" in done.out
        scores = zoo.load("runs/a").scores
        assert scores["coverage"] is None
        assert scores["reasons"]["coverage"] == told
