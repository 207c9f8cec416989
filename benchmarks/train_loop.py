"""Images per second of `zoo train conv-vae --data mnist` against the loop that people write by hand.

    python benchmarks/train_loop.py [--rounds 5] [--images 20000] [--threads 2] [--out FILE]

The hand-written loop is torchvision's MNIST with ToTensor, a DataLoader, the same net (built by the zoo, so that it is
the same to the weight), plain Adam with the same constant learning rate, and the same loss. Each figure is a process
of its own, taken in turn; images per second are those of the training loop alone, in both. Needs MNIST under ZOO_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def by_hand(images: int, workers: int) -> float:
    """Train one epoch as tutorials do, and return the images per second."""
    import torch
    from torch.nn import functional as F
    from torch.utils.data import DataLoader, Subset
    from torchvision.datasets import MNIST
    from torchvision.transforms import ToTensor

    import zoo

    torch.manual_seed(0)
    # In plain memory layout, as a hand-written module has it.
    model = zoo.build("conv-vae", (1, 28, 28), beta=0.11).to(memory_format=torch.contiguous_format)
    encoder, decoder = model.encoder, model.decoder
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    data = Subset(MNIST(os.environ["BENCHMARK_MNIST"], download=True, transform=ToTensor()), range(images))
    loader = DataLoader(data, batch_size=128, shuffle=True, num_workers=workers)
    model.train()
    started = time.perf_counter()
    for x, _ in loader:
        q = encoder(x)
        mean, logvar = q.loc, 2 * q.scale.log()
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        kl = -0.5 * torch.sum(1 + logvar - mean**2 - logvar.exp())
        loss = (F.mse_loss(decoder(z).mean, x, reduction="sum") + 0.11 * kl) / len(x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return images / (time.perf_counter() - started)


def by_zoo(images: int, folder: Path) -> float:
    """Run `zoo train conv-vae --data mnist` for one epoch, and return its images per second."""
    out = folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "zoo", "train", "conv-vae", "--data", "mnist", "--beta", "0.11", "--lr", "1e-3"]
    command += ["--epochs", "1", "--limit", str(images), "--out", str(out), "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(json.loads(done.stdout)["scores"]["images_per_second"])


def _by_hand_process(images: int, workers: int) -> float:
    command = [sys.executable, __file__, "--by-hand", str(workers), "--images", str(images)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _unpacked_mnist(folder: Path) -> Path:
    """Copy the packed files to where torchvision may unpack them beside themselves."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (Path(os.environ["ZOO_DATA"]) / "MNIST" / "raw").glob("*"):
        shutil.copy(path, raw / path.name)
    return folder


def main() -> None:
    """Take the figures in turn, and print them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=20000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--by-hand", type=int, metavar="WORKERS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.by_hand is not None:
        print(by_hand(arguments.images, arguments.by_hand))
        return
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["BENCHMARK_MNIST"] = str(_unpacked_mnist(Path(temporary)))
        report = _measure(arguments, Path(temporary))
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


def _measure(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    import torch

    figures: dict[str, list[float]] = {"zoo": [], "by hand, 0 workers": [], "by hand, 2 workers": []}
    for _ in range(arguments.rounds):
        figures["zoo"].append(by_zoo(arguments.images, folder))
        figures["by hand, 0 workers"].append(_by_hand_process(arguments.images, 0))
        figures["by hand, 2 workers"].append(_by_hand_process(arguments.images, 2))
    median = {name: statistics.median(values) for name, values in figures.items()}
    best = max(value for name, value in median.items() if name != "zoo")
    return {
        "images_per_second": figures,
        "median": median,
        "zoo / best by hand": median["zoo"] / best,
        "zoo / by hand, 0 workers": median["zoo"] / median["by hand, 0 workers"],
        "batch": 128,
        "images": arguments.images,
        "threads": arguments.threads,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
