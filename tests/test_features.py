"""The classifiers that metrics of samples see with: trained alike everywhere, found again, and whole or refused."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Done
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from zoo import DataOptions, ImageSet, Split, Unjudged, ZooError
from zoo.data.cache import find_folder
from zoo.data.glyphs import load as glyphs
from zoo.data.idx import fashion_mnist, mnist
from zoo.features import files
from zoo.features.files import SHIPPED, facts_of, kept, read, shipped_path, write
from zoo.features.find import classifier_of, shipped
from zoo.features.learning import LEAST, learn
from zoo.features.net import FEATURES, Net
from zoo.training.progress import Progress

Here = Callable[..., Done]
LOADERS = {"mnist": mnist, "fashion-mnist": fashion_mnist, "glyphs": glyphs}


@pytest.fixture(autouse=True)
def seeded(zoo_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", zoo_env["XDG_CACHE_HOME"])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def bars(count: int, shape: tuple[int, int, int] = (1, 8, 8)) -> tuple[Tensor, Tensor]:
    """Images of a bar at a noisy height, whose label says at which of two places it stands."""
    y = torch.arange(count).mul(7).bitwise_right_shift(1) % 2
    x = torch.rand(count, *shape) * 0.2
    x[torch.arange(count), :, :, y * (shape[2] - 1)] += 0.6
    return x, 3 + 4 * y


def images_of(x: Tensor, y: Tensor, test: int = 60, name: str = "bars") -> ImageSet:
    train, rest = Split(x[test:], {"label": y[test:]}), Split(x[:test], {"label": y[:test]})
    return ImageSet(name, train, rest, 1.0, "made here")


class Listener(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.epochs: list[int] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None:
        self.epochs.append(epochs)

    def step(self, count: int, epoch: int, images_per_second: float) -> None:
        pass

    def epoch(self, record: Any) -> None:
        self.epochs.append(record["epoch"])

    def stop(self) -> None:
        self.epochs.append(-1)


class TestLearning:
    @settings(max_examples=12, deadline=None)
    @given(c=st.sampled_from([1, 3]), h=st.integers(1, 40), w=st.integers(1, 40))
    def test_takes_images_of_any_shape(self, c: int, h: int, w: int) -> None:
        net = Net((c, h, w), 2).eval()
        x = torch.rand(3, c, h, w)
        assert net(x).shape == (3, 2)
        assert net.body(x).shape == (3, FEATURES)

    def test_size_of_the_net(self) -> None:
        assert sum(weight.numel() for weight in Net((1, 28, 28), 10).parameters()) == 122_666

    @pytest.mark.parametrize("shape", [(1, 20, 20), (3, 9, 17), (1, 1, 2)])
    def test_learns(self, shape: tuple[int, int, int]) -> None:
        x, y = bars(300, shape)
        found = learn(images_of(x, y))
        assert found.labels.tolist() == [3, 7]
        assert found.accuracy > 0.95
        assert int((found.classify(x) == y).sum()) > 0.95 * len(x)
        assert found.features(x).shape == (300, FEATURES)
        assert not found.net.training
        assert not found.features(x).requires_grad

    def test_is_a_function_of_images_and_labels_alone(self) -> None:
        images, listener = images_of(*bars(160)), Listener()
        one = learn(images)
        torch.rand(17)
        before = torch.get_rng_state()
        with torch.no_grad():
            other = learn(images, progress=listener)
        assert torch.equal(before, torch.get_rng_state())
        pairs = zip(one.net.state_dict().values(), other.net.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
        assert one.facts == other.facts
        assert listener.epochs == [20, *range(1, 21), -1]

    def test_features_do_not_depend_on_how_images_are_batched(self) -> None:
        x, y = bars(700)
        found = learn(images_of(x, y, test=500))
        parts = torch.cat([found.features(part) for part in torch.split(x, 130)])
        torch.testing.assert_close(found.features(x), parts, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize(
        ("y", "reason"),
        [
            ({}, "the images have no classes called 'label', which a classifier could learn"),
            ({"label": torch.rand(40)}, "the images have no classes called 'label'"),
            ({"label": torch.zeros(40, 2).long()}, "the images have no classes called 'label'"),
            ({"label": torch.full((40,), 4)}, "all images that a classifier could learn from have the label 4"),
        ],
    )
    def test_without_classes_there_is_a_reason(self, y: dict[str, Tensor], reason: str) -> None:
        x = torch.rand(40, 1, 4, 4)
        with pytest.raises(Unjudged, match=reason):
            classifier_of(ImageSet("mine", Split(x, y), Split(x, y), 1.0, ""))

    def test_few_have_a_reason(self) -> None:
        x, y = bars(60 + LEAST - 1)
        with pytest.raises(Unjudged, match="15 training images are too few for a classifier, which needs 16"):
            classifier_of(images_of(x, y))

    def test_test_images_without_labels_have_no_accuracy(self) -> None:
        x, y = bars(80)
        images = ImageSet("bars", Split(x, {"label": y}), Split(x, {}), 1.0, "")
        assert learn(images).accuracy == 0


class TestFiles:
    @pytest.fixture(autouse=True)
    def empty_cache(self, tmp_path: Path, seeded: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def test_is_found_again(self) -> None:
        images, listener = images_of(*bars(120)), Listener()
        one = classifier_of(images, progress=listener)
        (line,) = listener.lines
        (path,) = kept()
        assert line.startswith("training a classifier of bars once")
        assert line.endswith(str(path))
        assert path.name.startswith("bars-1x8x8-label-")
        again = classifier_of(images, progress=listener)
        assert len(listener.lines) == 1
        assert again.features(images.test.x).equal(one.features(images.test.x))
        assert again.facts == one.facts == facts_of(path)
        assert again.labels.equal(one.labels)

    def test_other_images_or_labels_have_another(self) -> None:
        x, y = bars(120)
        for images in (images_of(x, y), images_of(x * 0.99, y), images_of(x, 10 - y)):
            classifier_of(images)
        assert len(kept()) == 3

    @pytest.mark.parametrize("damage", [b"", b"no weights at all", None])
    def test_a_damaged_one_is_named_and_made_again(self, damage: bytes | None) -> None:
        images, listener = images_of(*bars(100)), Listener()
        one = classifier_of(images)
        (path,) = kept()
        path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
        again = classifier_of(images, progress=listener)
        assert str(path) in listener.lines[0]
        assert listener.lines[0].endswith("it is made again")
        assert again.features(images.test.x).equal(one.features(images.test.x))
        assert read(path).facts == one.facts

    def test_a_file_of_another_net_is_damaged(self, tmp_path: Path) -> None:
        found = learn(images_of(*bars(100)))
        found.net = Net((3, 20, 20), 2)
        write(tmp_path / "a.safetensors", found)
        with pytest.raises(ZooError, match=r"a\.safetensors is damaged: it holds no classifier"):
            read(tmp_path / "a.safetensors")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(self, tmp_path: Path) -> None:
        (tmp_path / "cache").mkdir(mode=0o500)
        assert classifier_of(images_of(*bars(100))).accuracy > 0.9

    def test_a_cache_that_is_a_file_is_no_reason_to_stop(self, tmp_path: Path) -> None:
        (tmp_path / "cache").write_text("")
        assert classifier_of(images_of(*bars(100))).accuracy > 0.9


class TestShipped:
    @pytest.mark.parametrize("name", sorted(LOADERS))
    def test_is_small_and_says_what_it_is(self, name: str) -> None:
        path = shipped_path(name)
        facts = facts_of(path)
        assert path.stat().st_size <= 1_000_000
        assert hashlib.sha256(path.read_bytes()).hexdigest() == SHIPPED[name]
        assert facts.command.startswith(f"zoo features train {name}")
        assert (facts.data, facts.shape, facts.label) == (name, (1, 28, 28), "label")
        assert facts.versions.keys() == {"zoo", "torch"}
        assert read(path).labels.tolist() == list(range(10))

    def test_every_file_is_pinned(self) -> None:
        assert {path.stem for path in shipped_path("mnist").parent.glob("*.safetensors")} == set(SHIPPED)

    def test_accuracy(self) -> None:
        assert facts_of(shipped_path("mnist")).accuracy >= 0.995
        assert facts_of(shipped_path("fashion-mnist")).accuracy >= 0.9
        assert facts_of(shipped_path("glyphs")).accuracy >= 0.99

    def test_a_damaged_one_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        data = bytearray(shipped_path("mnist").read_bytes())
        data[-1] ^= 1
        monkeypatch.setattr(files, "_FOLDER", tmp_path)
        shipped_path("mnist").write_bytes(data)
        with pytest.raises(ZooError, match=r"mnist\.safetensors is damaged: its SHA-256 is not"):
            read(shipped_path("mnist"))
        with pytest.raises(ZooError, match=r"glyphs\.safetensors: No such file or directory; install the zoo again"):
            read(shipped_path("glyphs"))

    def test_is_taken_for_its_own_images_alone(self) -> None:
        images = glyphs(None, DataOptions(limit=100))
        assert shipped(images) is not None
        assert shipped(images, "style") is None
        other = ImageSet("glyphs", images.train, images.test[:100], images.scale, "")
        assert shipped(other) is None

    def test_sees_what_its_header_says(self) -> None:
        images = glyphs(None, DataOptions())
        found = shipped(images)
        assert found is not None
        taken = found.classify(images.read(images.test.x))
        assert int((taken == images.test.y["label"]).sum()) / len(taken) == pytest.approx(found.accuracy, abs=5e-4)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["fashion-mnist", "mnist"])
    def test_sees_what_its_header_says_of_downloaded_images(self, name: str) -> None:
        folder = "MNIST/raw" if name == "mnist" else "FashionMNIST/raw"
        if find_folder(folder, [("t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz")]) is None:
            pytest.skip(f"{folder} is not under ZOO_DATA")
        images = LOADERS[name](None, DataOptions())
        found = shipped(images)
        assert found is not None
        taken = found.classify(images.read(images.test.x))
        assert int((taken == images.test.y["label"]).sum()) / len(taken) == pytest.approx(found.accuracy, abs=5e-4)
        assert found.facts.images == 60_000


class TestCommand:
    def test_trains_and_lists(self, zoo_here: Here, small: str, tmp_path: Path) -> None:
        done = zoo_here("features", "train", small, "--out", "here.safetensors")
        assert done.out == "here.safetensors\n"
        assert done.lines[0].startswith("epoch 1/32  loss ")
        assert done.lines[-1].startswith("accuracy on test images ")
        assert facts_of(tmp_path / "here.safetensors").command == "zoo features train npz:small.npz"
        kept_at = Path(zoo_here("features", "train", small, "--limit", "40").out.strip())
        assert facts_of(kept_at).images == 40
        assert facts_of(kept_at).command == "zoo features train npz:small.npz --limit 40"
        rows = json.loads(zoo_here("features", "--json").out)
        assert [row["data"] for row in rows[: len(SHIPPED)]] == list(SHIPPED)
        assert str(kept_at) in [row["path"] for row in rows]
        kept_at.write_text("broken")
        assert f"{kept_at} is no safetensors file" in zoo_here("features").out

    def test_mistakes(self, zoo_here: Here, small: str) -> None:
        told = zoo_here("features", "train", small, "--label", "colour", code=2)
        assert told.err == f"zoo: {small}: the images have no classes called 'colour', which a classifier could learn\n"
        told = zoo_here("features", "train", "glyphs", code=2)
        assert "comes with the zoo (see 'zoo features'); add --out FILE to train it anew" in told.err
        told = zoo_here("features", "train", small, "--out", "none/a.safetensors", code=2)
        assert "there is no folder none; make it first" in told.err
        assert "glyphs" in zoo_here("features", "train", "glyph", code=2).err
