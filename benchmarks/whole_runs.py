"""Wall time of whole commands, start-up and scores included: long runs that want a GPU.

    python benchmarks/whole_runs.py --device cuda [--runs blog,vq-vae] [--rounds 5]

`blog` is `zoo train conv-vae.blog`, 400 epochs; `vq-vae` is 100 epochs of `vq-vae` on 50,000 images at batch 128, the
size of the run that pythae's documentation times. `--epochs` takes fewer, to see that they run. Where other benchmarks
compare, this one only takes the time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from typing import Any

from measuring import parser, prepare, save, spread

RUNS = {
    "blog": ["conv-vae.blog"],
    "vq-vae": ["vq-vae", "--epochs", "100", "--limit", "50000", "--batch-size", "128"],
}


def run(name: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """Return the wall time of a run, that of its training, and what it scored."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "zoo", "train", *RUNS[name], "--data", "mnist", "--device", options.device]
        command += ["--seed", str(seed), "--out", f"{folder}/run", "--json"]
        command += ["--epochs", str(options.epochs)] if options.epochs else []
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        wall = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
    scores = json.loads(done.stdout)["scores"]
    sys.stderr.write(f"{name}: {wall:.1f} s, of training {scores['seconds']} s\n")
    return {"wall": wall, "training": scores["seconds"], "mse": scores["mse"]}


def main() -> None:
    """Run each, round by round, and write the results."""
    made = parser(__doc__)
    made.add_argument("--runs", default=",".join(RUNS), help=f"of {', '.join(RUNS)} (default both)")
    made.add_argument("--epochs", type=int, help="fewer epochs, to see that they run")
    options = made.parse_args()
    names = options.runs.split(",")
    unknown = [name for name in names if name not in RUNS]
    if unknown:
        raise SystemExit(f"--runs {unknown[0]}: the runs are {', '.join(RUNS)}")
    prepare(options)
    found: dict[str, Any] = {}
    for name in names:
        rounds = [run(name, seed, options) for seed in range(options.rounds)]
        found[name] = {
            "command": " ".join(["zoo train", *RUNS[name]]),
            "wall_seconds": spread([one["wall"] for one in rounds]),
            "training_seconds": spread([one["training"] for one in rounds]),
            "mse": spread([one["mse"] for one in rounds]),
        }
    save("whole_runs", options, {"runs": found})


if __name__ == "__main__":
    main()
