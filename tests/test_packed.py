"""Packed sets: what is packed is what is read, whatever interrupted it; and none of it is held in memory."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Done, ZooProcess
from PIL import Image

from zoo.data import mapped, packing, storage
from zoo.data.decoding import workers
from zoo.data.images import Split
from zoo.data.load import load_images
from zoo.data.mapped import Mapped, Region
from zoo.data.options import DataOptions
from zoo.data.packed import check, packed
from zoo.data.packing import pack
from zoo.data.split import hold_out, joined, select, spread
from zoo.datasets import open_images, open_source
from zoo.errors import ZooError
from zoo.evaluation.blocks import figure_batches
from zoo.features.fingerprint import of_training
from zoo.registry import load_registry

REGISTRY = load_registry(third_party=False)
Here = Callable[..., Done]


def pictures(root: Path, count: int = 60, side: int = 8) -> Path:
    """Write small pictures of noise in three classes."""
    rng = np.random.default_rng(0)
    for number in range(count):
        path = root / "abc"[number % 3] / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (side, side + 2), np.uint8)).save(path)
    return root


def packs(data: str, out: Path, tell: Any = None, processes: int | None = None, **options: Any) -> Any:
    """Pack a set, as the command does."""
    chosen = {key: value for key, value in options.items() if key != "skip_bad"}
    with open_source(REGISTRY, data, DataOptions(**options), processes) as source:
        command = f"zoo data pack {data} {out}"
        return pack(source, out, {"data": data, "options": chosen}, command, tell or (lambda done, total: None))


def assert_same(out: Path, data: str, **options: Any) -> None:
    """See that a packed set holds what the set itself is read as."""
    found, wanted = packed(str(out), DataOptions()), open_images(REGISTRY, data, DataOptions(**options))
    assert (found.name, found.scale, found.source) == (wanted.name, wanted.scale, wanted.source)
    assert found.notes == wanted.notes
    for one, other in ((found.train, wanted.train), (found.test, wanted.test)):
        assert one.x.dtype == other.x.dtype
        assert one.x[:].equal(other.x[:])
        assert list(one.y) == list(other.y)
        assert all(one.y[name].equal(value) and one.y[name].dtype == value.dtype for name, value in other.y.items())


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MOST", 7)


# What is packed is what is read


@pytest.mark.parametrize("options", [{}, {"image_size": 6, "crop": "centre", "limit": 20}, {"colour": "rgb"}])
def test_a_folder_is_packed_as_it_is_read(tmp_path: Path, small_blocks: None, options: dict[str, Any]) -> None:
    data = f"folder:{pictures(tmp_path / 'pics')}"
    told: list[tuple[int, int]] = []
    packs(data, tmp_path / "out", lambda done, total: told.append((done, total)), **options)
    assert_same(tmp_path / "out", data, **options)
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert check(tmp_path / "out", lambda done, total: None).name == "folder:pics"


@pytest.mark.parametrize("kind", ["single", "two", "floats", "plain"])
@pytest.mark.parametrize("options", [{}, {"image_size": 5, "limit": 12}])
def test_an_archive_is_packed_as_it_is_read(
    tmp_path: Path, small_blocks: None, monkeypatch: pytest.MonkeyPatch, kind: str, options: dict[str, Any]
) -> None:
    monkeypatch.setattr("zoo.data.archive._BLOCK", 200)
    x = np.random.default_rng(0).integers(0, 256, (50, 6, 4, 3), np.uint8)
    arrays: dict[str, dict[str, Any]] = {
        "single": {"x": x, "y": np.arange(50)},
        "two": {"x_train": x, "y_train": np.arange(50), "x_test": x[:9], "y_test": np.arange(9)},
        "floats": {"x": x / 255, "y": np.ones((50, 2))},
        "plain": {"images": x[..., 0]},
    }
    np.savez_compressed(tmp_path / "mine.npz", **arrays[kind])
    data = f"npz:{tmp_path / 'mine.npz'}"
    packs(data, tmp_path / "out", **options)
    assert_same(tmp_path / "out", data, **options)


def test_any_set_is_packed_and_a_packed_one_again(
    tmp_path: Path, made_small: Callable[[Any], Path], small_blocks: None
) -> None:
    from zoo.data import sprites

    made_small(sprites)
    packs("sprites", tmp_path / "one")
    assert_same(tmp_path / "one", "sprites")
    packs(f"packed:{tmp_path / 'one'}", tmp_path / "two", limit=5, image_size=8)
    assert_same(tmp_path / "two", f"packed:{tmp_path / 'one'}", limit=5, image_size=8)


def test_processes_decode_the_same(tmp_path: Path) -> None:
    data = f"folder:{pictures(tmp_path / 'pics')}"
    packs(data, tmp_path / "out", processes=2)
    assert_same(tmp_path / "out", data)


def test_a_decoder_that_dies_is_told(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"a process that decodes pictures died.*--workers 1"), workers(2, 0) as pool:
        list(pool.map(os._exit, [3]))


# Interrupted, and gone on with


class Stop(Exception):
    """Ends packing in the middle, as a signal would."""


def interrupted(data: str, out: Path, after: int, **options: Any) -> None:
    """Pack until so many items are written."""

    def tell(done: int, total: int) -> None:
        if done >= after:
            raise Stop

    with pytest.raises(Stop):
        packs(data, out, tell, **options)


@pytest.mark.parametrize("after", [1, 20, 54, 60])
@pytest.mark.parametrize("tear", ["nothing", "images", "journal", "labels", "flip", "no images"])
def test_whatever_was_torn_is_written_again(tmp_path: Path, small_blocks: None, after: int, tear: str) -> None:
    data, out = f"folder:{pictures(tmp_path / 'pics')}", tmp_path / "out"
    interrupted(data, out, after)
    x, journal, labels = out / "train.u8", out / "packing.jsonl", out / "train-label.i64"
    if tear == "images":
        x.write_bytes(x.read_bytes()[:-30])
    if tear == "no images":
        x.unlink()
    if tear == "flip":
        content = bytearray(x.read_bytes())
        content[5] ^= 1
        x.write_bytes(content)
    if tear == "labels":
        labels.write_bytes(labels.read_bytes() + b"more")
    if tear == "journal":
        journal.write_bytes(journal.read_bytes()[:-9])
    told: list[int] = []
    packs(data, out, lambda done, total: told.append(done))
    assert_same(out, data)
    check(out, lambda done, total: None)
    assert sorted(path.name for path in out.iterdir()) == [
        "packed.json",
        "test-label.i64",
        "test.u8",
        "train-label.i64",
        "train.u8",
    ]


def test_what_is_sound_is_not_read_again(tmp_path: Path, small_blocks: None) -> None:
    data, out = f"folder:{pictures(tmp_path / 'pics')}", tmp_path / "out"
    interrupted(data, out, 35)
    written = (out / "train.u8").stat().st_size
    journal = (out / "packing.jsonl").read_text().splitlines()
    interrupted(data, out, 36)
    assert (out / "packing.jsonl").read_text().splitlines()[: len(journal)] == journal
    assert (out / "train.u8").stat().st_size == written + 7 * 80


@pytest.mark.parametrize("change", ["other pixels", "gone", "another before"])
def test_a_source_that_changed_in_between_is_told(tmp_path: Path, small_blocks: None, change: str) -> None:
    root, out = pictures(tmp_path / "pics"), tmp_path / "out"
    interrupted(f"folder:{root}", out, 30)
    if change == "other pixels":
        Image.fromarray(np.zeros((8, 10), np.uint8)).save(root / "a/0000.png")
    if change == "gone":
        (root / "a/0003.png").unlink()
    if change == "another before":
        shutil.copy(root / "a/0000.png", root / "a/0.png")
    with pytest.raises(ZooError, match=r"the pictures below .* changed since they were packed.*remove .*out"):
        packs(f"folder:{root}", out)


def test_a_source_that_changes_meanwhile_is_told(tmp_path: Path, small_blocks: None) -> None:
    root, out = pictures(tmp_path / "pics"), tmp_path / "out"

    def tell(done: int, total: int) -> None:
        if done == total:
            os.utime(root / "a/0000.png", ns=(0, 0))

    with pytest.raises(ZooError, match="changed since they were packed"):
        packs(f"folder:{root}", out, tell)
    assert not (out / "packed.json").exists()


def test_values_out_of_range_are_told_however_often_it_is_tried(tmp_path: Path, small_blocks: None) -> None:
    np.savez(tmp_path / "mine.npz", x=np.linspace(0, 255, 20 * 16).reshape(20, 4, 4))
    for _ in range(2):
        with pytest.raises(ZooError, match=r"x holds values from 0 to 255, not in \[0, 1\]: save x / 255"):
            packs(f"npz:{tmp_path / 'mine.npz'}", tmp_path / "out")
    with pytest.raises(ZooError, match="is not packed to its end: go on with 'zoo data pack npz:"):
        packed(str(tmp_path / "out"), DataOptions())


def test_a_damaged_picture_can_be_mended_or_skipped(tmp_path: Path, small_blocks: None) -> None:
    root, out = pictures(tmp_path / "pics"), tmp_path / "out"
    bad = root / "b/0031.png"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:-40])
    data = f"folder:{root}"
    with pytest.raises(ZooError, match=r"0031\.png is not a readable picture .*--skip-bad"):
        packs(data, out)
    packs(data, out, skip_bad=True)
    assert_same(out, data, skip_bad=True)
    assert "skipped 1 unreadable pictures: 0031.png" in packed(str(out), DataOptions()).notes
    with pytest.raises(ZooError, match=r"0031\.png is not a readable picture"):
        packs(data, tmp_path / "other")
    bad.write_bytes(whole)
    packs(data, tmp_path / "other")
    assert_same(tmp_path / "other", data)


def test_a_split_without_a_readable_picture_is_told(tmp_path: Path) -> None:
    root = pictures(tmp_path / "pics", 6)
    for path in root.rglob("*.png"):
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ZooError, match=r"none of the .* could be read"):
        packs(f"folder:{root}", tmp_path / "out", skip_bad=True)


# Folders that are something else


def test_only_the_same_request_goes_on(tmp_path: Path, small_blocks: None) -> None:
    data, out = f"folder:{pictures(tmp_path / 'pics')}", tmp_path / "out"
    interrupted(data, out, 20)
    with pytest.raises(ZooError, match=r"was begun with 'zoo data pack folder:.*name a new folder"):
        packs(data, out, image_size=4)
    packs(data, out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    packs(data, out)
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    with pytest.raises(ZooError, match="holds another packed set"):
        packs(data, out, image_size=4)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    data = f"folder:{pictures(tmp_path / 'pics')}"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("all of it")
    with pytest.raises(ZooError, match="holds other files: name a new folder"):
        packs(data, tmp_path / "mine")
    with pytest.raises(ZooError, match="is a file: name a new folder"):
        packs(data, tmp_path / "mine/thesis.tex")
    assert (tmp_path / "mine/thesis.tex").read_text() == "all of it"


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
def test_two_at_once_are_refused(tmp_path: Path) -> None:
    data, out = f"folder:{pictures(tmp_path / 'pics')}", tmp_path / "out"

    def tell(done: int, total: int) -> None:
        with pytest.raises(ZooError, match="another process packs into"):
            packs(data, out)

    packs(data, out, tell)
    assert_same(out, data)


def test_a_disk_without_room_is_told_at_once_or_when_it_is_full(
    tmp_path: Path, small_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = f"folder:{pictures(tmp_path / 'pics')}", tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(packing.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
        with pytest.raises(ZooError, match=r"needs .* GB, .* and the disk has 0.0 GB left"):
            packs(data, out)

    def full(stream: Any, content: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(packing, "write_all", full)
        with pytest.raises(ZooError, match="the disk is full: make room, and the same command goes on"):
            packs(data, out)
    packs(data, out)
    assert_same(out, data)


# Damaged sets


@pytest.fixture
def one(tmp_path: Path) -> Path:
    packs(f"folder:{pictures(tmp_path / 'pics')}", tmp_path / "out")
    return tmp_path / "out"


def opens(folder: Path) -> None:
    packed(str(folder), DataOptions())


@pytest.mark.parametrize("file", ["train.u8", "test-label.i64"])
def test_files_that_are_cut_missing_or_changed(one: Path, file: str) -> None:
    content = (one / file).read_bytes()
    (one / file).write_bytes(content[:-1])
    for read in (opens, lambda folder: check(folder, lambda done, total: None)):
        with pytest.raises(ZooError, match=f"{file} has .* bytes instead of .*: pack it again"):
            read(one)
    (one / file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    opens(one)
    with pytest.raises(ZooError, match=f"{file} is damaged"):
        check(one, lambda done, total: None)
    (one / file).unlink()
    with pytest.raises(ZooError, match=f"{file} cannot be read"):
        opens(one)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: {},
        lambda d: [],
        lambda d: {**d, "version": 2},
        lambda d: {**d, "format": "other"},
        lambda d: {**d, "train": None},
        lambda d: {**d, "scale": -1},
        lambda d: {**d, "scale": "much"},
        lambda d: {**d, "test": {**d["test"], "x": {**d["test"]["x"], "shape": [6, 1, 9, 9]}}},
        lambda d: {**d, "train": {**d["train"], "x": {**d["train"]["x"], "file": "../train.u8"}}},
        lambda d: {**d, "train": {**d["train"], "x": {**d["train"]["x"], "file": "/etc/passwd"}}},
        lambda d: {**d, "train": {**d["train"], "x": {**d["train"]["x"], "dtype": "object"}}},
        lambda d: {**d, "train": {**d["train"], "x": {**d["train"]["x"], "shape": [-1, 1, 8, 10]}}},
        lambda d: {**d, "train": {**d["train"], "x": {**d["train"]["x"], "shape": [True, 1, 8, 10]}}},
        lambda d: {**d, "train": {**d["train"], "x": {**d["train"]["x"], "shape": [10**15, 1, 8, 10]}}},
        lambda d: {**d, "notes": 3},
    ],
)
def test_a_strange_header_is_refused_in_one_line(one: Path, damage: Callable[[Any], Any]) -> None:
    header = one / "packed.json"
    header.write_text(json.dumps(damage(json.loads(header.read_text()))))
    with pytest.raises(ZooError, match="pack it again") as caught:
        opens(one)
    assert "\n" not in str(caught.value)


def test_folders_that_are_no_packed_set(tmp_path: Path) -> None:
    for name, told in (("nowhere", "there is no such folder"), (".", "holds no packed set")):
        with pytest.raises(ZooError, match=told):
            opens(tmp_path / name)
    (tmp_path / "file").touch()
    with pytest.raises(ZooError, match="that is a file"):
        opens(tmp_path / "file")
    with pytest.raises(ZooError, match="packed needs a path"):
        packed(None, DataOptions())


# Images in a file


def region(tmp_path: Path, count: int, shape: tuple[int, int, int]) -> tuple[Mapped, torch.Tensor]:
    """Write a file of images, and return them from the file and in memory."""
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8))
    path = tmp_path / "x.u8"
    path.write_bytes(x.numpy().tobytes())
    return Mapped(Region(path, (count, *shape), np.dtype(np.uint8)), "x"), x


def test_rows_of_a_file_are_rows_of_a_tensor(tmp_path: Path) -> None:
    found, x = region(tmp_path, 40, (2, 3, 5))
    index = torch.randperm(40)[:17]
    mask = torch.arange(40) % 3 == 0
    for some in (slice(None), slice(3, 20), slice(20, 3), slice(-4, None), slice(1, 30, 4), index, mask, index[:0]):
        assert found[some].equal(x[some])
    chosen, kept = found.take(index), x[index]
    for some in (slice(None), slice(2, 9), torch.tensor([3, 3, 1])):
        assert chosen[some].equal(kept[some])
    assert chosen.take(torch.tensor([4, 2]))[:].equal(kept[[4, 2]])
    assert (found.shape, found.dtype, len(chosen)) == (x.shape, x.dtype, 17)
    assert (found.nbytes, chosen.stored_bytes) == (x.nbytes, kept.nbytes)
    for bad in (torch.tensor([40]), torch.tensor([-1])):
        with pytest.raises(IndexError, match="images are 0 to 39"):
            found[bad]


def test_what_is_read_can_be_written_to_and_the_file_stays(tmp_path: Path) -> None:
    found, x = region(tmp_path, 5, (1, 4, 4))
    found[:].zero_()
    found[torch.tensor([1])].zero_()
    assert found[:].equal(x)


def test_options_read_nothing_and_copy_nothing(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = load_images(packed, str(one), DataOptions())
    train, test = wanted.train.x[:], wanted.test.x[:]
    with monkeypatch.context() as patch:
        patch.setattr(Region, "read", lambda *_: pytest.fail("it reads"))
        patch.setattr(Region, "read_range", _labels_alone(Region.read_range))
        images = load_images(packed, str(one), DataOptions(limit=20, image_size=6))
        learnt, held = hold_out(images.train, 0.25, 0)
        assert (len(learnt), len(held), images.shape) == (15, 5, (1, 6, 6))
    from zoo.data.resize import resize

    small = resize(train[:20], 6)
    same = hold_out(Split(small, {"label": wanted.train.y["label"][:20]}), 0.25, 0)
    for one_split, other in zip((learnt, held), same, strict=True):
        assert one_split.x[:].equal(other.x[:])
        assert one_split.y["label"].equal(other.y["label"])
    assert images.test.x[:].equal(resize(test, 6))
    assert of_training(images, "label") == of_training(
        type(images)("n", Split(small, images.train.y), images.test, images.scale, "s"), "label"
    )


def _labels_alone(read: Any) -> Any:
    def checked(self: Region, start: int, stop: int, out: Any) -> None:
        assert "label" in self.path.name, "it reads images"
        read(self, start, stop, out)

    return checked


def test_figures_keep_no_blocks_that_would_crowd_memory(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.evaluation.blocks.BLOCK", 4)
    images, options = packed(str(one), DataOptions()), DataOptions(binarize="dynamic")
    images = replace(images, test=images.train)
    kept = figure_batches(images, options, torch.device("cpu"), 50)
    monkeypatch.setattr(storage, "physical_memory", lambda: 4096)
    again = figure_batches(images, options, torch.device("cpu"), 50)
    assert isinstance(kept, list)
    assert not isinstance(again, list)
    assert len(again) == len(kept) == 13
    for found, wanted in zip([*again, again[-1], *again[2:4]], [*kept, kept[-1], *kept[2:4]], strict=True):
        assert found.x.equal(wanted.x)
        assert found.index.equal(wanted.index)
        assert found.y["label"].equal(wanted.y["label"])


def test_splits_are_joined_and_chosen_from(one: Path) -> None:
    images = packed(str(one), DataOptions())
    both = joined(images.train, images.test)
    assert both.x[:].equal(torch.cat([images.train.x[:], images.test.x[:]]))
    assert len(both.y["label"]) == 60
    some = select(images.train, torch.tensor([5, 2]))
    assert isinstance(some.x, Mapped)
    assert some.x[:].equal(images.train.x[torch.tensor([5, 2])])


def test_a_large_packed_set_says_that_it_is_read_from_disk(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "physical_memory", lambda: 4096)
    assert "are read from disk" in load_images(packed, str(one), DataOptions()).notes[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="resident pages are read from /proc")
def test_pages_are_given_back(tmp_path: Path) -> None:
    region(tmp_path, 4096, (1, 64, 256))  # 64 MB
    code = f"""
import numpy as np, torch
from zoo.data import mapped
mapped.KEPT = 8 << 20
mapped._LOOK_EVERY = 4
def resident():
    lines = open("/proc/self/smaps").read().partition("x.u8\\n")[2].splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss")) / 1024
x = mapped.Mapped(mapped.Region(mapped.Path({str(tmp_path / "x.u8")!r}), (4096, 1, 64, 256), np.dtype(np.uint8)), "x")
most = 0
for index in torch.randperm(4096).split(64):
    x[index]
    most = max(most, resident())
for start in range(0, 4096, 64):
    x[start : start + 64]
    most = max(most, resident())
print(most)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 24
    assert mapped.KEPT > 8 << 20


# Commands


def test_pack_check_and_train_by_command(tmp_path: Path, zoo_here: Here, small_blocks: None) -> None:
    pictures(tmp_path / "pics")
    done = zoo_here("data", "pack", "folder:pics", "out", "--image-size", "12", "--workers", "1")
    assert done.out == "out  54 + 6 images of 1×12×12, 0.0 MB; train on them with --data packed:out\n"
    assert done.err == "3 classes: 0 = a, 1 = b, 2 = c\n"
    assert zoo_here("data", "check", "out").out == "out  4 files as written\n"
    assert "packed:FOLDER" in zoo_here("data").out
    zoo_here("train", "vae.tiny", "--data", "packed:out", "--epochs", "1", "--out", "one")
    zoo_here("train", "vae.tiny", "--data", "folder:pics", "--image-size", "12", "--epochs", "1", "--out", "two")
    scores = [json.loads((tmp_path / name / "scores.json").read_text()) for name in ("one", "two")]
    for name in ("mse", "rate", "objective"):
        assert scores[0][name] == scores[1][name]
    zoo_here("embed", "one", "--split", "all")
    assert np.load(tmp_path / "one/codes.npz")["z"].shape[0] == 60
    zoo_here("evaluate", "one")


def test_mistakes_are_told_in_one_line(tmp_path: Path, zoo_here: Here) -> None:
    pictures(tmp_path / "pics")
    Image.new("L", (9, 9)).save(tmp_path / "pics/a/zz.png")
    (tmp_path / "empty").mkdir()
    for words, told in (
        ("pack folder:pics out", "add --image-size 64"),
        ("pack folder:empty out", "holds no pictures"),
        ("pack folder:nowhere out", "there is no such folder"),
        ("pack mnits out", "did you mean 'mnist'"),
        ("pack mnist:x out", "takes nothing after its name"),
        ("pack npz:pics out", "there is no such file"),
        ("check nowhere", "there is no such folder"),
        ("check empty", "holds no packed set"),
    ):
        done = zoo_here("data", *words.split(), code=2)
        assert told in done.err
        assert len(done.lines) == 1
        assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signals")
@pytest.mark.parametrize("kind", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_killed_packing_goes_on(tmp_path: Path, zoo_process: ZooProcess, kind: signal.Signals) -> None:
    pictures(tmp_path / "pics", 300)
    # Blocks of 42 images.
    words = ("data", "pack", "folder:pics", "out", "--workers", "1", "--colour", "rgb", "--image-size", "256")
    path, begun = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}, tmp_path / "out/train.u8"
    with zoo_process.start(*words, **path) as process:
        while process.poll() is None and not (begun.exists() and begun.stat().st_size):
            time.sleep(0.002)
        process.send_signal(kind)
        _, err = process.communicate(timeout=60)
    if kind == signal.SIGINT:
        assert process.returncode == 130
        assert err.splitlines()[-1] == "zoo: interrupted; the same command goes on from there"
    done = zoo_process(*words, **path)
    assert done.out.startswith("out  270 + 30 images of 3×256×256")
    check(tmp_path / "out", lambda done, total: None)
    images = packed(str(tmp_path / "out"), DataOptions())
    wanted = open_images(REGISTRY, f"folder:{tmp_path / 'pics'}", DataOptions(colour="rgb", image_size=256))
    assert images.train.x[:].equal(wanted.train.x[:])


def test_of_a_large_split_some_images_are_looked_at_at_even_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    split = Split(torch.arange(25).view(25, 1, 1, 1), {"label": torch.arange(25)})
    whole, places = spread(split)
    assert whole is split
    assert places.equal(torch.arange(25))
    monkeypatch.setattr("zoo.data.split.MOST_SEEN", 10)
    some, places = spread(split)
    assert places.tolist() == [0, 2, 5, 7, 10, 12, 15, 17, 20, 22]
    assert some.x[:].flatten().tolist() == some.y["label"].tolist() == places.tolist()
