"""Inception v3: the Fréchet distance of papers to rounding, and weights that are whole, or asked for in one line."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Done
from torch import Tensor, nn

import zoo
from zoo import Batch, Measure, SampleOptions, Step, Subject, Unjudged, ZooError
from zoo.evaluation.measure import ask, measure
from zoo.features import inception
from zoo.features.inception import Inception, load_inception, weights_path
from zoo.registry import load_registry
from zoo_samples.frechet import Moments, frechet_distance

Here = Callable[..., Done]
NAMES = ("frechet", "kernel-distance", "precision", "recall", "density", "coverage", "data-copying")
needs_net = pytest.mark.skipif(
    importlib.util.find_spec("torch_fidelity") is None, reason="torch-fidelity, which has the net, is not installed"
)


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine without weights, and torch's generator as it was."""
    for name in ("ZOO_DATA", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield tmp_path


def named(monkeypatch: pytest.MonkeyPatch, folder: Path, content: bytes) -> Path:
    """Write a file of weights under the name that its bytes give it, and take it for the published one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"pt_inception-2015-12-05-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    path.write_bytes(content)
    monkeypatch.setattr(inception, "FILES", (path.name,))
    return path


@pytest.fixture(scope="module")
def drawn_weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Weights of the net as a file, drawn at random, so that features differ from image to image."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = tmp_path_factory.mktemp("weights") / "drawn.pth"
    with torch.random.fork_rng(), pytest.MonkeyPatch.context() as patch:
        torch.manual_seed(0)
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        torch.save({}, path)
        net = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path))
        for one in net.modules():
            if isinstance(one, nn.Conv2d):
                nn.init.kaiming_normal_(one.weight)
    torch.save(net.state_dict(), path)
    return path.read_bytes()


class TestWeights:
    """Where they are looked for, and what is no file of weights."""

    @needs_net
    def test_missing_ones_say_where_to_get_them_and_where_to_put_them(
        self, bare: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = r"which are not on this machine: download https://\S+6726825d\.pth into "
        with pytest.raises(ZooError, match=told + str(bare / "cache/generative-zoo/features")):
            load_inception()
        monkeypatch.setenv("ZOO_DATA", str(bare / "data"))
        with pytest.raises(ZooError, match=told + str(bare / "data/features")):
            load_inception()

    def test_without_the_net_the_message_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ZooError, match=r'not installed; run: pip install "generative-zoo\[inception\]"'):
            load_inception()

    def test_places_in_their_order(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ZOO_DATA", str(bare / "data"))
        monkeypatch.setenv("TORCH_HOME", str(bare / "torch"))
        places = [bare / "torch/hub/checkpoints", bare / "cache/generative-zoo/features", bare / "data/features"]
        assert weights_path() is None
        for folder in places:
            for name in reversed(inception.FILES):
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(b"")
                assert weights_path() == folder / name

    @needs_net
    def test_a_damaged_file_is_named_and_not_read(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = named(monkeypatch, bare / "cache/generative-zoo/features", b"weights")
        path.write_bytes(b"weightz")
        monkeypatch.setattr(torch, "load", None)
        with pytest.raises(ZooError, match=rf"{path} is damaged: its SHA-256 does not begin with \w{{8}}; download it"):
            load_inception()

    @needs_net
    def test_what_would_run_code_is_refused(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Attack:
            def __reduce__(self) -> Any:
                return Path.touch, (bare / "attacked",)

        torch.save({"weight": Attack()}, bare / "attack")
        path = named(monkeypatch, bare / "cache/generative-zoo/features", (bare / "attack").read_bytes())
        with pytest.raises(ZooError, match=rf"{path} holds no weights of Inception v3: UnpicklingError"):
            load_inception()
        assert not (bare / "attacked").exists()

    @needs_net
    def test_weights_of_another_net_are_refused(self, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        torch.save({"weight": torch.zeros(3)}, bare / "other")
        path = named(monkeypatch, bare / "cache/generative-zoo/features", (bare / "other").read_bytes())
        with pytest.raises(ZooError, match=rf"{path} holds no weights of Inception v3: RuntimeError: Error\(s\)"):
            load_inception()


@needs_net
class TestNet:
    """Against torchmetrics, with weights drawn at random."""

    @pytest.fixture
    def weights(self, bare: Path, drawn_weights: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
        return named(monkeypatch, bare / "cache/generative-zoo/features", drawn_weights)

    def test_features_and_distance_are_those_of_torchmetrics(self, weights: Path) -> None:
        from torchmetrics.image.fid import NoTrainInceptionV3, _compute_fid

        bytes_of = torch.randint(0, 256, (6, 1, 9, 12), dtype=torch.uint8)
        found = load_inception().features(bytes_of / 255)
        theirs = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights), antialias=False)
        with torch.no_grad():
            wanted = theirs(bytes_of.expand(-1, 3, -1, -1))
        assert found.shape == (6, Inception.size)
        assert float(found.std(0).mean()) > 1e-3, "features tell images apart"
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
        one, other = (Moments.of(part) for part in wanted[:, :50].split(3))
        distance = _compute_fid(one.mean, one.covariance, other.mean, other.covariance)
        assert frechet_distance(one, other) == pytest.approx(float(distance), rel=1e-4)

    @pytest.mark.slow
    def test_the_whole_distance_is_that_of_torchmetrics(self, weights: Path) -> None:
        from torchmetrics.image.fid import FrechetInceptionDistance

        x = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8)
        theirs = FrechetInceptionDistance(feature_extractor_weights_path=str(weights), antialias=False)
        for real, part in zip((True, False), x.split(20), strict=True):
            theirs.update(part, real=real)
        ours = load_inception()
        one, other = (Moments.of(ours.features(part / 255)) for part in x.split(20))
        assert frechet_distance(one, other) == pytest.approx(float(theirs.compute()), rel=1e-3)


class Means(nn.Module):
    """A net that is quickly done: the means of the quarters of an image of bytes, and their squares."""

    def forward(self, x: Tensor) -> tuple[Tensor]:
        assert x.dtype == torch.uint8
        assert x.shape[1] == 3
        quarters = nn.functional.adaptive_avg_pool2d(x[:, :1].float(), 2).flatten(1) / 255
        return (torch.cat([quarters, quarters.square()], 1),)


class Drawer(zoo.Model, zoo.Embeds):
    """A model that draws pixels, and whose code of an image is its first row."""

    def sample(self, n: int, options: SampleOptions | None = None) -> Tensor:
        return torch.rand(n, *self.shape)

    def embed(self, x: Tensor) -> Tensor:
        return x[:, 0, 0]

    shape = (1, 6, 6)
    loss = players = prepare = sample  # type: ignore[assignment]  # nothing is trained


def found(samples: int = 40, features: str = "auto", **more: Any) -> dict[str, Measure]:
    """What each metric of samples finds, of images without labels."""

    def batches(seed: int) -> Iterator[Batch]:
        x = torch.rand(120, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
        return (Batch(part, {}, torch.arange(len(part))) for part in x.split(50))

    subject = Subject(Drawer(), Step.of(0, 0, 0), lambda: batches(0), lambda: batches(1), samples=samples, **more)
    return measure(subject, ask(load_registry(third_party=False), {name: {"features": features} for name in NAMES}))


class TestMetrics:
    @pytest.fixture(autouse=True)
    def eight(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A feature of eight values, so that few images are enough."""
        monkeypatch.setattr(Inception, "size", 8)

    @pytest.mark.parametrize("features", ["auto", "inception"])
    def test_without_labels_they_are_computed_in_its_features(self, features: str) -> None:
        loaded = []

        def load() -> Inception:
            loaded.append(1)
            return Inception(Means())

        scores = found(features=features, inception=load)
        assert len(loaded) == 1
        assert all(isinstance(one.value, float) for one in scores.values())
        assert {one.details["features"] for one in scores.values()} == {"inception"}
        assert set(scores["frechet"].details) == {"floor", "noise", "pca", "samples", "images", "features"}

    def test_pixels_are_rounded_to_bytes_and_grey_is_thrice_the_same(self) -> None:
        x = torch.tensor([[-1.0, 0.0], [0.5, 2.0]]).view(1, 1, 2, 2)
        quarters = Inception(Means()).features(x)[0, :4]
        assert (quarters * 255).tolist() == pytest.approx([0, 0, 128, 255])

    def test_too_few_samples_are_told_before_anything_is_seen(self) -> None:
        def load() -> Inception:
            return Inception(nn.Identity())

        with pytest.raises(ZooError, match="8 samples are too few: --samples must be at least 9"):
            found(samples=8, features="inception", inception=load)

    def test_images_of_two_channels_have_no_score(self) -> None:
        with pytest.raises(Unjudged, match="looks at grey and RGB images, and these have 2 channels"):
            Inception(Means()).features(torch.rand(3, 2, 6, 6))

    def test_without_labels_and_weights_both_are_in_the_reason(self) -> None:
        for one in found().values():
            assert one.value is None
            assert one.reason.startswith("there is no classifier of the label of these images; Inception v3 needs ")
        for one in found(features="classifier").values():
            assert one.reason == "there is no classifier of the label of these images"
        with pytest.raises(ZooError, match="Inception v3 needs "):
            found(features="inception")


def test_on_the_command_line(zoo_here: Here, small: str) -> None:
    zoo_here("train", "vae.tiny", "--data", small, "--out", "runs/a")
    words = ("evaluate", "runs/a", "--metrics", "coverage", "--samples", "20")
    assert "coverage.features\tclassifier" in zoo_here(*words).out
    done = zoo_here(*words, "--coverage.features", "inception", code=2)
    assert done.lines[-1].startswith("zoo: Inception v3 needs ")
    assert "classifier, inception" in zoo_here(*words, "--coverage.features", "vgg", code=2).err
