"""The metrics of representation as they are asked for: of a subject, by name, and honest where there is no number."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
import torch
from conftest import Done
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from torch import Tensor

import zoo
from zoo import Batch, Measure, Step, Subject, Terms
from zoo.evaluation.measure import ask, measure
from zoo.registry import load_registry
from zoo_representation.codes import Embedded

START = Step.of(0, 0, 0)
SCORES = ["mig", "modularity", "sap", "dci-disentanglement", "dci-completeness", "dci-informativeness"]
FIXED = ["factor-vae-score", "beta-vae-score"]
Here = Callable[..., Done]
Noisy = tuple[Subject, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Stub(zoo.Model, zoo.Embeds):
    """A model whose code is the image, as often as it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.embedded = 0

    def embed(self, x: Tensor) -> Tensor:
        assert not self.training
        self.embedded += len(x)
        return x

    def loss(self, batch: Batch, step: Step) -> Terms:
        raise NotImplementedError

    def sample(self, n: int, options: zoo.SampleOptions | None = None) -> Tensor:
        raise NotImplementedError

    def players(self) -> dict[str, zoo.Player]:
        return {}

    def prepare(self, batch: Batch) -> None:
        return None


def made(count: int, seed: int, sizes: tuple[int, ...] = (3, 4, 5)) -> tuple[Tensor, dict[str, Tensor]]:
    """Codes that are factors, and these: one of classes, the others numbers."""
    draw = torch.Generator().manual_seed(seed)
    places = torch.stack([torch.randint(size, (count,), generator=draw) for size in sizes], 1)
    factors: dict[str, Tensor] = {f"factor{k}": places[:, k].float() / 2 for k in range(1, len(sizes))}
    return places.float().view(count, len(sizes), 1, 1), {"kind": places[:, 0], **factors}


def blocks(x: Tensor, y: Mapping[str, Tensor], size: int = 500) -> Callable[[], Iterator[Batch]]:
    def each() -> Iterator[Batch]:
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            yield Batch(x[part], {name: value[part] for name, value in y.items()}, torch.arange(len(x))[part])

    return each


def subject_of(train: int = 600, test: int = 600, model: Stub | None = None) -> Subject:
    return Subject(model or Stub(), START, blocks(*made(test, 1)), blocks(*made(train, 0)))


def found(subject: Subject, names: list[str], **options: Mapping[str, object]) -> dict[str, Measure]:
    registry = load_registry(third_party=False)
    return measure(subject, ask(registry, {name: options.get(name.replace("-", "_"), {}) for name in names}))


class TestFactors:
    def test_a_perfect_code(self) -> None:
        model = Stub()
        scores = found(subject_of(1000, 1000, model), [*SCORES, *FIXED])
        values = {name: one.value for name, one in scores.items()}
        sap = values.pop("sap")
        assert sap == pytest.approx((1 - 1 / 3 + 1 + 1) / 3, abs=0.02), "by chance a class is right in one of three"
        assert min(values.values()) > 0.98, values
        assert model.embedded == 2000, "each image once, whatever many metrics want"
        assert scores["mig"].details.keys() == {"images", "kind", "factor1", "factor2"}
        assert scores["dci-informativeness"].details["factor2"] == 1

    def test_images_and_bins_are_options(self) -> None:
        subject = subject_of()
        few = found(subject, ["mig"], mig={"images": 200, "bins": 2})["mig"]
        assert few.details["images"] == 200
        assert few.value < 0.7
        assert found(subject, ["mig"])["mig"].details["images"] == 600
        trees = found(subject_of(150, 150), ["dci-informativeness"], dci_informativeness={"trees": "boosted"})
        assert trees["dci-informativeness"].value == 1

    def test_batches_and_seeds_change_nothing_that_they_should_not(self) -> None:
        x, y = made(900, 1)
        x = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
        names = [*SCORES, *FIXED, "linear-probe", "neighbours"]
        rows = [found(Subject(Stub(), START, blocks(x, y, size), blocks(x, y, size)), names) for size in (500, 130)]
        assert rows[0] == rows[1]

    def test_without_factors_there_is_no_number(self) -> None:
        x, y = made(100, 0)
        for labels, known in (({}, "none"), ({"kind": y["kind"]}, "kind alone")):
            subject = Subject(Stub(), START, blocks(x, labels), blocks(x, labels))
            for one in found(subject, [*SCORES, *FIXED]).values():
                assert one.value is None
                assert (
                    one.reason
                    == f"it takes images of which two factors of variation are known, and of these {known} is"
                )

    def test_identities_and_what_does_not_vary_are_no_factors(self) -> None:
        x, y = made(300, 0)
        labels = {**y, "identity": torch.arange(300), "same": torch.zeros(300), "pair": torch.zeros(300, 2)}
        subject = Subject(Stub(), START, blocks(x, labels), blocks(x, labels))
        assert found(subject, ["mig"])["mig"].details.keys() == {"images", "kind", "factor1", "factor2"}

    def test_numbers_without_a_grid_are_put_into_bins(self) -> None:
        draw = torch.Generator().manual_seed(0)
        x = torch.rand(20_000, 2, 1, 1, generator=draw)
        subject = Subject(Stub(), START, blocks(x, {"one": x[:, 0, 0, 0], "other": x[:, 1, 0, 0]}))
        assert found(subject, ["mig"], mig={"images": 20_000})["mig"].value == pytest.approx(1, abs=0.02)

    def test_too_few_images_say_how_many_would_do(self) -> None:
        for one in found(subject_of(test=200), FIXED).values():
            assert one.value is None
            assert "it compares 64 images that share a value, and of 200 images" in one.reason
            assert "images would do" in one.reason

    def test_codes_that_are_not_finite_are_no_codes(self) -> None:
        x, y = made(100, 0)
        subject = Subject(Stub(), START, blocks(x / 0, y), blocks(x, y))
        for one in found(subject, [*SCORES, *FIXED, "linear-probe", "neighbours"]).values():
            assert (one.value, one.reason) == (None, "the codes of the test images are not all finite")

    def test_latents_that_do_not_vary_score_nothing_and_say_so(self) -> None:
        x, y = made(600, 1)
        subject = Subject(Stub(), START, blocks(0 * x, y), blocks(0 * x, y))
        scores = found(subject, [*SCORES, *FIXED])
        nothing = [name for name in (*SCORES, "factor-vae-score") if name != "dci-informativeness"]
        assert [scores[name].value for name in nothing] == [0] * len(nothing)
        assert scores["factor-vae-score"].warning == "No latent has a posterior mean with a variance of 0.05 or more."


class TestProbes:
    @pytest.fixture
    def noisy(self) -> Noisy:
        draw = torch.Generator().manual_seed(0)
        scale = torch.tensor([1.0, 5, 0.1]).view(3, 1, 1)
        (x, y), (held_x, held_y) = made(700, 0), made(500, 1)
        x, held_x = (part * scale + 0.7 * torch.randn(part.shape, generator=draw) for part in (x, held_x))
        subject = Subject(Stub(), START, blocks(held_x, held_y), blocks(x, y))
        codes, held = (part.double().flatten(1).numpy() for part in (x, held_x))
        return subject, codes, held, y["kind"].numpy(), held_y["kind"].numpy()

    def test_the_linear_probe_is_logistic_regression(self, noisy: Noisy) -> None:
        subject, x, held_x, y, truth = noisy
        scaler = StandardScaler().fit(x[:400])
        theirs = LogisticRegression(max_iter=1000).fit(scaler.transform(x[:400]), y[:400])
        right = theirs.predict(scaler.transform(held_x)) == truth
        one = found(subject, ["linear-probe"], linear_probe={"images": 400})["linear-probe"]
        assert one.value == pytest.approx(right.mean())
        assert one.per_image.numpy().tolist() == right.tolist()
        commonest = np.bincount(y[:400]).argmax()
        assert one.details == {"images": 400, "tested": 500, "chance": pytest.approx(np.mean(truth == commonest))}
        assert not one.warning

    def test_neighbours_vote(self, noisy: Noisy) -> None:
        subject, x, held_x, y, truth = noisy
        right = KNeighborsClassifier(3).fit(x, y).predict(held_x) == truth
        one = found(subject, ["neighbours"], neighbours={"k": 3})["neighbours"]
        assert one.per_image.mean() == pytest.approx(one.value)
        assert one.value == pytest.approx(right.mean(), abs=0.003)

    def test_the_scale_of_a_latent_is_nothing_to_the_probe(self, noisy: Noisy) -> None:
        subject, x, held_x, y, truth = noisy
        scaled = [torch.from_numpy(part).float()[:, :, None, None] * 1e-3 for part in (held_x, x)]
        labels = [{"kind": torch.from_numpy(part)} for part in (truth, y)]
        small = Subject(Stub(), START, blocks(scaled[0], labels[0]), blocks(scaled[1], labels[1]))
        one, other = (found(each, ["linear-probe"])["linear-probe"].value for each in (subject, small))
        assert one == pytest.approx(other, abs=0.005)

    def test_another_label_can_be_asked_for(self) -> None:
        x, y = made(300, 0)
        labels = {**y, "other": (x[:, 1, 0, 0] > 1).long()}
        subject = Subject(Stub(), START, blocks(x, labels), blocks(x, labels))
        assert found(subject, ["linear-probe"], linear_probe={"label": "other"})["linear-probe"].value == 1
        none = found(subject, ["neighbours"], neighbours={"label": "factor1"})["neighbours"]
        assert none.reason == "the images have no classes called 'factor1', which could be learnt"

    @pytest.mark.parametrize(
        ("train", "test", "reason"),
        [
            ({}, {}, "the images have no label of classes, which could be learnt"),
            ({"kind": torch.zeros(20).long()}, {"kind": torch.zeros(20).long()}, "all of the 20 training images have"),
            ({"kind": torch.arange(20)}, {"kind": torch.arange(20) + 50}, "no kind of a test image is that of one of"),
        ],
    )
    def test_without_classes_there_is_no_number(
        self, train: dict[str, Tensor], test: dict[str, Tensor], reason: str
    ) -> None:
        x = torch.rand(20, 2, 1, 1)
        subject = Subject(Stub(), START, blocks(x, test), blocks(x, train))
        for one in found(subject, ["linear-probe", "neighbours"]).values():
            assert one.value is None
            assert reason in one.reason

    def test_too_few_images_and_none(self) -> None:
        none = found(subject_of(5, 10), ["neighbours"])["neighbours"]
        assert none.reason == "5 training images have no 10 neighbours; it needs 10"
        subject = Subject(Stub(), START, blocks(*made(10, 0)))
        assert found(subject, ["linear-probe"])["linear-probe"].reason == "there are no training images"


def test_codes_are_embedded_as_far_as_anyone_asks() -> None:
    model = Stub().eval()
    codes = subject_of(model=model).once(Embedded)
    assert [len(codes.test(count)) for count in (50, 30, 100, 9999, 700)] == [50, 30, 100, 600, 600]
    assert model.embedded == 50 + 100 + 600


class TestCommand:
    def test_probes_of_a_run(self, zoo_here: Here, small: str) -> None:
        zoo_here("train", "vae.tiny", "--data", small, "--out", "runs/a")
        words = ("evaluate", "runs/a", "--metrics", "linear-probe,neighbours,mig", "--neighbours.k", "3", "--json")
        rows = [json.loads(zoo_here(*words).out)["scores"] for _ in range(2)]
        assert rows[0] == rows[1]
        assert 0 <= rows[0]["linear_probe"] <= 1
        assert rows[0]["neighbours.images"] == 64
        assert rows[0]["mig"] is None
        assert "label alone" in rows[0]["reasons"]["mig"]

    def test_what_a_metric_is_can_be_read(self, zoo_here: Here) -> None:
        for name in [*SCORES, *FIXED, "linear-probe", "neighbours"]:
            entry = load_registry(third_party=False).metric(name)
            assert (entry.item.group, entry.item.needs, entry.item.better) == ("representation", "Embeds", "higher")
            assert all((entry.item.summary, entry.item.estimator, entry.item.equation, entry.item.paper))
