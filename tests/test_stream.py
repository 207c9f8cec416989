"""Images that do not lie where they are computed on: gathered ahead, in an order that a disk can follow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo import DataOptions, ImageSet, Split
from zoo.data import storage
from zoo.data.header import HEADER, Array, Header, PackedSplit
from zoo.data.mapped import Mapped, Region
from zoo.experiment import resume
from zoo.registry import load_registry
from zoo.runs.checkpoint import read_checkpoint
from zoo.training import order, residence
from zoo.training.feed import Feed
from zoo.training.order import in_windows, rows_of_window
from zoo.training.progress import Progress, Silent
from zoo.training.residence import feed_of, fits_device, settle, where_from
from zoo.training.stream import AHEAD, Stream, gather

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "zoo-stream"]


def images(count: int = 50, side: int = 4) -> ImageSet:
    x = torch.randint(256, (count, 1, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    split = Split(x, {"label": torch.arange(count), "place": torch.arange(2 * count).view(count, 2) / 7})
    return ImageSet("some", split, split[:10], 1 / 255, "the test")


def in_file(found: ImageSet, folder: Path) -> ImageSet:
    """The same images, with those to train on in a file."""
    path = folder / "x.u8"
    assert isinstance(found.train.x, torch.Tensor)
    path.write_bytes(found.train.x.numpy().tobytes())
    x = Mapped(Region(path, tuple(found.train.x.shape), np.dtype(np.uint8)), "x")
    return replace(found, train=Split(x, found.train.y))


# Orders


@given(st.integers(1, 3000), st.integers(1, 3 << 20), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_windows_hold_every_image_once(count: int, row_bytes: int, seed: int) -> None:
    found = in_windows(count, row_bytes, torch.Generator().manual_seed(seed))
    assert found.sort().values.equal(torch.arange(count))
    assert found.equal(in_windows(count, row_bytes, torch.Generator().manual_seed(seed)))


def test_windows_are_whole_blocks_from_all_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "BLOCK", 100)
    monkeypatch.setattr(order, "WINDOW", 1000)
    assert rows_of_window(10) == 100
    found = in_windows(10_000, 10, torch.Generator().manual_seed(0))
    spreads = []
    for window in found.split(100):
        blocks = torch.unique(window // 10)
        assert len(blocks) == 10
        spreads.append(int(blocks.max() - blocks.min()))
        # Mixed within, and not block by block.
        assert ((window[1:] // 10) != (window[:-1] // 10)).float().mean() > 0.7
    # The expected range of ten draws of a thousand is 9/11 of it.
    assert np.mean(spreads) == pytest.approx(1000 * 9 / 11, rel=0.05)
    assert not found.equal(in_windows(10_000, 10, torch.Generator().manual_seed(1)))
    assert rows_of_window(5000) == 2


def test_images_as_large_as_a_block_come_in_any_order() -> None:
    found = in_windows(2000, order.BLOCK, torch.Generator().manual_seed(0))
    gaps = (found[1:] - found[:-1]).abs().float()
    assert gaps.mean() == pytest.approx(2000 / 3, rel=0.1)


# Streams


@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.parametrize("window", [None, 16])
def test_a_stream_gives_what_an_index_gives(tmp_path: Path, kind: str, window: int | None) -> None:
    found = images() if kind == "memory" else in_file(images(), tmp_path)
    places = torch.randperm(50)
    got = list(Stream(found.train, CPU, window).batches(places, [12, 19, 20, 50], 3))
    wanted = [images().train[places[a:b]] for a, b in ((3, 12), (12, 19), (19, 20), (20, 50))]
    for (batch, index), other in zip(got, wanted, strict=True):
        assert batch.x.equal(other.x)
        assert all(value.equal(other.y[name]) for name, value in batch.y.items())
        assert index.equal(batch.y["label"])


def test_batches_go_to_the_device_that_is_asked_for() -> None:
    ((batch, index),) = Stream(images().train, torch.device("meta")).batches(torch.arange(5), [5])
    assert {batch.x.device.type, batch.y["label"].device.type, index.device.type} == {"meta"}


def test_what_goes_wrong_in_the_thread_is_raised_where_batches_are_taken(tmp_path: Path) -> None:
    stream = Stream(Split(in_file(images(), tmp_path).train.x, {}), CPU)
    batches = stream.batches(torch.tensor([1, 2, 99]), [2, 3])
    assert len(next(batches)[1]) == 2
    with pytest.raises(IndexError, match="images are 0 to 49"):
        next(batches)


def test_a_stream_that_nobody_takes_from_ends(tmp_path: Path) -> None:
    batches = Stream(in_file(images(), tmp_path).train, CPU).batches(torch.arange(50), list(range(1, 51)))
    next(batches)
    batches.close()


def test_a_stream_is_only_a_few_batches_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def counted(*arguments: Any, **named: Any) -> torch.Tensor:
        taken.append(1)
        return gather(*arguments, **named)

    monkeypatch.setattr("zoo.training.stream.gather", counted)
    batches = Stream(images().train, CPU).batches(torch.arange(50), list(range(1, 51)))
    for number, _ in zip(range(20), batches, strict=False):
        assert len(taken) <= number + 1 + AHEAD
    batches.close()


def test_the_next_window_is_announced_while_one_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = in_file(images(), tmp_path)
    announced: list[torch.Tensor] = []
    monkeypatch.setattr(Mapped, "expect", lambda self, index: announced.append(index))
    places = torch.randperm(50)
    ends = [*range(4, 50, 4), 50]
    batches = Stream(found.train, CPU, 16).batches(places, ends[5:], 20)
    next(batches)
    list(batches)
    assert torch.cat(announced).equal(places[20:])
    assert [len(some) for some in announced] == [12, 16, 2]


def test_expecting_images_reads_none_and_fails_at_no_edge(tmp_path: Path) -> None:
    x = in_file(images(2000, 32), tmp_path).train.x
    assert isinstance(x, Mapped)
    for index in (torch.arange(2000), torch.tensor([1999, 0]), torch.tensor([], dtype=torch.int64)):
        x.expect(index)


# Feeds


@pytest.mark.parametrize("windowed", [False, True])
@pytest.mark.parametrize("batch_size", [7, 16, 49, 50, 64])
def test_a_file_feeds_as_a_tensor_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windowed: bool, batch_size: int
) -> None:
    monkeypatch.setattr(order, "BLOCK", 16 * 4)
    monkeypatch.setattr(order, "WINDOW", 16 * 12)
    options = DataOptions(augment="flip-shift", binarize="dynamic")
    whole = images()
    memory = Feed(whole, whole.train, options, batch_size, 3, windowed=windowed)
    file = Feed(whole, in_file(whole, tmp_path).train, options, batch_size, 3, CPU, windowed)
    for start in (0, len(memory) - 1):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            first = list(memory.shuffled(2, start))
            torch.manual_seed(0)
            second = list(file.shuffled(2, start))
        for one, other in zip(first, second, strict=True):
            assert one.x.equal(other.x)
            assert one.index.equal(other.index)
            assert one.y["place"].equal(other.y["place"])
    assert sorted(torch.cat([one.index for one in file.stored(0)]).tolist()) == list(range(50))
    tail = [one.index.tolist() for one in file.stored(1)][1:]
    assert [one.index.tolist() for one in file.stored(1, 1)] == tail
    assert torch.cat([one.index for one in file.in_order()]).equal(torch.arange(50))


def test_only_what_fits_no_memory_is_shuffled_in_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = images()
    file = in_file(whole, tmp_path)
    free = feed_of(file, file.train, DataOptions(), 8, 0, CPU)
    assert not free.windowed
    assert where_from(free) == ()
    monkeypatch.setattr(storage, "physical_memory", lambda: 1000)
    windowed = feed_of(file, file.train, DataOptions(), 8, 0, CPU)
    assert windowed.windowed
    assert where_from(windowed) == ("images are shuffled in windows of 256 MB, which a disk can follow",)
    assert not feed_of(whole, whole.train, DataOptions(), 8, 0, CPU).windowed


def test_half_of_the_free_memory_of_a_device_is_for_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 4000))
    cuda = torch.device("cuda")
    assert (fits_device(500, cuda), fits_device(501, cuda)) == (True, False)
    assert fits_device(1 << 60, CPU)
    assert residence.SHARE == 0.5


def test_images_that_fit_a_device_go_there_and_others_are_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meta, whole = torch.device("meta"), images()
    file = in_file(whole, tmp_path)
    assert settle(file.train, CPU) is file.train
    for some in (whole, file):
        settled = settle(some.train, meta)
        assert (settled.x.device.type, tuple(settled.x.shape)) == ("meta", (50, 1, 4, 4))
    monkeypatch.setattr(residence, "fits_device", lambda size, device: False)
    for some in (whole, file):
        feed = feed_of(some, some.train, DataOptions(), 8, 0, meta)
        assert not feed.resident
        assert where_from(feed)[0].endswith("of the free memory of meta: they are copied there batch by batch")
        kept = [one.images for one in feed.stored(0)]
        assert {None if images is None else images.x.device.type for images in kept} == {"meta"}


# Runs


def write_packed(folder: Path, count: int, shape: tuple[int, int, int], drawn: int = 64, test: int = 40) -> str:
    """Write a packed set of which all but the first images are a hole in the file."""
    folder.mkdir()
    splits = []
    for name, number in (("train", count), ("test", test)):
        x = np.random.default_rng(0).integers(0, 256, (min(number, drawn), *shape), np.uint8)
        with (folder / f"{name}.u8").open("wb") as file:
            file.write(x.tobytes())
            file.truncate(number * int(np.prod(shape)))
        splits.append(PackedSplit(Array(f"{name}.u8", "uint8", (number, *shape), "none"), {}))
    (folder / HEADER).write_text(Header("holes", "the test", (), 1 / 255, splits[0], splits[1]).to_json())
    return f"packed:{folder}"


class Stopper(Progress):
    """Presses Ctrl-C after a step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def say(self, message: str) -> None: ...

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None: ...

    def step(self, count: int, epoch: int, images_per_second: float) -> None:
        if count == self.at:
            signal.raise_signal(signal.SIGINT)

    def epoch(self, record: Mapping[str, Any]) -> None: ...

    def stop(self) -> None: ...


def test_a_run_goes_on_in_its_own_order_where_there_is_more_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zoo.figures.gallery.draw_gallery", lambda *_: None)
    monkeypatch.setattr(order, "BLOCK", 64 * 4)
    monkeypatch.setattr(order, "WINDOW", 64 * 16)
    data = write_packed(tmp_path / "set", 200, (1, 8, 8), drawn=200)
    shared: dict[str, Any] = {"data": data, "epochs": 2, "batch_size": 20, "val_fraction": 0.1, "device": "cpu"}
    with monkeypatch.context() as patch:
        patch.setattr(storage, "physical_memory", lambda: 1000)
        straight = zoo.train("vae.tiny", out="straight", **shared)
        with pytest.raises(KeyboardInterrupt):
            zoo.train("vae.tiny", out="stopped", progress=Stopper(4), **shared)
    checkpoint = read_checkpoint(Path("stopped"))
    assert checkpoint is not None
    assert checkpoint.facts["windowed"]
    # On a machine on which the set would be shuffled freely.
    resumed, _ = resume(load_registry(), "stopped", Silent())
    assert resumed.model.state_dict().keys() == straight.model.state_dict().keys()
    for name, value in straight.model.state_dict().items():
        assert resumed.model.state_dict()[name].equal(value), name


# What the system tells of a process's resources begins with what the tests' own process takes; its status does not.
PEAK = """
import sys
from pathlib import Path
from zoo.data import mapped, storage
from zoo.training import order
mapped.KEPT, order.WINDOW, storage.SHARE = 8 << 20, 8 << 20, 0.0
import zoo.figures.gallery
zoo.figures.gallery.draw_gallery = lambda *_: None
from zoo.cli.main import run
assert run(sys.argv[1:]) == 0
status = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)
"""


def peak(*words: str | Path, code: str = PEAK) -> float:
    """Return the largest resident size of a command, in MB."""
    found = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(
        found, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.splitlines()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="resident sizes are counted otherwise elsewhere")
@pytest.mark.slow
def test_a_hundred_times_the_data_take_no_more_memory(tmp_path: Path) -> None:
    shape = (1, 64, 64)
    found = []
    for name, count in (("few", 250), ("many", 25_000)):  # 1 MB and 100 MB
        data = write_packed(tmp_path / name, count, shape)
        train = ("train", "linear-vae", "--data", data, "--epochs", "1", "--lr", "1e-4", "--val-fraction", "0.01")
        found.append(peak(*train, "--batch-size", "100", "--latent-dim", "2", "--out", tmp_path / f"run-{name}"))
    assert found[1] < found[0] + 40


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="resident sizes are counted otherwise elsewhere")
def test_twenty_gigabytes_train_in_two(tmp_path: Path) -> None:
    """For as long as `--budget` says; `benchmarks/memory.py` takes the whole epoch."""
    data = write_packed(tmp_path / "set", 20 * 10**9 // 12288, (3, 64, 64))
    run = tmp_path / "run"
    plain = "\n".join(line for line in PEAK.splitlines() if "KEPT" not in line and "gallery" not in line)
    plain = plain.replace("from zoo.cli", "storage.SHARE = 0.0\nfrom zoo.cli")
    train = ("train", "linear-vae", "--data", data, "--epochs", "1", "--lr", "1e-4", "--latent-dim", "8")
    assert peak(*train, "--val-fraction", "0.0001", "--budget", "90s", "--out", run, code=plain) < 2000
    assert peak("evaluate", run, code=plain) < 2000
    assert json.loads((run / "scores.json").read_text())["mse"] < 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="resident sizes are counted otherwise elsewhere")
def test_twenty_gigabytes_are_read_once_an_epoch(tmp_path: Path) -> None:
    data = write_packed(tmp_path / "set", 20 * 10**9 // 12288, (3, 64, 64))
    code = """
import sys
from pathlib import Path
import torch
from zoo import DataOptions
from zoo.data import storage
from zoo.data.packed import packed
from zoo.training.residence import feed_of
storage.SHARE = 0.0
images = packed(sys.argv[1], DataOptions())
feed = feed_of(images, images.train, DataOptions(), 512, 0, torch.device("cpu"))
assert sum(len(stored) for stored in feed.stored(0)) == len(images.train)
status = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)
"""
    assert peak(data.removeprefix("packed:"), code=code) < 1000
