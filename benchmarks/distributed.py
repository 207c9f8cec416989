"""Images per second of several processes that share each batch, against one process with as many threads in all.

    python benchmarks/distributed.py [--models vae,conv-vae] [--processes 2] [--threads 2]
                                     [--batches 128,512] [--images 16384] [--epochs 3] [--rounds 5] [--device cpu]
                                     [--network]

Each figure is a run of its own, started by torchrun where there are several processes, taken in turn with the others;
images per second are those of its training steps, the median of its epochs after the first. On the CPU, `--threads`
are divided among the processes. `--network` lets them talk by gloo alone, as processes of several machines do, and not
through memory. Images are random bytes of 28 × 28, of which the speed of a step does not depend.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from measuring import Spread, in_turn, parser, prepare, save, spread

SIDE = 28


def train(model: str, batch: int, images: int, epochs: int, device: str) -> dict[str, Any]:
    """Train, alone or as one of several, and return the images per second of each epoch but the first."""
    import torch

    import zoo
    from zoo import DataOptions, ImageSet, Split
    from zoo.distributed.company import company_of
    from zoo.distributed.meeting import met
    from zoo.runs.loading import place
    from zoo.training.allocator import keep_freed_memory
    from zoo.training.feed import Feed
    from zoo.training.options import TrainOptions
    from zoo.training.progress import Silent
    from zoo.training.trainer import Trainer, TrainingData

    options = TrainOptions(epochs=epochs + 1, batch_size=batch, device=device)
    keep_freed_memory()
    torch.manual_seed(0)
    x = torch.randint(256, (images, 1, SIDE, SIDE), dtype=torch.uint8)
    with met(options) as meeting:
        split = Split(x.to(meeting.device), {})
        made = place(zoo.build(model, (1, SIDE, SIDE)), meeting.device)
        records: list[Mapping[str, Any]] = []
        data = TrainingData(Feed(ImageSet("bytes", split, split, 1 / 255, ""), split, DataOptions(), batch, 0))
        company = company_of(made, meeting.world)
        trainer = Trainer(made, data, options, Silent(), lambda _: None, records.append, company)
        trainer.start()
        trainer.fit()
        facts = {"world": type(meeting.world).__name__, "threads": torch.get_num_threads()}
        speeds = [record["images_per_second"] for record in records[1:]]
        return {"first": meeting.world.first, "speeds": speeds, "loss": records[-1]["train"]["loss"], **facts}


def started(arguments: argparse.Namespace, model: str, batch: int, processes: int) -> float:
    """Run a training in processes of its own, and return its images per second."""
    words = ["--worker", model, "--batches", batch, "--images", arguments.images, "--epochs", arguments.epochs]
    words += ["--device", arguments.device, *(["--network"] if arguments.network else [])]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes] if processes > 1 else []
    threads = max(1, arguments.threads // processes)
    done = subprocess.run(
        [sys.executable, *map(str, launch), __file__, *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    speeds: list[float] = json.loads(done.stdout)["speeds"]
    return statistics.median(speeds)


def compare(arguments: argparse.Namespace, model: str, batch: int) -> dict[str, Spread]:
    """Return images per second of both, and their ratio in each round."""
    several = f"{arguments.processes} processes"
    contestants = {
        "one process": partial(started, arguments, model, batch, 1),
        several: partial(started, arguments, model, batch, arguments.processes),
    }
    found = in_turn(contestants, arguments.rounds)
    ratios = [b / a for a, b in zip(*found.values(), strict=True)]
    return {**{name: spread(values) for name, values in found.items()}, "ratio": spread(ratios)}


def main() -> None:
    """Measure, and write the results."""
    made = parser(__doc__)
    made.add_argument("--models", default="vae,conv-vae")
    made.add_argument("--processes", type=int, default=2)
    made.add_argument("--batches", type=lambda text: [int(one) for one in text.split(",")], default=[128, 512])
    made.add_argument("--images", type=int, default=16384)
    made.add_argument("--epochs", type=int, default=3)
    made.add_argument("--network", action="store_true", help="gloo alone")
    made.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = made.parse_args()
    if arguments.worker is not None:
        if arguments.network:
            import zoo.distributed.host

            zoo.distributed.host.settle = lambda group: group
        found = train(arguments.worker, arguments.batches[0], arguments.images, arguments.epochs, arguments.device)
        if found["first"]:
            print(json.dumps(found))
        return
    if arguments.device.startswith("cuda") and arguments.processes < 2:
        raise SystemExit(f"--processes {arguments.processes}: there must be two at least")
    prepare(arguments)
    figures = [
        {"model": model, "batch_size": batch, "images_per_second": compare(arguments, model, batch)}
        for model in arguments.models.split(",")
        for batch in arguments.batches
    ]
    save("distributed", arguments, {"cases": figures})


if __name__ == "__main__":
    main()
