"""How cost grows: with the number of images, their side, the latent size, plugins, and models side by side.

    python benchmarks/scale.py [--curves images,side,latent,plugins,models] [--largest 10000000] [--rounds 5]

Each curve has an order that is expected, stated and checked: the slope of log cost over log size, by least squares over
the larger sizes. The exit code is 1 if one does not hold. `--largest` is of the number of images, `--largest-side` of
their side, `--largest-latent`, `--largest-plugins` and `--largest-models` of the rest, for a quicker run.

Costs of training are those of the real trainer on noise of 8 by 8 pixels (28 by 28 for latents), one epoch of warm-up
left out. Ten million images of 8 by 8 bytes take 0.64 GB. Costs of plugins are the wall time of `zoo list`, those of
models side by side that of `zoo train --seeds N`.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from measuring import Spread, in_turn, parser, prepare, save, slope, spread, timed

NOISE = Path(__file__).resolve().with_name("noise.py")
PLUGIN = '''
"""Plugin number {number}."""

from zoo import PartSpec, hookimpl


@hookimpl
def zoo_parts():
    """One part."""
    yield PartSpec(
        kind="prior", name="crowd-{number}", summary="A prior.",
        part="nowhere:Prior", options="zoo.options:Options",
    )
'''


@dataclass(frozen=True)
class Curve:
    """A cost along a size.

    Arguments:
        size: What grows.
        cost: What is measured, with its unit.
        expected: The order that is expected, and why, in words.
        least, most: Between which the slope has to lie; nothing where there is no bound.
        fitted_from: The smallest size that counts for the slope: below it, what does not grow is most of the cost.
        points: What was measured, by size.
        absent: Why there is nothing, if there is nothing.
    """

    size: str
    cost: str
    expected: str
    least: float | None
    most: float
    fitted_from: float
    points: Mapping[float, Spread] = field(default_factory=dict)
    absent: str = ""

    @property
    def order(self) -> float | None:
        """The slope over the sizes that count, if there are two."""
        fitted = {x: y.median for x, y in self.points.items() if x >= self.fitted_from}
        return slope(list(fitted), list(fitted.values())) if len(fitted) > 1 else None

    @property
    def holds(self) -> bool | None:
        """Whether the order is the expected one; nothing where too little was measured to tell."""
        order = self.order
        if order is None:
            return None
        return (self.least is None or order >= self.least) and order <= self.most

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as JSON holds it."""
        return {
            "size": self.size,
            "cost": self.cost,
            "expected": self.expected,
            "least": self.least,
            "most": self.most,
            "fitted_from": self.fitted_from,
            "points": [{"size": x, "cost": y} for x, y in self.points.items()],
            "order": self.order,
            "holds": self.holds,
            **({"absent": self.absent} if self.absent else {}),
        }


def epoch_seconds(model: str, data: str, epochs: int, **settings: Any) -> Spread:
    """Return the seconds of training of an epoch, by the trainer's own clock, over epochs after a first one."""
    from epochs import Enough, train

    count = int(data.partition(":")[2].partition("x")[0])
    seconds: list[float] = []

    def epoch(record: Mapping[str, Any]) -> None:
        seconds.append(count / record["images_per_second"])
        if len(seconds) > epochs:
            raise Enough

    train(model, epoch, data=data, plugins=[NOISE], epochs=epochs + 2, **settings)
    found = spread(seconds[1:])
    sys.stderr.write(f"{model} on {data}: {found.median:.3f} s an epoch\n")
    return found


def sizes(first: int, largest: int, factor: int) -> list[int]:
    """Return sizes from the first to the largest, each so many times the one before.

    Example:
        >>> sizes(10, 1000, 10)
        [10, 100, 1000]
    """
    count = int(math.log(largest / first, factor) + 1e-9) + 1 if largest >= first else 0
    return [first * factor**i for i in range(count)]


NARROW = {"encoder.hidden": [32], "decoder.hidden": [32], "latent_dim": 2}
"""Options of a net that costs next to nothing on 64 pixels."""


def images(options: argparse.Namespace) -> Curve:
    """Seconds of an epoch against the number of images."""
    settings = {"batch_size": 1024, "config": NARROW, "device": options.device}
    points = {
        float(count): epoch_seconds("vae", f"noise:{count}x8", options.rounds, **settings)
        for count in sizes(1000, options.largest, 10)
    }
    expected = "linear: each image is read once an epoch, whatever the number"
    return Curve("images", "seconds of an epoch", expected, 0.85, 1.15, 1e4, points)


def side(options: argparse.Namespace) -> Curve:
    """Seconds of an epoch of `conv-vae` against the side of an image."""
    points = {}
    for pixels in sizes(16, options.largest_side, 2):
        count = max(64, min(1024, 2**22 // pixels**2))
        # At its own learning rate the net diverges on large images of noise.
        data, settings = f"noise:{count}x{pixels}", {"device": options.device, "batch_size": 32, "lr": 1e-5}
        found = epoch_seconds("conv-vae", data, options.rounds, **settings)
        points[float(pixels)] = Spread(found.median / count, found.least / count, found.greatest / count, found.rounds)
    expected = "quadratic: convolutions, and the layers before the code, are linear in the pixels"
    return Curve("side", "seconds of an image", expected, 1.6, 2.3, 64, points)


def latent(options: argparse.Namespace) -> Curve:
    """Seconds of an epoch of `vae` against the latent size."""
    points = {
        float(size): epoch_seconds("vae", "noise:2560x28", options.rounds, device=options.device, latent_dim=size)
        for size in sizes(2, options.largest_latent, 4)
    }
    expected = "at most linear: two of four layers grow with the code, the pixels' do not"
    return Curve("latent", "seconds of an epoch of 2,560 images", expected, None, 1.0, 128, points)


def plugins(options: argparse.Namespace) -> Curve:
    """Seconds that `zoo list` takes against the number of plugins."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"plugin_{number}.py" for number in range(options.largest_plugins)]
        for number, file in enumerate(files):
            file.write_text(PLUGIN.format(number=number))
        turns = {str(count): _listing(files[:count]) for count in sizes(5, options.largest_plugins, 4)}
        found = in_turn(turns, options.rounds, warm_up=1)
    points = {float(count): spread(values) for count, values in found.items()}
    expected = "at most linear: each plugin is read once, and none asks another"
    return Curve("plugins", "seconds of zoo list", expected, None, 1.0, 20, points)


def _listing(files: Sequence[Path]) -> Callable[[], float]:
    words = [word for file in files for word in ("--plugin", str(file))]
    return lambda: timed(lambda: _call([*words, "list"]))


def _call(words: Sequence[str]) -> str:
    done = subprocess.run([sys.executable, "-m", "zoo", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"zoo {words[0]} failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def models(options: argparse.Namespace) -> Curve:
    """Seconds of models side by side against their number."""
    expected = "at most linear: side by side costs no more than one after another"
    curve = Curve("models", "seconds of zoo train --seeds N", expected, None, 1.05, 1)
    if "--seeds" not in _call(["train", "vae", "--help"]):
        return replace(curve, absent="this zoo has no zoo train --seeds")
    counts = sizes(1, options.largest_models, 2)
    found = in_turn({str(count): partial(side_by_side, count, options.device) for count in counts}, options.rounds)
    return replace(curve, points={float(count): spread(values) for count, values in found.items()})


def side_by_side(count: int, device: str) -> float:
    """Return the wall time of training `count` seeds of a small `vae` by one command."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["--plugin", str(NOISE), "train", "vae", "--data", "noise:10000x28", "--epochs", "3"]
        words += ["--device", device, "--out", f"{folder}/runs"]
        return timed(lambda: _call([*words, "--seeds", str(count)]))


CURVES: Mapping[str, Callable[[argparse.Namespace], Curve]] = {
    "images": images,
    "side": side,
    "latent": latent,
    "plugins": plugins,
    "models": models,
}


def main() -> None:
    """Measure the curves that were asked for, write them, and end with 1 if an order does not hold."""
    made = parser(__doc__)
    made.add_argument("--curves", default=",".join(CURVES), help=f"of {', '.join(CURVES)} (default all)")
    made.add_argument("--largest", type=int, default=10_000_000, help="images (default 10,000,000)")
    made.add_argument("--largest-side", type=int, default=256, help="side of an image (default 256)")
    made.add_argument("--largest-latent", type=int, default=2048, help="latent size (default 2,048)")
    made.add_argument("--largest-plugins", type=int, default=320, help="plugins (default 320)")
    made.add_argument("--largest-models", type=int, default=8, help="models side by side (default 8)")
    options = made.parse_args()
    names = [name.strip() for name in options.curves.split(",")]
    unknown = [name for name in names if name not in CURVES]
    if unknown:
        raise SystemExit(f"--curves {unknown[0]}: the curves are {', '.join(CURVES)}")
    prepare(options)
    curves = [CURVES[name](options) for name in names]
    save("scale", options, {"curves": [curve.to_dict() for curve in curves]})
    for curve in curves:
        if curve.holds is False:
            bounds = f"{curve.least:g} to {curve.most:g}" if curve.least is not None else f"at most {curve.most:g}"
            sys.stderr.write(f"{curve.size}: the order is {curve.order:.2f}, expected {bounds}\n")
    if any(curve.holds is False for curve in curves):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
