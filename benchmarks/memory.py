"""Peak memory of training and of evaluation against the size of the data, from 10 MB to 20 GB.

    python benchmarks/memory.py [--sizes 10MB,100MB,1GB,5GB,20GB] [--model MODEL] [--rounds 1]
    python benchmarks/memory.py --write FOLDER --sizes 20GB

The data are packed sets of images of 3×64×64 that are written sparse, so that they take hardly any disk, and are read
like any other. Each size is trained on for one epoch and evaluated in processes of their own; figures are the largest
resident size of each in MB, beside that of importing torch and of `conv-vae` on MNIST, which needs MNIST under
ZOO_DATA. Of several rounds the largest counts. `--write` only writes a set, to be used with `--data packed:FOLDER`.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measuring import parser, prepare, save

from zoo.data.header import HEADER, Array, Header, PackedSplit

SHAPE = (3, 64, 64)
TEST = 1000
DRAWN = 256
"""Images that are drawn at random; the rest of a set is a hole in its file, which is read as black."""


def write_sparse(folder: Path, size: int, shape: tuple[int, int, int] = SHAPE) -> None:
    """Write a packed set of about `size` bytes of training images that takes hardly any disk."""
    folder.mkdir(parents=True)
    row = int(np.prod(shape))
    splits = []
    for name, count in (("train", max(DRAWN, size // row)), ("test", TEST)):
        pixels = np.random.default_rng(0).integers(0, 256, (min(count, DRAWN), row), dtype=np.uint8)
        with (folder / f"{name}.u8").open("wb") as file:
            file.write(pixels.tobytes())
            file.truncate(count * row)
        # Known by its size: the hash of a hole would take as long as that of an image.
        digest = hashlib.sha256(f"{name} {count} {shape}".encode()).hexdigest()
        splits.append(PackedSplit(Array(f"{name}.u8", "uint8", (count, *shape), digest), {}))
    header = Header("sparse", "benchmarks/memory.py", (), 1 / 255, splits[0], splits[1])
    (folder / HEADER).write_text(header.to_json())


def peak(command: list[str]) -> tuple[float, float]:
    """Run a command and return its largest resident size in MB, and the seconds that it took."""
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    begun = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_maxrss / 1024, time.perf_counter() - begun


def measured(size: int, model: str, rounds: int) -> dict[str, float]:
    """Return what training on so many bytes of images, and scoring the model, takes."""
    with tempfile.TemporaryDirectory() as below:
        folder = Path(below, "data")
        write_sparse(folder, size)
        zoo = [sys.executable, "-m", "zoo"]
        train = [*zoo, "train", model, "--data", f"packed:{folder}", "--epochs", "1", "--lr", "1e-4"]
        trained = [peak([*train, "--out", f"{below}/{i}"]) for i in range(rounds)]
        scored = [peak([*zoo, "evaluate", f"{below}/{i}"]) for i in range(rounds)]
    train_mb, train_seconds = (max(values) for values in zip(*trained, strict=True))
    return {"data, MB": size / 1e6, "train, MB": train_mb, "evaluate, MB": max(scored)[0], "train, s": train_seconds}


def on_mnist() -> float:
    """Return the peak of `conv-vae` on MNIST, whose images are a tensor in memory."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "zoo", "train", "conv-vae", "--data", "mnist", "--epochs", "1"]
        return peak([*command, "--out", f"{folder}/run"])[0]


def read_size(text: str) -> int:
    """Return a size such as `100MB` in bytes."""
    match = re.fullmatch(r"(\d+)(MB|GB)", text)
    if match is None:
        raise SystemExit(f"--sizes: write 100MB or 20GB, not {text}")
    return int(match[1]) * {"MB": 10**6, "GB": 10**9}[match[2]]


def main() -> None:
    """Measure, and write the results; or write a set."""
    made = parser(__doc__, rounds=1)
    made.add_argument("--model", default="linear-vae")
    made.add_argument("--sizes", default="10MB,100MB,1GB,5GB,20GB")
    made.add_argument("--write", type=Path, help="write a set of the first size here, and measure nothing")
    arguments = made.parse_args()
    sizes = [read_size(text) for text in arguments.sizes.split(",")]
    if arguments.write is not None:
        write_sparse(arguments.write, sizes[0])
        return
    prepare(arguments)
    figures = {
        "import torch, MB": peak([sys.executable, "-c", "import torch"])[0],
        "conv-vae on mnist, MB": on_mnist(),
        "sizes": [measured(size, arguments.model, arguments.rounds) for size in sizes],
    }
    save("memory", arguments, figures)


if __name__ == "__main__":
    main()
