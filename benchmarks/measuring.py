"""What the benchmarks share: turns, medians, slopes, products of matrices, the machine, and the file of results."""

from __future__ import annotations

__all__ = [
    "RESULTS",
    "Spread",
    "in_turn",
    "machine",
    "parser",
    "peak_flops",
    "prepare",
    "save",
    "slope",
    "spread",
    "synchronise",
    "timed",
    "versions",
]

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

RESULTS = Path(__file__).resolve().parent / "results"
"""Where the committed results lie, from which the tables of docs/performance.md are made."""

PEAK_SIZES = (256, 512, 1024, 2048)
"""Sides of the square matrices whose product is timed."""

T = TypeVar("T")


@dataclass(frozen=True)
class Spread:
    """What several rounds gave.

    Arguments:
        median: What counts.
        least, greatest: The range of the rounds.
        rounds: How many there were.
    """

    median: float
    least: float
    greatest: float
    rounds: int


def spread(values: Sequence[float]) -> Spread:
    """Return the median of rounds and their range.

    Example:
        >>> spread([3.0, 1.0, 2.0])
        Spread(median=2.0, least=1.0, greatest=3.0, rounds=3)
    """
    return Spread(statistics.median(values), min(values), max(values), len(values))


def in_turn(contestants: Mapping[str, Callable[[], T]], rounds: int, warm_up: int = 0) -> dict[str, list[T]]:
    """Return what each contestant gives in each round, all of them taken in turn.

    A round starts with another one than the round before, so that none always runs after the same. Warm-up rounds come
    first, and are left out.

    Example:
        >>> in_turn({"a": lambda: 1, "b": lambda: 2}, rounds=2)
        {'a': [1, 1], 'b': [2, 2]}
    """
    found: dict[str, list[T]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(warm_up + rounds):
        first = number % max(1, len(names))
        for name in names[first:] + names[:first]:
            value = contestants[name]()
            if number >= warm_up:
                found[name].append(value)
    return found


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the slope of log y over log x by least squares: the order of a cost.

    Example:
        >>> round(slope([1, 10, 100], [2, 20, 200]), 6)
        1.0
    """
    logs, costs = [math.log(value) for value in x], [math.log(value) for value in y]
    fit = statistics.linear_regression(logs, costs)
    return fit.slope


def synchronise(device: str) -> None:
    """Wait until a GPU has done what it was told."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()


def timed(function: Callable[[], object], device: str = "cpu") -> float:
    """Return the seconds that a call takes, on a GPU until it has done."""
    synchronise(device)
    started = time.perf_counter()
    function()
    synchronise(device)
    return time.perf_counter() - started


def peak_flops(
    device: str, sizes: Sequence[int] = PEAK_SIZES, seconds: float = 0.2, kind: torch.dtype | None = None
) -> float:
    """Return the floating-point operations per second of the fastest product of square matrices.

    A product of N by N matrices counts as 2 N^3. Each size is repeated for about `seconds`; the numbers are of a kind,
    or in single precision.
    """
    return max(_product_flops(size, device, seconds, kind) for size in sizes)


def _product_flops(size: int, device: str, seconds: float, kind: torch.dtype | None) -> float:
    import torch

    a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))

    def multiply(times: int) -> None:
        for _ in range(times):
            torch.mm(a, b)

    multiply(1)
    times = max(1, min(1000, round(seconds / timed(partial(multiply, 1), device))))
    return 2 * size**3 * times / timed(partial(multiply, times), device)


def machine(device: str) -> dict[str, Any]:
    """Return what a reader needs to know of the machine, and nothing that names it."""
    import torch

    facts: dict[str, Any] = {
        "processor": _processor(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform.startswith("linux") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": None,
    }
    if device.startswith("cuda") and torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _processor() -> str:
    """Return the processor's name as it tells it itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def versions(*peers: str) -> dict[str, str]:
    """Return the versions of Python, torch and the zoo with its commit, and of peers that are installed."""
    import torch

    import zoo

    found = {"python": platform.python_version(), "torch": torch.__version__, "zoo": zoo.__version__}
    commit = _git("rev-parse", "--short", "HEAD")
    if commit:
        # Results themselves are no change of what was measured.
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results", ":!docs")
        found["commit"] = commit + (" with changes" if changed else "")
    for name in peers:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git(*words: str) -> str:
    folder = Path(__file__).resolve().parent.parent
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def parser(description: str | None, *, rounds: int = 5) -> argparse.ArgumentParser:
    """Return a parser with the flags that every benchmark has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=rounds, help=f"rounds that count, taken in turn (default {rounds})")
    made.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default cpu)")
    made.add_argument("--threads", type=int, default=2, help="threads of each process on the CPU (default 2)")
    made.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON file (default benchmarks/results)")
    return made


def prepare(arguments: argparse.Namespace) -> None:
    """Set the number of threads, here and in processes to come, and see that there is the device.

    Raises:
        SystemExit: If the device is not there, or there are no rounds.
    """
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    import torch

    from zoo.device import choose_device
    from zoo.errors import ZooError

    torch.set_num_threads(arguments.threads)
    if arguments.rounds < 1:
        raise SystemExit(f"--rounds {arguments.rounds}: there must be one at least")
    try:
        arguments.device = str(choose_device(arguments.device))
    except ZooError as error:
        raise SystemExit(str(error)) from None


def save(name: str, arguments: argparse.Namespace, figures: Mapping[str, Any], *peers: str) -> dict[str, Any]:
    """Write results with machine and versions to `NAME-DEVICE.json`, show them, and return them."""
    flags = {key: value for key, value in vars(arguments).items() if isinstance(value, int | float | str | list | None)}
    document = {
        "benchmark": name,
        "device": arguments.device.partition(":")[0],
        "settings": {key: value for key, value in flags.items() if key != "device"},
        "machine": machine(arguments.device),
        "versions": versions(*peers),
        **figures,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=2, default=_plain)
    (arguments.out / f"{name}-{document['device']}.json").write_text(text + "\n")
    print(text)
    return document


def _plain(value: object) -> object:
    if isinstance(value, Spread):
        rounded = {name: float(f"{each:.6g}") for name, each in asdict(value).items()}
        return {**rounded, "rounds": value.rounds}
    raise TypeError(f"{value!r} cannot stand in a file of results")
