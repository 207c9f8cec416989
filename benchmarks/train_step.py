"""Images per second of training the same net: the zoo, a hand-written loop, the bare step, pythae, Lightning.

    python benchmarks/train_step.py [--cases conv-vae:64,conv-vae:128,...] [--compile] [--rounds 5]
                                    [--images 16384] [--device cpu] [--peer-python PYTHON]

Each contestant is a process of its own that stays, and trains one epoch whenever its turn comes; the first epochs are a
warm-up and do not count. Before that it shows that it computes the same: loss, gradients and mean images from the
zoo's weights. `training` are the seconds from the first step of an epoch to the last, `whole` those with what the
epoch ends in, such as the zoo's log and checkpoint. Ratios are of `training`, round by round.

All run with as many threads, and otherwise as they come. On Linux the zoo lets the C library keep freed memory for the
next step; `--memory kept` has all of them do so. MNIST must be below ZOO_DATA. Those that are not installed are told as
absent: pip install -r benchmarks/requirements.txt, into this environment or into that of --peer-python.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contestants import CONTESTANTS, NEEDS, Task, command_of
from measuring import in_turn, parser, prepare, save, spread
from nets import NETS

CASES = ",".join(f"{model}:{size}" for model in NETS for size in (64, 128, 512, 2048))
OURS, PEAK, COMPILED = "zoo", "matrix product", "zoo --compile"
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
"""What lets glibc keep freed memory for the next step, which `zoo train` sets for itself."""


@dataclass
class Process:
    """A contestant that was started.

    Arguments:
        task: What it trains.
        process: Where.
        errors: What it wrote to standard error.
        facts: What it said of itself, once it stands.
    """

    task: Task
    process: subprocess.Popen[str]
    errors: Path
    facts: Mapping[str, Any] = field(default_factory=dict)

    def stand(self) -> None:
        """Wait until it is ready, or says why it is absent."""
        self.facts = _answer(self.process, self.task.contestant, self.errors)
        if self.task.contestant == OURS and "absent" in self.facts:
            raise SystemExit(f"zoo: {self.facts['absent']}")

    def turn(self) -> Mapping[str, float]:
        """Have it train one epoch, and return what it took."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer = _answer(self.process, self.task.contestant, self.errors)
        told = f"{answer['flops'] / 1e9:.0f} GFLOP/s" if "flops" in answer else f"{answer['training']:.3f} s"
        sys.stderr.write(f"{self.task.model}, batch {self.task.batch_size}, {self.task.contestant}: {told}\n")
        return answer


@contextmanager
def contestant(task: Task, python: str, memory: str) -> Iterator[Process]:
    """Start a contestant, and end it after the `with`."""
    errors = Path(task.folder) / "errors.txt"
    env = {**os.environ, "OMP_NUM_THREADS": str(task.threads), **(KEPT if memory == "kept" else {})}
    with errors.open("w") as file:
        process = subprocess.Popen(
            [python, *command_of(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            env=env,
            text=True,
        )
    # Its end closes the pipe that it reads from, at which it ends.
    with process:
        try:
            yield Process(task, process, errors)
        except BaseException:
            process.kill()
            raise


def _answer(process: subprocess.Popen[str], name: str, errors: Path) -> Mapping[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait(60)
        told = errors.read_text().strip().splitlines()
        raise SystemExit(f"{name} ended: {told[-1] if told else f'exit code {process.returncode}'}")
    answer: Mapping[str, Any] = json.loads(line)
    return answer


def measure_case(model: str, batch_size: int, names: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one model at one batch size."""
    from agreement import reference_of, write_reference
    from plain_mnist import copy_mnist, images_of

    agreed, flops = _inspect(model, batch_size)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        images = min(options.images, len(images_of(copy_mnist(Path(folder)))[1]))
        write_reference(reference_of(model), Path(folder) / f"{model}.pt")
        standing: dict[str, Process] = {}
        for name in names:
            own = Path(folder) / name.replace(" ", "-")
            own.mkdir()
            for shared in ("MNIST", f"{model}.pt"):
                (own / shared).symlink_to(Path(folder) / shared)
            task = Task(name, model, batch_size, images, options.device, options.precision, options.threads, str(own))
            python = options.peer_python if name in NEEDS else sys.executable
            standing[name] = stack.enter_context(contestant(task, python, options.memory))
        for one in standing.values():
            one.stand()
        there = {name: one for name, one in standing.items() if "absent" not in one.facts}
        _same(there, "torch")
        _same(there, "threads")
        turns: dict[str, Callable[[], Mapping[str, float]]] = {name: one.turn for name, one in there.items()}
        warm = in_turn(turns, options.warm_up)
        found = in_turn(turns, options.rounds)
    return {
        "model": model,
        "batch_size": batch_size,
        "images": images,
        "flops_per_image": flops,
        "largest_difference": agreed,
        "warm_up_seconds": {name: sum(each["whole"] for each in warm[name]) for name in there if name != PEAK},
        "peers": {name: one.facts["version"] for name, one in there.items() if name in NEEDS},
        "absent": {name: one.facts["absent"] for name, one in standing.items() if "absent" in one.facts},
        **figures(found, images, flops),
    }


def _inspect(model: str, batch_size: int) -> tuple[float, float]:
    """Return how far the plain net is from the zoo's, and the operations of a step for each image."""
    import torch
    from agreement import check_plain, reference_of
    from torch.utils.flop_counter import FlopCounterMode

    net = NETS[model]()
    difference = check_plain(net, reference_of(model))
    x = torch.rand(batch_size, 1, 28, 28)
    with FlopCounterMode(display=False) as counter:
        net.loss(x).backward()  # type: ignore[no-untyped-call]  # torch's
    return difference, counter.get_total_flops() / batch_size


def _same(there: Mapping[str, Process], fact: str) -> None:
    if len({one.facts[fact] for one in there.values()}) > 1:
        told = ", ".join(f"{name} {one.facts[fact]}" for name, one in there.items())
        raise SystemExit(f"a comparison wants the same {fact} for all, not {told}")


def figures(found: Mapping[str, Sequence[Mapping[str, float]]], images: int, flops: float) -> dict[str, Any]:
    """Return speeds, ratios of the zoo's to the others' and shares of the peak, each over the rounds.

    Arguments:
        found: What each contestant took in each round.
        images: Images of an epoch.
        flops: Floating-point operations of a step for each image, forwards and backwards.
    """
    trainers = [name for name in found if name != PEAK]
    speeds = {name: [images / answer["training"] for answer in found[name]] for name in trainers}
    whole = {name: [images / answer["whole"] for answer in found[name]] for name in trainers}
    document: dict[str, Any] = {
        "images_per_second": {name: spread(values) for name, values in speeds.items()},
        "images_per_second_of_whole_epochs": {name: spread(values) for name, values in whole.items()},
    }
    if OURS in speeds:
        document["times_as_fast_as"] = {
            name: spread([ours / theirs for ours, theirs in zip(speeds[OURS], values, strict=True)])
            for name, values in speeds.items()
            if name != OURS
        }
    if PEAK in found:
        peaks = [answer["flops"] for answer in found[PEAK]]
        document["peak_flops"] = spread(peaks)
        document["share_of_peak"] = {
            name: spread([speed * flops / peak for speed, peak in zip(values, peaks, strict=True)])
            for name, values in speeds.items()
        }
    return document


def main() -> None:
    """Measure every case that was asked for, and write the results."""
    made = parser(__doc__)
    made.add_argument("--cases", default=CASES, help=f"models with their batch sizes (default {CASES})")
    made.add_argument("--images", type=int, default=16384, help="most images of an epoch (default 16384)")
    made.add_argument("--warm-up", type=int, default=1, help="epochs before those that count (default 1)")
    made.add_argument("--compile", action="store_true", help="the zoo with --compile as well")
    made.add_argument("--only", help="some contestants alone, such as 'zoo;bare step'")
    made.add_argument("--memory", choices=("kept", "own"), default="own", help="what becomes of freed memory")
    made.add_argument("--precision", help="of the zoo, as zoo train takes it; its default without")
    made.add_argument("--peer-python", default=sys.executable, help="the interpreter that has pythae and Lightning")
    options = made.parse_args()
    prepare(options)
    cases, names = _cases(options.cases), _names(options)
    if shutil.which(options.peer_python) is None:
        raise SystemExit(f"--peer-python {options.peer_python}: there is no such interpreter")
    found = [measure_case(model, size, names, options) for model, size in cases]
    # A path of this machine.
    options.peer_python = None
    save("train_step", options, {"cases": found})


def _cases(text: str) -> list[tuple[str, int]]:
    cases = []
    for one in text.split(","):
        model, colon, size = one.strip().partition(":")
        if model not in NETS or not colon or not size.isdecimal() or int(size) < 1:
            raise SystemExit(f"--cases {one}: write a model of {', '.join(NETS)} and a batch size, such as vae:128")
        cases.append((model, int(size)))
    return cases


def _names(options: argparse.Namespace) -> list[str]:
    if options.only is None:
        return [name for name in CONTESTANTS if name != COMPILED or options.compile]
    chosen: list[str] = [name.strip() for name in options.only.split(";")]
    unknown = [name for name in chosen if name not in CONTESTANTS]
    if unknown:
        raise SystemExit(f"--only {unknown[0]}: the contestants are {', '.join(CONTESTANTS)}")
    return chosen


if __name__ == "__main__":
    main()
