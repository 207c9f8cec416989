"""Reading images: every source with small real files, and every way in which they can be wrong."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import io
import os
import re
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zoo.data import cache, cifar10, download, storage, transforms
from zoo.data.cache import DataUnavailable
from zoo.data.cifar10 import cifar10 as read_cifar10
from zoo.data.folder import folder
from zoo.data.idx import fashion_mnist, mnist
from zoo.data.images import ImageSet, Split
from zoo.data.load import load_images
from zoo.data.npz import npz
from zoo.data.omniglot import omniglot
from zoo.data.options import DataOptions
from zoo.data.resize import resize
from zoo.data.split import every_tenth, hold_out
from zoo.errors import ZooError

GIVEN = os.environ.get("ZOO_DATA")
"""The folder of the person who runs the tests, before the tests set their own."""

DEFAULT = DataOptions()
Pixels = NDArray[np.uint8]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test an empty ZOO_DATA and an empty cache of its own."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "data"


def random_pixels(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def values(x: Tensor) -> set[float]:
    return set(x.flatten().tolist())


def idx_bytes(array: Pixels) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_mnist(below: Path, *, packed: bool = True, train: int = 12, test: int = 5) -> dict[str, bytes]:
    """Write a small MNIST and return its files."""
    contents = {
        "train-images-idx3-ubyte": idx_bytes(random_pixels(train, 28, 28)),
        "train-labels-idx1-ubyte": idx_bytes(np.arange(train, dtype=np.uint8) % 10),
        "t10k-images-idx3-ubyte": idx_bytes(random_pixels(test, 28, 28, seed=1)),
        "t10k-labels-idx1-ubyte": idx_bytes(np.arange(test, dtype=np.uint8)),
    }
    files = {f"{name}.gz": gzip.compress(data) for name, data in contents.items()} if packed else contents
    below.mkdir(parents=True)
    for name, data in files.items():
        (below / name).write_bytes(data)
    return files


def save(path: Path, pixels: Any, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def read_folder(path: Path, **options: Any) -> ImageSet:
    return load_images(folder, str(path), DataOptions(**options))


def read_npz(path: Path, **options: Any) -> ImageSet:
    return load_images(npz, str(path), DataOptions(**options))


# MNIST and Fashion-MNIST


@pytest.mark.parametrize("packed", [True, False])
def test_mnist_is_read_packed_and_unpacked(home: Path, packed: bool) -> None:
    write_mnist(home / "MNIST/raw", packed=packed)
    before = sorted(home.rglob("*"))
    images = mnist(None, DEFAULT)
    assert (images.name, images.shape, images.scale) == ("mnist", (1, 28, 28), 1 / 255)
    assert images.train.x.dtype == torch.uint8
    assert torch.equal(images.train.x[:, 0], torch.from_numpy(random_pixels(12, 28, 28)))
    assert images.train.y["label"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert images.train.y["label"].dtype == torch.int64
    assert len(images.test) == 5
    assert sorted(home.rglob("*")) == before


def test_fashion_mnist_is_found_in_the_cache(home: Path) -> None:
    write_mnist(cache.user_cache() / "FashionMNIST/raw")
    assert fashion_mnist(None, DEFAULT).name == "fashion-mnist"


def test_reading_what_is_there_imports_no_torchvision(home: Path) -> None:
    write_mnist(home / "MNIST/raw")
    code = (
        "import sys; from zoo.data.idx import mnist; from zoo.data.options import DataOptions; import zoo.data.folder"
    )
    code += "; mnist(None, DataOptions()); assert 'torchvision' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_light_modules_import_no_torch() -> None:
    code = "import sys, zoo.data, zoo.data.options, zoo.data.cache, zoo.data.arguments, zoo.data.damage"
    subprocess.run([sys.executable, "-c", code + "; assert 'torch' not in sys.modules"], check=True)


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip_a_byte(data: bytes) -> bytes:
    return data[:-20] + bytes([data[-20] ^ 255]) + data[-19:]


def _repack(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda data: gzip.compress(change(gzip.decompress(data)))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_cut, "ended before"),
        (_flip_a_byte, ""),
        (lambda data: b"", "does not start"),
        (lambda data: b"<html>not here</html>", "gzip"),
        (_repack(_cut), "ends after"),
        (_repack(lambda data: data + b"more"), "goes on after"),
        (_repack(lambda data: b"\0\0\x0d\x03" + data[4:]), "does not start"),
        (_repack(lambda data: data[:4] + struct.pack(">I", 4_000_000_000) + data[8:]), "promises"),
        (_repack(lambda data: data[:4] + struct.pack(">3I", 12, 14, 56) + data[16:]), "promises 12 × 14 × 56"),
        (_repack(lambda data: data[:4] + struct.pack(">3I", 0, 28, 28)), "promises 0"),
    ],
)
def test_damaged_idx_file_is_named(home: Path, damage: Callable[[bytes], bytes], reason: str) -> None:
    write_mnist(home / "MNIST/raw")
    path = home / "MNIST/raw/train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ZooError, match=rf"{path} is truncated or corrupt.*{reason}.*replace it") as caught:
        mnist(None, DEFAULT)
    assert "\n" not in str(caught.value)


def test_labels_must_be_as_many_as_images_and_below_ten(home: Path) -> None:
    write_mnist(home / "MNIST/raw")
    path = home / "MNIST/raw/train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros(3, np.uint8))))
    with pytest.raises(ZooError, match=r"12 train-images.* but 3 train-labels"):
        mnist(None, DEFAULT)
    path.write_bytes(gzip.compress(idx_bytes(np.full(12, 10, np.uint8))))
    with pytest.raises(ZooError, match=r"holds label 10, the last is 9"):
        mnist(None, DEFAULT)


@pytest.mark.parametrize("read", [mnist, fashion_mnist, omniglot, read_cifar10])
def test_argument_is_refused_where_none_is_taken(read: Callable[[str | None, DataOptions], ImageSet]) -> None:
    with pytest.raises(ZooError, match="takes nothing after its name"):
        read("here", DEFAULT)


@pytest.mark.skipif(not GIVEN or not (Path(GIVEN) / "MNIST/raw").is_dir(), reason="ZOO_DATA holds no MNIST")
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_reading_mnist_takes_little_memory() -> None:
    code = """
import torch
from zoo.data.idx import mnist
from zoo.data.options import DataOptions
def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1024
before = status("VmRSS")
images = mnist(None, DataOptions())
print(status("VmHWM") - before)
assert images.train.x.shape == (60000, 1, 28, 28) and images.train.y["label"][:5].tolist() == [5, 0, 4, 1, 9]
assert abs(images.train.x.sum().item() / 255 / 60000 / 784 - 0.13066) < 1e-5
"""
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, env={**os.environ, "ZOO_DATA": str(GIVEN)}, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 110


# Downloads


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Stalling(_Quiet):
    """Answers the first question, then sends no byte more."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.connection.recv(1)


@contextlib.contextmanager
def serve(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextlib.contextmanager
def silent_port() -> Iterator[str]:
    """Take connections, and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def publish(monkeypatch: pytest.MonkeyPatch, mirrors: list[str], files: dict[str, bytes]) -> None:
    sums = [(name, hashlib.md5(data).hexdigest()) for name, data in files.items()]
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", mirrors)
    monkeypatch.setattr("torchvision.datasets.MNIST.resources", sums)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROBE_SECONDS", "START_SECONDS", "STALL_SECONDS"):
        monkeypatch.setattr(download, name, 0.4)


def test_silent_network_costs_less_than_ten_seconds() -> None:
    assert download.PROBE_SECONDS + download.START_SECONDS < 10
    assert download.STALL_SECONDS < 10


def test_mnist_is_downloaded_from_the_mirror_that_answers(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    files = write_mnist(tmp_path / "published")
    with silent_port() as silent, serve(partial(_Quiet, directory=str(tmp_path / "published"))) as mirror:
        publish(monkeypatch, [silent, mirror + "missing/", mirror], files)
        images = mnist(None, DEFAULT)
    assert len(images.train) == 12
    assert {path.name for path in (home / "MNIST/raw").iterdir()} == set(files)
    out, err = capfd.readouterr()
    assert not out
    assert err
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [])
    assert len(mnist(None, DEFAULT).train) == 12


def test_download_goes_to_the_cache_where_the_folder_is_not_ours(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_mnist(tmp_path / "published")
    (home / "MNIST/raw").mkdir(parents=True)
    (home / "MNIST/raw/train-images-idx3-ubyte.gz").write_bytes(b"theirs")
    with serve(partial(_Quiet, directory=str(tmp_path / "published"))) as mirror:
        publish(monkeypatch, [mirror], files)
        mnist(None, DEFAULT)
    assert [path.name for path in (home / "MNIST/raw").iterdir()] == ["train-images-idx3-ubyte.gz"]
    assert len(list((cache.user_cache() / "MNIST/raw").iterdir())) == 4


def test_download_that_differs_from_its_sum_is_thrown_away(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_mnist(tmp_path / "published")
    with serve(partial(_Quiet, directory=str(tmp_path / "published"))) as mirror:
        publish(monkeypatch, [mirror], dict.fromkeys(files, b"something else"))
        with pytest.raises(DataUnavailable, match="corrupted"):
            mnist(None, DEFAULT)
    assert not list((home / "MNIST/raw").iterdir())


def assert_all_ways_out(error: DataUnavailable) -> None:
    message = str(error)
    assert all(way in message for way in ("ZOO_DATA", "connect to the network", "--data glyphs"))
    assert "\n" not in message


def test_mirror_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    with silent_port() as silent:
        publish(monkeypatch, [silent, silent], {"a.gz": b""})
        start = time.monotonic()
        with pytest.raises(DataUnavailable, match=r"no answer within 0\.4 s|timed out") as caught:
            mnist(None, DEFAULT)
    assert time.monotonic() - start < 2
    assert_all_ways_out(caught.value)


def test_mirror_that_stops_answering_is_given_up(home: Path, monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    before = socket.getdefaulttimeout()
    with serve(_Stalling) as mirror:
        publish(monkeypatch, [mirror], {"a.gz": b""})
        start = time.monotonic()
        with pytest.raises(DataUnavailable, match=r"stopped answering|timed out") as caught:
            mnist(None, DEFAULT)
        assert time.monotonic() - start < 2
    assert_all_ways_out(caught.value)
    assert socket.getdefaulttimeout() == before
    assert not list((home / "MNIST/raw").iterdir())


def test_name_lookup_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(20) and [])
    publish(monkeypatch, ["http://mirror.invalid/"], {"a.gz": b""})
    start = time.monotonic()
    with pytest.raises(DataUnavailable, match="no answer within"):
        mnist(None, DEFAULT)
    assert time.monotonic() - start < 2
    release.set()


def test_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_mnist(tmp_path / "published")
    monkeypatch.delenv("ZOO_DATA")
    (tmp_path / "cache").write_text("a file in the way")
    with serve(partial(_Quiet, directory=str(tmp_path / "published"))) as mirror:
        publish(monkeypatch, [mirror], files)
        with pytest.raises(DataUnavailable, match="could not be stored"):
            mnist(None, DEFAULT)


# Omniglot


def write_omniglot(below: Path, **changes: Any) -> None:
    below.mkdir(parents=True)
    for name, first in (("background", 1), ("evaluation", 965)):
        paper = np.full((4, 105, 105), 255, np.uint8)
        paper[:, :50] = 0
        arrays: dict[str, Any] = {
            "images": paper,
            "alphabet": np.arange(4, dtype=np.uint8),
            "character_id": np.arange(first, first + 4, dtype=np.uint16),
            "drawer": np.arange(1, 5, dtype=np.uint8),
        }
        arrays |= changes
        arrays = {key: value for key, value in arrays.items() if value is not None}
        np.savez_compressed(below / f"omniglot_{name}.npz", **arrays)


def test_omniglot_has_white_ink_and_three_labels(home: Path) -> None:
    write_omniglot(home / "Omniglot")
    images = omniglot(None, DEFAULT)
    assert images.shape == (1, 28, 28)
    assert (images.train.x[:, :, 0] == 255).all()
    assert (images.train.x[:, :, -1] == 0).all()
    assert images.train.y["label"].tolist() == [0, 1, 2, 3]
    assert images.test.y["label"].tolist() == [964, 965, 966, 967]
    assert set(images.train.y) == {"label", "alphabet", "drawer"}
    assert load_images(omniglot, None, DataOptions(image_size=105)).shape == (1, 105, 105)


def test_missing_omniglot_says_where_it_belongs() -> None:
    with pytest.raises(DataUnavailable, match=r"ZOO_DATA to a folder that holds Omniglot/omniglot_background\.npz"):
        omniglot(None, DEFAULT)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"images": np.zeros((4, 105), np.uint8)}, "not uint8"),
        ({"images": np.zeros((4, 105, 105), np.float32)}, "not uint8"),
        ({"drawer": None}, "no drawer in it"),
        ({"drawer": np.zeros(3, np.uint8)}, "other numbers of labels"),
    ],
)
def test_foreign_omniglot_file_is_named(home: Path, changes: dict[str, Any], reason: str) -> None:
    write_omniglot(home / "Omniglot", **changes)
    with pytest.raises(ZooError, match=rf"omniglot_background\.npz.*{reason}"):
        omniglot(None, DEFAULT)


# CIFAR-10


def cifar_batches(records: int = 4) -> dict[str, bytes]:
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    batches = {}
    for number, name in enumerate(names):
        data = random_pixels(records, 3073, seed=number)
        data[:, 0] = number
        batches[name] = data.tobytes()
    return batches


def cifar_archive(batches: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in {**dict(reversed(batches.items())), "readme.html": b"hello"}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def assert_is_cifar(images: ImageSet) -> None:
    assert images.shape == (3, 32, 32)
    assert images.train.y["label"].tolist() == [number for number in range(5) for _ in range(4)]
    assert images.test.y["label"].tolist() == [5] * 4
    expected = random_pixels(4, 3073, seed=1)[:, 1:].reshape(4, 3, 32, 32)
    assert torch.equal(images.train.x[4:8], torch.from_numpy(expected))


@pytest.mark.parametrize("below", ["", "CIFAR10"])
def test_cifar10_is_read_from_the_archive(home: Path, below: str) -> None:
    (home / below).mkdir(exist_ok=True)
    (home / below / "cifar-10-binary.tar.gz").write_bytes(cifar_archive(cifar_batches()))
    assert_is_cifar(read_cifar10(None, DEFAULT))
    assert not (home / below / "cifar-10-batches-bin").exists()


def test_cifar10_is_read_from_the_unpacked_folder(home: Path) -> None:
    (home / "cifar-10-batches-bin").mkdir()
    for name, data in cifar_batches().items():
        (home / "cifar-10-batches-bin" / name).write_bytes(data)
    assert_is_cifar(read_cifar10(None, DEFAULT))


def test_cifar10_is_downloaded_and_checked(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = cifar_archive(cifar_batches())
    (tmp_path / "published").mkdir()
    (tmp_path / "published/cifar-10-binary.tar.gz").write_bytes(data)
    files = (("cifar-10-binary.tar.gz", hashlib.md5(data).hexdigest()),)
    with serve(partial(_Quiet, directory=str(tmp_path / "published"))) as mirror:
        monkeypatch.setattr(cifar10, "ARCHIVE", download.Download((mirror,), files))
        assert_is_cifar(read_cifar10(None, DEFAULT))
    assert_is_cifar(read_cifar10(None, DEFAULT))


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (cifar_archive(cifar_batches())[:-9000], ""),
        (b"", ""),
        (b"no archive", ""),
        (cifar_archive({**cifar_batches(), "data_batch_2.bin": bytes(3072)}), "data_batch_2.bin has 3072 bytes"),
        (cifar_archive({**cifar_batches(), "data_batch_2.bin": b"\x0a" * 3073}), "holds label 10"),
        (cifar_archive({"test_batch.bin": bytes(3073)}), "no data_batch_1.bin"),
    ],
)
def test_damaged_cifar10_archive_is_named(home: Path, archive: bytes, reason: str) -> None:
    path = home / "cifar-10-binary.tar.gz"
    path.write_bytes(archive)
    with pytest.raises(ZooError, match=rf"{path} is truncated or corrupt .*{reason}"):
        read_cifar10(None, DEFAULT)


def test_missing_cifar10_without_network(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    with silent_port() as silent:
        monkeypatch.setattr(cifar10, "ARCHIVE", download.Download((silent,), (("a", "b"),)))
        with pytest.raises(DataUnavailable) as caught:
            read_cifar10(None, DEFAULT)
    assert_all_ways_out(caught.value)


# Folders


def test_folder_without_classes(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / f"mine/{number:02}.png", np.full((8, 6), number, np.uint8))
    save(tmp_path / "mine/.hidden.png", random_pixels(3, 3))
    (tmp_path / "mine/notes.txt").write_text("no picture")
    images = read_folder(tmp_path / "mine")
    assert (images.name, images.shape, images.train.y, images.notes) == ("folder:mine", (1, 8, 6), {}, ())
    assert images.test.x[:, 0, 0, 0].tolist() == [9, 19]
    assert images.train.x[:, 0, 0, 0].tolist() == [n for n in range(20) if n not in (9, 19)]


def test_folder_with_classes_and_every_format(tmp_path: Path) -> None:
    for number, suffix in enumerate(("png", "jpg", "JPEG", "bmp", "gif", "webp", "tif", "tiff", "ppm")):
        pixels = np.full((8, 8, 3), 20 * number, np.uint8)
        save(tmp_path / f"{'ab'[number % 2]}/deeper/{number}.{suffix}", pixels)
    save(tmp_path / "b/x.pgm", np.full((8, 8), 200, np.uint8))
    images = read_folder(tmp_path)
    assert images.shape == (3, 8, 8)
    assert images.train.y["label"].tolist() == [0] * 5 + [1] * 4
    assert images.test.y["label"].tolist() == [1]
    assert images.notes == ("2 classes: 0 = a, 1 = b",)
    assert images.train.x[1].float().mean() == pytest.approx(40, abs=2)


def test_folder_with_splits(tmp_path: Path) -> None:
    for name, value in (("train/cat/1", 1), ("train/dog/1", 2), ("test/dog/1", 3)):
        save(tmp_path / f"{name}.png", np.full((4, 4), value, np.uint8))
    images = read_folder(tmp_path)
    assert images.train.x[:, 0, 0, 0].tolist() == [1, 2]
    assert images.test.x[:, 0, 0, 0].tolist() == [3]
    assert (images.train.y["label"].tolist(), images.test.y["label"].tolist()) == ([0, 1], [1])


def test_empty_split_is_told(tmp_path: Path) -> None:
    save(tmp_path / "train/1.png", random_pixels(4, 4))
    (tmp_path / "test").mkdir()
    with pytest.raises(ZooError, match=r"test holds no pictures \(\.bmp, "):
        read_folder(tmp_path)


def test_two_pictures_are_enough_and_one_is_not(tmp_path: Path) -> None:
    save(tmp_path / "1.png", random_pixels(4, 4))
    with pytest.raises(ZooError, match="holds one readable picture: it takes two"):
        read_folder(tmp_path)
    save(tmp_path / "2.png", random_pixels(4, 4))
    images = read_folder(tmp_path)
    assert (len(images.train), len(images.test)) == (1, 1)


def test_colour_is_grey_only_if_every_picture_is(tmp_path: Path) -> None:
    save(tmp_path / "1.png", np.full((4, 4), 100, np.uint8))
    save(tmp_path / "2.png", Image.new("LA", (4, 4), (100, 255)))
    assert read_folder(tmp_path).shape == (1, 4, 4)
    assert read_folder(tmp_path, colour="rgb").shape == (3, 4, 4)
    save(tmp_path / "3.png", np.full((4, 4, 3), 50, np.uint8))
    assert read_folder(tmp_path).shape == (3, 4, 4)
    images = read_folder(tmp_path, colour="grey")
    assert (images.shape, values(images.test.x)) == ((1, 4, 4), {50})


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGBA", (4, 4), (0, 0, 0, 0)), [255, 255, 255]),
        (Image.new("RGBA", (4, 4), (10, 20, 30, 255)), [10, 20, 30]),
        (Image.new("LA", (4, 4), (0, 0)), [255]),
        (Image.new("1", (4, 4), 1), [255]),
        (Image.fromarray(np.full((4, 4), 65535, np.uint16)), [255]),
        (Image.fromarray(np.full((4, 4), 25700, np.uint16)), [100]),
        (Image.new("P", (4, 4), 0), [0, 0, 0]),
        (Image.new("CMYK", (4, 4), (0, 0, 0, 0)), [255, 255, 255]),
    ],
)
def test_modes_of_pictures(tmp_path: Path, image: Image.Image, expected: list[int]) -> None:
    for name in ("1", "2"):
        save(tmp_path / f"{name}.{'tif' if image.mode == 'CMYK' else 'png'}", image)
    assert read_folder(tmp_path).train.x[0, :, 0, 0].tolist() == expected


def test_transparent_palette_is_laid_on_white_without_a_warning(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([9, 9, 9] * 256)
    for name in ("1", "2"):
        save(tmp_path / f"{name}.png", image, transparency=bytes([0]))
    assert read_folder(tmp_path).train.x[0, :, 0, 0].tolist() == [255, 255, 255]


def test_orientation_is_applied(tmp_path: Path) -> None:
    pixels = np.zeros((4, 6), np.uint8)
    pixels[:, :3] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    for name in ("1.png", "2.webp", "3.jpg"):
        save(tmp_path / name, Image.fromarray(pixels).convert("RGB"), exif=exif)
    images = read_folder(tmp_path)
    assert images.shape == (3, 6, 4)
    assert images.train.x[0, 0, :, 0].tolist() == [255, 255, 255, 0, 0, 0]


def test_crop_comes_before_size(tmp_path: Path) -> None:
    pixels = np.zeros((8, 24), np.uint8)
    pixels[:, 8:16] = 200
    for name in ("1", "2"):
        save(tmp_path / f"{name}.png", pixels)
    assert values(read_folder(tmp_path, crop="centre").train.x) == {200}
    images = read_folder(tmp_path, crop="centre", image_size=4)
    assert (images.shape, values(images.train.x)) == ((1, 4, 4), {200})
    assert read_folder(tmp_path, image_size=6).shape == (1, 6, 6)


def test_mixed_sizes_are_named(tmp_path: Path) -> None:
    save(tmp_path / "1.png", random_pixels(4, 4))
    save(tmp_path / "2.png", random_pixels(4, 6))
    with pytest.raises(ZooError, match=r"1\.png has 4 × 4 pixels and .*2\.png has 6 × 4: add --image-size 64"):
        read_folder(tmp_path)
    assert read_folder(tmp_path, crop="centre").shape == (1, 4, 4)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


@pytest.mark.parametrize(
    "damage", [_truncate, lambda path: path.write_bytes(b""), lambda path: path.write_text("text")]
)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_damaged_picture_stops_or_is_skipped(tmp_path: Path, damage: Callable[[Path], Any], suffix: str) -> None:
    for number in range(12):
        path = save(tmp_path / f"{'ab'[number // 6]}/{number:02}.{suffix}", random_pixels(32, 32, 3, seed=number))
    damage(path)
    with pytest.raises(ZooError, match=rf"{path} is not a readable picture .*--skip-bad"):
        read_folder(tmp_path)
    images = read_folder(tmp_path, skip_bad=True)
    assert (len(images.train), len(images.test)) == (10, 1)
    assert images.train.y["label"].tolist() == [0] * 6 + [1] * 4
    assert images.notes[1] == f"skipped 1 unreadable pictures: 11.{suffix}"


def test_note_names_the_first_skipped_files(tmp_path: Path) -> None:
    for number in range(10):
        save(tmp_path / f"{number}.png", random_pixels(4, 4))
    for number in range(8):
        (tmp_path / f"bad{number}.png").write_text("text")
    (note,) = read_folder(tmp_path, skip_bad=True).notes
    assert note.endswith("skipped 8 unreadable pictures: bad0.png, bad1.png, bad2.png, bad3.png, bad4.png and 3 more")


def test_only_damaged_pictures(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_text("text")
    with pytest.raises(ZooError, match="holds no readable pictures"):
        read_folder(tmp_path, skip_bad=True)


def test_floating_point_picture_is_unreadable(tmp_path: Path) -> None:
    save(tmp_path / "1.tif", Image.new("F", (4, 4)))
    with pytest.raises(ZooError, match="floating-point pixels"):
        read_folder(tmp_path)


def test_missing_empty_and_misnamed_folders(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"folder needs a path: write --data folder:PATH"):
        folder(None, DEFAULT)
    with pytest.raises(ZooError, match=r"there is no such folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(ZooError, match=r"holds no pictures"):
        read_folder(tmp_path / "data")
    np.savez(tmp_path / "x.npz", x=random_pixels(4, 4, 4))
    with pytest.raises(ZooError, match=r"that is a file: write npz:"):
        read_folder(tmp_path / "x.npz")


def test_links_are_followed_once(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / f"real/{number}.png", random_pixels(4, 4))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/linked").symlink_to(tmp_path / "real")
    (tmp_path / "real/loop").symlink_to(tmp_path / "mine")
    images = read_folder(tmp_path / "mine")
    assert len(images.train) + len(images.test) == 2


def test_limit_spares_reading_the_rest(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / f"{number:02}.png", np.full((4, 4), number, np.uint8))
    images = read_folder(tmp_path, limit=3)
    assert images.train.x[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert images.train.x.untyped_storage().nbytes() == 3 * 16
    assert len(images.test) == 2


def test_large_folder_is_mapped_to_a_file_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        save(tmp_path / f"mine/{number:02}.png", np.full((16, 16), number, np.uint8))
    monkeypatch.setattr(storage, "physical_memory", lambda: 4096)
    images = read_folder(tmp_path / "mine")
    assert images.train.x[:, 0, 0, 0].tolist() == [n for n in range(20) if n not in (9, 19)]
    assert "are read from disk" in images.notes[-1]
    if os.name == "posix":
        assert not list((cache.user_cache() / "mapped").iterdir())
    train, held = hold_out(images.train, 0.5, 0)
    assert sorted(torch.cat([train.x, held.x])[:, 0, 0, 0].tolist()) == images.train.x[:, 0, 0, 0].tolist()


def test_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "physical_memory", lambda: 0)
    with pytest.raises(ZooError, match=r"GB of images fit neither memory nor .*--image-size"):
        storage.allocate((1 << 60,), torch.uint8)


# npz


@pytest.mark.parametrize("name", ["x", "images", "anything"])
def test_npz_with_one_array(tmp_path: Path, name: str) -> None:
    pixels = random_pixels(20, 8, 6)
    arrays: dict[str, Any] = {name: pixels, "y": np.arange(20, dtype=np.uint8)}
    np.savez_compressed(tmp_path / "mine.npz", **arrays)
    images = read_npz(tmp_path / "mine.npz")
    assert (images.name, images.shape, images.scale) == ("npz:mine", (1, 8, 6), 1 / 255)
    assert torch.equal(images.test.x[:, 0], torch.from_numpy(pixels[[9, 19]]))
    assert torch.equal(images.train.x[9, 0], torch.from_numpy(pixels[10]))
    assert images.test.y["label"].tolist() == [9, 19]
    assert images.train.y["label"].dtype == torch.int64


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("x_train", "x_test"), ("y_train", "y_test")),
        (("train", "test"), ("y_train", "y_test")),
        (("train_images", "test_images"), ("train_labels", "test_labels")),
    ],
)
def test_npz_with_a_test_array(tmp_path: Path, names: tuple[str, str], labels: tuple[str, str]) -> None:
    arrays: dict[str, Any] = {names[0]: random_pixels(6, 4, 4), names[1]: random_pixels(3, 4, 4, seed=1)}
    arrays |= {labels[0]: np.arange(6)[:, None], labels[1]: np.eye(3)}
    np.savez(tmp_path / "mine.npz", **arrays)
    images = read_npz(tmp_path / "mine.npz")
    assert torch.equal(images.train.x[:, 0], torch.from_numpy(arrays[names[0]]))
    assert torch.equal(images.test.x[:, 0], torch.from_numpy(arrays[names[1]]))
    assert images.train.y["label"].tolist() == [0, 1, 2, 3, 4, 5]
    assert torch.equal(images.test.y["label"], torch.eye(3))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4, 8, 6, 3), (3, 8, 6)),
        ((4, 3, 8, 6), (3, 8, 6)),
        ((4, 8, 6, 1), (1, 8, 6)),
        ((4, 1, 8, 6), (1, 8, 6)),
        ((4, 4, 8, 6), (4, 8, 6)),
        ((4, 3, 5, 4), (4, 3, 5)),  # both would do: the last dimension is the channel
    ],
)
def test_npz_layouts(tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, int, int]) -> None:
    np.savez(tmp_path / "mine.npz", x=random_pixels(*shape))
    images = read_npz(tmp_path / "mine.npz")
    assert images.shape == expected
    assert images.train.x.is_contiguous()
    first = random_pixels(*shape)[0]
    assert torch.equal(
        images.train.x[0], torch.from_numpy(first if first.shape == expected else np.moveaxis(first, 2, 0))
    )


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "f2", "f8", "longdouble"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_of_floats(tmp_path: Path, dtype: str, order: Any) -> None:
    values = np.array(np.random.default_rng(0).random((12, 4, 4)), dtype, order=order)
    np.savez(tmp_path / "mine.npz", x=values)
    images = read_npz(tmp_path / "mine.npz")
    assert (images.scale, images.train.x.dtype) == (1.0, torch.float32)
    assert np.array_equal(images.train.x[:, 0].numpy(), values[[*range(9), 10, 11]].astype(np.float32))
    assert read_npz(tmp_path / "mine.npz", image_size=8).shape == (1, 8, 8)


def test_npz_in_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.data.archive._BLOCK", 100)
    np.savez_compressed(tmp_path / "mine.npz", x=random_pixels(50, 4, 4))
    images = read_npz(tmp_path / "mine.npz")
    assert torch.equal(images.test.x[:, 0], torch.from_numpy(random_pixels(50, 4, 4)[9::10]))


GOOD = random_pixels(4, 4, 4)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"x": np.array([GOOD, None], object)}, "x holds Python objects, which are pickled"),
        ({"x": GOOD, "y": np.array([1, 2, "a", None], object)}, "y holds Python objects"),
        ({"x": GOOD.astype(np.int64)}, "x holds int64: save images as uint8"),
        ({"x": GOOD.astype(np.complex64)}, "x holds complex64"),
        ({"x": GOOD[0]}, r"x has shape \(4, 4\): images are \(N, H, W\)"),
        ({"x": GOOD[None, None]}, r"x has shape \(1, 1, 4, 4, 4\)"),
        ({"x": np.uint8(3)}, r"x has shape \(\)"),
        ({"x": np.zeros((4, 5, 5, 5), np.uint8)}, "neither side has 1, 3 or 4 channels"),
        ({"x": GOOD[:0]}, "holds no image"),
        ({"x": GOOD[:, :0]}, "holds no image"),
        ({"x": GOOD[:1]}, "x holds one image"),
        ({"x": np.full((4, 4, 4), np.nan)}, "x holds NaN or infinite values"),
        ({"x": np.full((4, 4, 4), np.inf)}, "x holds NaN or infinite values"),
        ({"x": GOOD / 1.0}, r"x holds values from \d+ to \d+, not in \[0, 1\]: save x / 255"),
        ({"x": GOOD / 127.5 - 1}, r"x holds values from -[\d.]+ to [\d.]+, not in \[0, 1\]: save \(x \+ 1\) / 2"),
        ({"x": GOOD * 1e300}, r"rescale x"),
        ({"x": GOOD, "y": np.arange(3)}, "y holds 3 labels for the 4 images of x"),
        ({"x": GOOD, "y": np.array(["a", "b", "c", "d"])}, "y holds <U1: save labels as whole numbers"),
        ({"x": GOOD, "y": np.zeros((4, 2, 2))}, r"y has shape \(4, 2, 2\)"),
        ({"x": GOOD, "y": np.full(4, np.nan)}, "y holds NaN"),
        ({"a": GOOD, "b": GOOD}, "holds a, b: name the images x, or x_train and x_test"),
        ({}, "holds nothing: name the images x"),
        ({"x_train": GOOD, "x_test": GOOD[:, :2]}, "save both alike"),
        ({"x_train": GOOD, "x_test": GOOD / 255}, "save both alike"),
        ({"x_train": GOOD, "x_test": GOOD, "y_test": np.arange(3)}, "y_test holds 3 labels for the 4 images of x_test"),
    ],
)
def test_npz_of_the_wrong_kind(tmp_path: Path, arrays: dict[str, Any], reason: str) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    with pytest.raises(ZooError, match=f"{re.escape(str(path))}.*{reason}") as caught:
        read_npz(path)
    assert "\n" not in str(caught.value)


def _damage_in_the_middle(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(byte ^ 255 for byte in data[middle : middle + 20]) + data[middle + 20 :]


@pytest.mark.parametrize("damage", [_cut, _damage_in_the_middle, lambda data: b"", lambda data: b"text"])
@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_damaged_npz_is_named(tmp_path: Path, damage: Callable[[bytes], bytes], write: Any) -> None:
    path = tmp_path / "mine.npz"
    write(path, x=random_pixels(20, 16, 16))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ZooError, match=f"{re.escape(str(path))}"):
        read_npz(path)


def test_npz_that_is_missing_or_a_plain_array(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="npz needs a path"):
        npz(None, DEFAULT)
    with pytest.raises(ZooError, match="there is no such file"):
        read_npz(tmp_path / "nowhere.npz")
    np.save(tmp_path / "plain.npy", GOOD)
    with pytest.raises(ZooError, match=r"no npz archive .*numpy\.savez"):
        read_npz(tmp_path / "plain.npy")


# What all sets share


def stored(x: Tensor) -> Callable[[str | None, DataOptions], ImageSet]:
    split = Split(x, {"label": torch.arange(len(x))})
    return lambda argument, options: ImageSet("some", split, split, 1 / 255, "nowhere", ("first",))


def test_limit_keeps_the_first_and_notes_if_there_are_fewer() -> None:
    load = stored(torch.zeros(10, 1, 4, 4, dtype=torch.uint8))
    images = load_images(load, None, DataOptions(limit=3))
    assert (len(images.train), len(images.test), images.notes) == (3, 10, ("first",))
    assert images.train.y["label"].tolist() == [0, 1, 2]
    assert images.train.x.untyped_storage().nbytes() == 3 * 16
    images = load_images(load, None, DataOptions(limit=11))
    assert len(images.train) == 10
    assert images.notes == ("first", "--limit 11: there are only 10 training images, all are used")


def test_image_size_resizes_both_splits() -> None:
    images = load_images(stored(torch.full((10, 3, 8, 6), 77, dtype=torch.uint8)), None, DataOptions(image_size=5))
    assert images.shape == (3, 5, 5)
    assert images.test.x.shape == (10, 3, 5, 5)
    assert values(images.train.x) == {77}


def test_resize_averages_and_stays_in_range() -> None:
    board = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).repeat(8, 8)[None, None]
    assert resize(board, 4)[0, 0, 1:3, 1:3].float().mean().item() == pytest.approx(127.5, abs=2)
    assert resize(board, 16) is board
    ones = torch.ones(600, 1, 7, 7)
    assert resize(ones, 13).max() <= 1
    assert resize(ones, 13).shape == (600, 1, 13, 13)


def test_read_values_lie_in_the_unit_interval() -> None:
    images = load_images(stored(torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8)), None, DEFAULT)
    x = images.read(images.train.x)
    assert (x.min().item(), x.max().item()) == (0, 1)
    assert values(transforms.binarize(x, "dynamic")) <= {0.0, 1.0}


def test_hold_out_is_deterministic_complete_and_disjoint() -> None:
    split = Split(torch.arange(100).reshape(100, 1, 1, 1), {"label": torch.arange(100)})
    train, held = hold_out(split, 0.1, 0)
    assert (len(train), len(held)) == (90, 10)
    assert sorted(train.y["label"].tolist() + held.y["label"].tolist()) == list(range(100))
    assert torch.equal(train.x.flatten(), train.y["label"])
    assert torch.equal(held.y["label"], hold_out(split, 0.1, 0)[1].y["label"])
    assert not torch.equal(held.y["label"], hold_out(split, 0.1, 1)[1].y["label"])


@pytest.mark.parametrize(("fraction", "side"), [(0.0, "validation"), (0.01, "validation"), (0.99, "to train on")])
def test_hold_out_leaves_no_side_empty(fraction: float, side: str) -> None:
    with pytest.raises(ZooError, match=f"--val-fraction {fraction:g} of 10 images leaves no image .*{side}"):
        hold_out(Split(torch.zeros(10, 1, 2, 2), {}), fraction, 0)


@pytest.mark.parametrize(("count", "expected"), [(2, [1]), (9, [8]), (10, [9]), (25, [9, 19])])
def test_every_tenth(count: int, expected: list[int]) -> None:
    assert every_tenth(count).nonzero().flatten().tolist() == expected


# Transforms


def test_threshold_and_none() -> None:
    x = torch.tensor([0.0, 0.49, 0.5, 1.0]).reshape(1, 1, 2, 2)
    assert transforms.binarize(x, "threshold").flatten().tolist() == [0, 0, 1, 1]
    assert transforms.binarize(x, "none") is x
    assert transforms.augment(x, "none") is x


def test_dynamic_binarisation_has_the_pixel_as_its_mean() -> None:
    torch.manual_seed(0)
    x = torch.full((100, 1, 28, 28), 0.3)
    first = transforms.binarize(x, "dynamic")
    assert first.mean().item() == pytest.approx(0.3, abs=0.01)
    assert not torch.equal(first, transforms.binarize(x, "dynamic"))


def test_flip_mirrors_about_half_of_the_images() -> None:
    torch.manual_seed(0)
    x = torch.rand(1000, 2, 3, 5)
    flipped = transforms.augment(x, "flip")
    same = (flipped == x).all(dim=(1, 2, 3))
    mirrored = (flipped == x.flip(-1)).all(dim=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 400 < same.sum() < 600


def test_shift_moves_each_image_by_up_to_two_pixels() -> None:
    torch.manual_seed(0)
    x = torch.zeros(2000, 2, 9, 7)
    x[:, :, 4, 3] = 1
    shifted = transforms.augment(x, "shift")
    assert shifted.shape == x.shape
    assert torch.equal(shifted[:, 0], shifted[:, 1])
    places = shifted[:, 0].nonzero()
    assert len(places) == 2000
    assert set(map(tuple, places[:, 1:].tolist())) == {(row, column) for row in range(2, 7) for column in range(1, 6)}
    edge = transforms.augment(torch.ones(50, 1, 5, 5), "shift")
    assert values(edge) == {0.0, 1.0}


def test_augment_follows_the_seed() -> None:
    x = torch.rand(20, 1, 8, 8)
    torch.manual_seed(3)
    first = transforms.augment(x, "flip-shift")
    torch.manual_seed(3)
    assert torch.equal(first, transforms.augment(x, "flip-shift"))
