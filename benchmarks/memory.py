"""Peak memory of a whole `zoo train conv-vae` on MNIST above that of importing torch.

    python benchmarks/memory.py [--epochs 1] [MODEL]

Needs MNIST under ZOO_DATA. Figures are the largest resident size of each process, in MB.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile


def peak(command: list[str]) -> float:
    """Run a command and return its largest resident size in MB."""
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    child = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Print both figures and their difference as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="conv-vae")
    parser.add_argument("--epochs", type=int, default=1)
    arguments = parser.parse_args()
    bare = peak([sys.executable, "-c", "import torch"])
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "zoo", "train", arguments.model, "--data", "mnist"]
        whole = peak([*command, "--epochs", str(arguments.epochs), "--out", f"{folder}/run"])
    print(json.dumps({"import torch": bare, "zoo train": whole, "above, MB": whole - bare}, indent=2))


if __name__ == "__main__":
    main()
