"""All benchmarks in turn, or those that are named.

    python benchmarks/run.py [NAME ...] [--device cpu] [--quick] [--peer-python PYTHON]

Results go to benchmarks/results/NAME-DEVICE.json, and from there into docs/performance.md by `python docs/generate.py`.
Each is run even if one before it failed; the exit code is then 1. `--quick` only sees that they run: small sizes, one
round, results into a folder of its own that is told. `whole_runs` and `roofline` want a GPU, and are left out without.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
EVERY = ("train_step", "end_to_end", "scale", "sweep", "evaluate", "memory", "distributed", "distributions", "mixture")
ON_GPU = ("whole_runs", "roofline")
QUICK = {
    "train_step": ["--cases", "vae:64", "--images", "256"],
    "end_to_end": ["--epochs-zoo", "1", "--epochs-by-hand", "1"],
    "scale": ["--largest", "10000", "--largest-side", "32", "--largest-latent", "8", "--largest-plugins", "5",
              "--largest-models", "2"],
    "evaluate": ["--k", "20", "--images", "10", "--embedded", "500"],
    "memory": ["--sizes", "10MB"],
    "distributions": ["--repeats", "2"],
    "mixture": ["--repeats", "1"],
    "whole_runs": ["--epochs", "1"],
    "roofline": ["--batches", "64", "--images", "256"],
}  # fmt: skip


def command(name: str, options: argparse.Namespace, quick: Path | None) -> list[str] | None:
    """Return the command of a benchmark, or nothing if there is none of that name."""
    script = FOLDER / f"{name}.py"
    if not script.exists():
        return None
    words = [sys.executable, str(script)]
    shown = subprocess.run([*words, "--help"], capture_output=True, text=True).stdout
    wanted = {"--device": options.device, "--peer-python": options.peer_python}
    wanted |= {"--rounds": "1", "--out": str(quick)} if quick is not None else {}
    # One that takes no folder for its results may take a file.
    wanted |= {"--json FILE": str((quick or FOLDER / "results") / f"{name}-{options.device.partition(':')[0]}.json")}
    for flag, value in wanted.items():
        if value is not None and flag in shown.replace("--json JSON", "--json FILE"):
            words += [flag.split()[0], value]
    words += ["--images", "60000"] if name == "train_step" and options.device.startswith("cuda") else []
    small = QUICK.get(name, []) if quick is not None else []
    return words + (small if not small or small[0] in shown else [])


def main() -> None:
    """Run them, and end with 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join((*EVERY, *ON_GPU))}")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default cpu)")
    parser.add_argument("--quick", action="store_true", help="see that they run")
    parser.add_argument("--peer-python", help="the interpreter that has pythae and Lightning")
    options = parser.parse_args()
    names = options.names or (EVERY + (ON_GPU if options.device.startswith("cuda") else ()))
    quick = Path(tempfile.mkdtemp(prefix="benchmarks-")) if options.quick else None
    failed = []
    for name in names:
        words = command(name, options, quick)
        if words is None:
            sys.stderr.write(f"=== {name}: there is no benchmarks/{name}.py\n")
            failed += [name] if options.names else []
            continue
        sys.stderr.write(f"=== {name}\n")
        if subprocess.run(words).returncode != 0:
            failed.append(name)
    if quick is not None:
        sys.stderr.write(f"results are in {quick}\n")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
