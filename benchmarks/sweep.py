"""Eight models of different betas trained side by side, against one after another, and against one alone.

    python benchmarks/sweep.py [--models vae,conv-vae] [--count 8] [--steps 40]

Images of all models a second, of training steps alone: data, start-up and scores are left out. `one` is one model,
`off` are all of them one after another, `processes` are processes of one thread each, `vectorised` is one step for all.
The data is MNIST under ZOO_DATA, else glyphs. On the CPU side by side is to be 1.4 times `off` for vae and 1.2 times
for conv-vae; on a GPU all of them are to take at most twice the time of one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from measuring import in_turn, parser, prepare, save, spread, timed

BATCH = 128
WAYS = ("one", "off", "processes", "vectorised")


class Ready(Exception):
    """A trainer stands before its first step."""


def main() -> None:
    """Time all ways in turn for each model, or be one of the processes."""
    arguments = _parser().parse_args()
    prepare(arguments)
    if arguments.child is not None:
        _serve(arguments)
        return
    found: dict[str, Any] = {}
    for model in arguments.models.split(","):
        contestants = {way: _contestant(way, model, arguments) for way in _ways(arguments)}
        seconds = in_turn(contestants, arguments.rounds, warm_up=1)
        found[model] = _figures(seconds, arguments)
    save("sweep", arguments, {"models": found})


def _parser() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--models", default="vae,conv-vae", help="models, by commas")
    made.add_argument("--count", type=int, default=8, help="how many betas (default 8)")
    made.add_argument("--steps", type=int, default=40, help="steps of each model in a round (default 40)")
    made.add_argument("--child", help=argparse.SUPPRESS)
    return made


def _ways(arguments: argparse.Namespace) -> Sequence[str]:
    return WAYS if arguments.device == "cpu" else ("one", "off", "vectorised")


def _figures(seconds: dict[str, list[float]], arguments: argparse.Namespace) -> dict[str, Any]:
    counts = {way: 1 if way == "one" else arguments.count for way in seconds}
    speeds = {
        way: spread([counts[way] * BATCH * arguments.steps / one for one in times]) for way, times in seconds.items()
    }
    best = max((way for way in seconds if way in ("processes", "vectorised")), key=lambda way: speeds[way].median)
    return {
        "images_per_second": speeds,
        "fastest side by side": best,
        "times one after another": speeds[best].median / speeds["off"].median,
        "time of all over time of one": spread(seconds[best]).median / spread(seconds["one"]).median,
    }


def _contestant(way: str, model: str, arguments: argparse.Namespace) -> Callable[[], float]:
    """Return what takes a round, and tells its seconds."""
    betas = [0.1 * 1.5**i for i in range(arguments.count)]
    if way == "processes":
        return _processes(model, betas, arguments)
    steppers = _vectorised(model, betas, arguments) if way == "vectorised" else None
    steppers = steppers or [_alone(model, beta, arguments) for beta in (betas[:1] if way == "one" else betas)]

    def take() -> float:
        return timed(lambda: [step(arguments.steps) for step in steppers], arguments.device)

    return take


def _trainer(model: str, beta: float, arguments: argparse.Namespace) -> Any:
    """Return the trainer of a run that is about to take its first step, and its settings."""
    from zoo.experiment import run_training
    from zoo.registry import load_registry
    from zoo.settings import Layer, resolve
    from zoo.training.progress import Silent
    from zoo.training.trainer import Trainer

    kept: list[Trainer] = []

    def fit(trainer: Trainer) -> NoReturn:
        kept.append(trainer)
        raise Ready

    data = "mnist" if "ZOO_DATA" in os.environ else "glyphs"
    values = {"data": data, "beta": beta, "batch_size": BATCH, "device": arguments.device, "epochs": 1000}
    settings = resolve(load_registry(third_party=False), model, [Layer("benchmark", values)])
    with tempfile.TemporaryDirectory() as folder:
        try:
            run_training(load_registry(third_party=False), settings, Silent(), Path(folder) / "run", fit=fit)
        except Ready:
            # Checkpoints go nowhere: rounds end in the middle of an epoch, or nearly so.
            kept[0]._save = lambda _: None
            kept[0]._record = lambda _: None
    return kept[0], settings


def _alone(model: str, beta: float, arguments: argparse.Namespace) -> Callable[[int], None]:
    """Return what takes steps of one model, as in a run of it."""
    from zoo.training.interrupt import Interruption

    trainer, _ = _trainer(model, beta, arguments)
    course = trainer.course(Interruption())

    def take(count: int) -> None:
        with trainer.setting():
            for _, stored in zip(range(count), course, strict=False):
                trainer.take(stored)

    return take


def _vectorised(model: str, betas: Sequence[float], arguments: argparse.Namespace) -> list[Callable[[int], None]]:
    """Return what takes steps of all models at once."""
    import torch

    from zoo.many.vectorised.build import joint_step
    from zoo.registry import load_registry
    from zoo.training.capture import recorded_on, stream_of_its_own
    from zoo.training.feed import Several
    from zoo.training.interrupt import Interruption

    device = torch.device(arguments.device)
    trainers, settings = zip(*[_trainer(model, beta, arguments) for beta in betas], strict=True)
    generators = [torch.Generator(arguments.device).manual_seed(i) for i in range(len(betas))]
    courses = [trainer.course(Interruption()) for trainer in trainers]
    state: dict[str, Any] = {}

    def take(count: int) -> None:
        with stream_of_its_own(device):
            for _ in range(count):
                stored = Several(tuple(next(course) for course in courses))
                step = trainers[0].here()
                if "take" not in state:
                    registry = load_registry(third_party=False)
                    joint = joint_step(registry, trainers, generators, settings, stored, step)
                    state["take"] = recorded_on(device, joint, lambda line: print(line, file=sys.stderr))
                state["take"](stored, step, trainers[0].step.turns(trainers[0].count))

    return [take]


def _processes(model: str, betas: Sequence[float], arguments: argparse.Namespace) -> Callable[[], float]:
    """Return what has processes of one thread take the steps, each of its share of the models."""
    workers = min(arguments.threads, len(betas))
    command = [sys.executable, __file__, "--threads", "1", "--steps", str(arguments.steps), "--models", model]
    children = [
        subprocess.Popen(
            [*command, "--child", ",".join(str(beta) for beta in betas[i::workers])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(workers)
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()

    def work() -> None:
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()

    return lambda: timed(work)


def _serve(arguments: argparse.Namespace) -> None:
    """Take a round whenever a line comes, until none will."""
    steppers = [_alone(arguments.models, float(beta), arguments) for beta in arguments.child.split(",")]
    print("ready", flush=True)
    for _ in sys.stdin:
        for step in steppers:
            step(arguments.steps)
        print("done", flush=True)


if __name__ == "__main__":
    main()
