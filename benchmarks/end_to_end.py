"""Wall time to a fixed quality, start-up included: the whole command `zoo train conv-vae` against a hand-written loop.

    python benchmarks/end_to_end.py [--mse 0.015] [--rounds 5] [--epochs-zoo N] [--epochs-by-hand N] [--device cpu]

The quality is the mean squared error of reconstructions on MNIST. The fewest epochs that reach it are found first, with
a tenth of the training images held out, and are not timed. Then both train on all training images, in turn, each round
with another seed, and what the clock shows is the whole process: importing torch, reading the data, training, scoring
the test images; and for the zoo its figures, card and checkpoints. The test error is told for each round.

The hand-written loop has the same net in plain layers, torchvision, ToTensor, a DataLoader and Adam at 1e-3.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from measuring import in_turn, parser, prepare, save, spread

MODEL = "conv-vae"
BATCH = 128
MOST_EPOCHS = 20
HELD_OUT = 0.1


@dataclass(frozen=True)
class Outcome:
    """What one process came to.

    Arguments:
        seconds: From its start to its end.
        mse: What it scored.
    """

    seconds: float
    mse: float


def fewest_epochs(score: Callable[[int], float], goal: float, most: int = MOST_EPOCHS) -> int:
    """Return the fewest epochs whose score is no more than the goal, trying one after another.

    Raises:
        SystemExit: If not even the most epochs do.
    """
    found = float("inf")
    for epochs in range(1, most + 1):
        found = score(epochs)
        sys.stderr.write(f"{epochs} epochs: validation mse {found:.5f}\n")
        if found <= goal:
            return epochs
    raise SystemExit(f"{most} epochs end at {found:.5f}, which is above {goal:g}")


def run(command: list[str]) -> tuple[float, str]:
    """Run a command to its end, and return its seconds and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command[1:4])} failed: {done.stderr.strip().splitlines()[-1]}")
    return seconds, done.stdout


def by_zoo(epochs: int, seed: int, device: str, *, held_out: bool = False) -> Outcome:
    """Run `zoo train`, and return its time and its mse on the test images, or on those held out."""
    zoo = [sys.executable, "-m", "zoo"]
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/run"
        command = [*zoo, "train", MODEL, "--data", "mnist", "--epochs", str(epochs), "--batch-size", str(BATCH)]
        command += ["--seed", str(seed), "--device", device, "--out", out, "--json"]
        command += ["--val-fraction", str(HELD_OUT)] if held_out else []
        seconds, shown = run(command)
        if held_out:
            _, shown = run([*zoo, "evaluate", out, "--split", "val", "--device", device, "--json"])
    return Outcome(seconds, float(json.loads(shown)["scores"]["mse"]))


def by_hand(folder: Path, epochs: int, seed: int, device: str, *, held_out: bool = False) -> Outcome:
    """Run the hand-written loop in a process of its own, and return its time and its mse."""
    words = [str(folder), str(epochs), str(seed), device, str(int(held_out))]
    seconds, shown = run([sys.executable, __file__, "--train-by-hand", *words])
    return Outcome(seconds, float(shown))


def train_by_hand(folder: Path, epochs: int, seed: int, device: str, held_out: bool) -> float:
    """Train as tutorials do, and return the mse."""
    import torch
    from nets import NETS
    from plain_mnist import images_of, loader_of, test_images_of
    from torch.nn import functional as F

    torch.manual_seed(seed)
    net = NETS[MODEL]().to(device)
    train = images_of(folder)[0]
    count = round(len(train) * (1 - HELD_OUT)) if held_out else len(train)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    loader = loader_of(folder, count, BATCH, 0, device)
    for _ in range(epochs):
        for x, _ in loader:
            loss = net.loss(x.to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    net.eval()
    images = train[count:] if held_out else test_images_of(folder)
    with torch.no_grad():
        parts = [(net.reconstruct(x.to(device)), x.to(device)) for x in images.split(500)]
        return float(torch.stack([F.mse_loss(mean, x, reduction="sum") for mean, x in parts]).sum() / images.numel())


def measure(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Find the epochs, then take the times in turn."""
    zoo_epochs = options.epochs_zoo or fewest_epochs(
        lambda epochs: by_zoo(epochs, 0, options.device, held_out=True).mse, options.mse
    )
    hand_epochs = options.epochs_by_hand or fewest_epochs(
        lambda epochs: by_hand(folder, epochs, 0, options.device, held_out=True).mse, options.mse
    )
    seeds = {"zoo": iter(range(10**6)), "by hand": iter(range(10**6))}
    found = in_turn(
        {
            "zoo": lambda: _told("zoo", by_zoo(zoo_epochs, next(seeds["zoo"]), options.device)),
            "by hand": lambda: _told("by hand", by_hand(folder, hand_epochs, next(seeds["by hand"]), options.device)),
        },
        options.rounds,
    )
    pairs = zip(found["by hand"], found["zoo"], strict=True)
    return {
        "model": MODEL,
        "batch_size": BATCH,
        "mse_to_reach": options.mse,
        "epochs": {"zoo": zoo_epochs, "by hand": hand_epochs},
        "seconds": {name: spread([outcome.seconds for outcome in outcomes]) for name, outcomes in found.items()},
        "test_mse": {name: [outcome.mse for outcome in outcomes] for name, outcomes in found.items()},
        "times_as_fast_as": {"by hand": spread([theirs.seconds / ours.seconds for theirs, ours in pairs])},
    }


def _told(name: str, outcome: Outcome) -> Outcome:
    sys.stderr.write(f"{name}: {outcome.seconds:.1f} s, test mse {outcome.mse:.5f}\n")
    return outcome


def main() -> None:
    """Measure, and write the results."""
    if sys.argv[1:2] == ["--train-by-hand"]:
        folder, epochs, seed, device, held_out = sys.argv[2:]
        print(train_by_hand(Path(folder), int(epochs), int(seed), device, held_out == "1"))
        return
    made = parser(__doc__)
    made.add_argument("--mse", type=float, default=0.015, help="the error to reach (default 0.015)")
    made.add_argument("--epochs-zoo", type=int, help="epochs of the zoo, instead of finding the fewest")
    made.add_argument("--epochs-by-hand", type=int, help="epochs of the loop, instead of finding the fewest")
    options = made.parse_args()
    prepare(options)
    from plain_mnist import copy_mnist

    os.environ["MPLBACKEND"] = "agg"
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, copy_mnist(Path(folder)))
    save("end_to_end", options, figures)


if __name__ == "__main__":
    main()
