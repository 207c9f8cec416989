"""Speed of evaluation: codes of L_k, and embedded images, a second, against the machine's products of matrices.

    python benchmarks/evaluate.py [--models vae,conv-vae] [--k 500] [--images 200] [--embedded 10000] [--rounds 5]

The bound is that of `zoo evaluate --metrics iwae-bound`, asked of the metric itself on test images of MNIST; a code
costs one pass of the decoder, and an image one of the encoder. Embedding is `model.embed` over the test images in the
blocks that scores see. Models are freshly built: what they have learnt does not change what they cost. Shares of the
peak count products of matrices and convolutions alone, as torch counts them.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from measuring import in_turn, parser, peak_flops, prepare, save, spread, timed


def subject_for(model: str, device: str) -> tuple[Any, int]:
    """Return a freshly built model with MNIST, as metrics see them, and the number of test images."""
    import torch

    import zoo
    from zoo.data.options import DataOptions
    from zoo.datasets import open_images
    from zoo.device import choose_device
    from zoo.evaluation.blocks import subject_of
    from zoo.registry import load_registry
    from zoo.runs.loading import place

    torch.manual_seed(0)
    data = DataOptions()
    images = open_images(load_registry(third_party=False), "mnist", data)
    where = choose_device(device)
    built = place(zoo.build(model, images.shape), where).eval()
    return subject_of(built, images, data, zoo.Step.of(0, 0, 0, where), where, 0), len(images.test)


def bound(subject: Any, k: int, images: int) -> None:
    """Compute L_k of some images."""
    from zoo.evaluation.measure import ask, measure
    from zoo.registry import load_registry

    registry = load_registry(third_party=False)
    found = measure(subject, ask(registry, {"iwae-bound": {"k": k, "images": images}}))["iwae-bound"]
    assert found.value is not None, found.reason


def embed(subject: Any, images: int) -> None:
    """Embed some images, block by block."""
    import torch

    with torch.no_grad():
        for batch in subject.test(images):
            subject.model.embed(batch.x)


def flops_of(subject: Any) -> dict[str, float]:
    """Return the floating-point operations of the encoder for an image, and of the decoder for a code."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    batch = next(iter(subject.test(8)))
    with torch.no_grad(), FlopCounterMode(display=False) as encoder:
        z = subject.model.encode(batch.x).sample()
    with torch.no_grad(), FlopCounterMode(display=False) as decoder:
        subject.model.decode_mean(z)
    count = len(batch.x)
    return {"image": encoder.get_total_flops() / count, "code": decoder.get_total_flops() / count}


def measure_model(model: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one model."""
    subject, test = subject_for(model, options.device)
    images, embedded = min(options.images, test), min(options.embedded, test)
    flops = flops_of(subject)
    found = in_turn(
        {
            "iwae-bound": lambda: timed(lambda: bound(subject, options.k, images), options.device),
            "embedding": lambda: timed(lambda: embed(subject, embedded), options.device),
            "peak": lambda: peak_flops(options.device),
        },
        options.rounds,
        warm_up=1,
    )
    codes, peaks = options.k * images, found["peak"]
    work = {
        "iwae-bound": codes * flops["code"] + images * flops["image"],
        "embedding": embedded * flops["image"],
    }
    counted = {"iwae-bound": codes, "embedding": embedded}
    sys.stderr.write(f"{model}: {codes / spread(found['iwae-bound']).median:.0f} codes a second\n")
    return {
        "model": model,
        "flops_per_image": flops["image"],
        "flops_per_code": flops["code"],
        "per_second": {name: spread([count / each for each in found[name]]) for name, count in counted.items()},
        "peak_flops": spread(peaks),
        "share_of_peak": {
            name: spread([count / each / peak for each, peak in zip(found[name], peaks, strict=True)])
            for name, count in work.items()
        },
    }


def main() -> None:
    """Measure each model, and write the results."""
    made = parser(__doc__)
    made.add_argument("--models", default="vae,conv-vae", help="models of the registry (default vae,conv-vae)")
    made.add_argument("--k", type=int, default=500, help="codes of each image (default 500)")
    made.add_argument("--images", type=int, default=200, help="images of the bound (default 200)")
    made.add_argument("--embedded", type=int, default=10_000, help="images to embed (default 10,000)")
    options = made.parse_args()
    prepare(options)
    save("evaluate", options, {"models": [measure_model(name, options) for name in options.models.split(",")]})


if __name__ == "__main__":
    main()
