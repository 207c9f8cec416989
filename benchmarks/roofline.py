"""The time that a step's kernels take against their roofline: what products of matrices and memory allow at best.

    python benchmarks/roofline.py --device cuda [--models conv-vae,vae] [--batches 128,512] [--precision bf16]

The kernels' time is the profiler's over an epoch of `zoo.train` on MNIST, divided by its steps; on a CPU it is that of
the operators. The roofline takes each operator of an eager step (loss, gradients, and Adam's one pass over memory) to
need the greater of its operations at the measured peak of products of matrices and its bytes, read and written, at the
measured bandwidth of a copy. Kernels that are fused read and write less, and may be faster than it. The peak is that of
the precision that is asked for; bytes are counted in single precision.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from epochs import Enough, train
from measuring import parser, peak_flops, prepare, save, spread, timed
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from zoo.training.precision import choose_precision, precise


@dataclass(frozen=True)
class Operator:
    """What one operator of a step does: floating-point operations, and bytes read and written."""

    flops: float
    moved: float


class Watch(TorchDispatchMode):
    """Notes what every operator does that is run inside its `with`; views do nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: list[Operator] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if not func.is_view:
            count = flop_registry.get(func.overloadpacket)
            flops = count(*args, **(kwargs or {}), out_val=found) if count is not None else 0
            tensors = {id(each): each for each in tree_leaves((args, kwargs, found)) if isinstance(each, Tensor)}
            self.operators.append(Operator(flops, sum(each.nbytes for each in tensors.values())))
        return found


def bandwidth(device: str, megabytes: int = 256) -> float:
    """Return the bytes per second of a copy, read and written."""
    source = torch.rand(megabytes * 2**18, device=device)
    target = torch.empty_like(source)
    return max(2 * source.nbytes / timed(lambda: target.copy_(source), device) for _ in range(5))


def roofline(operators: list[Operator], parameters: int, peak: float, moved_per_second: float) -> float:
    """Return the seconds that a step takes at best.

    Arguments:
        operators: Those of loss and gradients.
        parameters: How many Adam moves: it reads four numbers for each, and writes three.
        peak: Floating-point operations per second.
        moved_per_second: Bytes per second.
    """
    work = [*operators, Operator(0, 7 * 4 * parameters)]
    return sum(max(each.flops / peak, each.moved / moved_per_second) for each in work)


def operators_of(model: str, batch_size: int, device: str) -> tuple[list[Operator], int]:
    """Return the operators of an eager step of a model, and how many values it trains."""
    import zoo
    from zoo.runs.loading import place

    built = place(zoo.build(model, (1, 28, 28)), torch.device(device)).train()
    x = torch.rand(batch_size, 1, 28, 28, device=device).contiguous(memory_format=torch.channels_last)
    step = zoo.Step.of(0, 0, 0, device)
    with Watch() as watch:
        built.loss(zoo.Batch(x, {}, torch.arange(batch_size)), step).loss.backward()
    return watch.operators, sum(parameter.numel() for parameter in built.parameters())


def kernel_seconds(model: str, batch_size: int, images: int, options: argparse.Namespace) -> tuple[float, float]:
    """Return the seconds of a step's kernels in the third epoch, and the wall time of a step in the second."""
    on_gpu = options.device.startswith("cuda")
    watched = profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU])
    steps: list[int] = []
    walls: list[float] = []

    def epoch(record: Mapping[str, Any]) -> None:
        walls.append(batch_size / record["images_per_second"])
        if len(walls) == 2:
            watched.start()
        elif len(walls) == 3:
            watched.stop()
            raise Enough

    settings: dict[str, Any] = {"limit": images, "batch_size": batch_size, "device": options.device, "epochs": 4}
    train(model, epoch, steps.append, data="mnist", precision=options.precision, **settings)
    averages = watched.key_averages()
    total = sum(each.self_device_time_total if on_gpu else each.self_cpu_time_total for each in averages)
    return 1e-6 * total / steps[0], walls[1]


def measure_case(model: str, batch_size: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of a model at a batch size."""
    precision = choose_precision(options.precision, torch.device(options.device))
    with precise(precision):
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        peak, moved = peak_flops(options.device, kind=kind), bandwidth(options.device)
    best = roofline(*operators_of(model, batch_size, options.device), peak, moved)
    taken = [kernel_seconds(model, batch_size, options.images, options) for _ in range(options.rounds)]
    return {
        "model": model,
        "batch_size": batch_size,
        "peak_flops": peak,
        "bytes_per_second": moved,
        "roofline_seconds": best,
        "kernel_seconds": spread([kernels for kernels, _ in taken]),
        "step_seconds": spread([step for _, step in taken]),
        "share_of_roofline": spread([best / kernels for kernels, _ in taken]),
    }


def main() -> None:
    """Measure every case that was asked for, and write the results."""
    made = parser(__doc__)
    made.add_argument("--models", default="conv-vae,vae", help="models of the registry (default conv-vae,vae)")
    made.add_argument("--batches", default="128,512", help="batch sizes (default 128,512)")
    made.add_argument("--images", type=int, default=16384, help="images of an epoch (default 16384)")
    made.add_argument("--precision", default="auto", help="as zoo train takes it (default auto)")
    options = made.parse_args()
    prepare(options)
    cases = [(model, int(size)) for model in options.models.split(",") for size in options.batches.split(",")]
    save("roofline", options, {"cases": [measure_case(model, size, options) for model, size in cases]})


if __name__ == "__main__":
    main()
