"""What a plugin costs to load, found out in a process of its own.

Run as a program, which reads what to look at from stdin and writes what it found to stdout, both as JSON.
"""

from __future__ import annotations

__all__ = ["Probe", "probe"]

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TIMEOUT = 120


@dataclass(frozen=True)
class Probe:
    """What was found.

    Arguments:
        baseline: Seconds that the engine takes to load, before a plugin.
        seconds: Seconds that the plugin's module takes to load after it.
        torch: What imported torch: the plugin's module itself, or an options dataclass that it names.
        problem: What else went wrong as the module was loaded, or nothing.
    """

    baseline: float
    seconds: float
    torch: tuple[str, ...]
    problem: str


def probe(module: str, references: Sequence[str]) -> Probe:
    """Load a plugin's module, and what holds its options, in a fresh process that has no torch.

    Arguments:
        module: The module that the entry point names.
        references: Options dataclasses, as `"package.module:Name"`.
    """
    # What is on the path here, such as an unpacked folder, is on the path there. The folder of this file is not.
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-P", __file__],
        input=json.dumps({"module": module, "references": list(references)}),
        env=env,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    try:
        found = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Probe(0.0, 0.0, (), f"the process that loads it ended: {last}")
    return Probe(found["baseline"], found["seconds"], tuple(found["torch"]), found["problem"])


class _NoTorch:
    """Finds no torch, and remembers that it was looked for."""

    asked = False

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "torch":
            self.asked = True
            raise ImportError("torch is not imported while a plugin is looked at")


def _look(wanted: Mapping[str, Any]) -> dict[str, Any]:
    started = time.perf_counter()
    importlib.import_module("zoo.registry")
    baseline = time.perf_counter() - started
    watch = _NoTorch()
    sys.meta_path.insert(0, watch)
    started = time.perf_counter()
    problem = _import(wanted["module"])
    seconds = time.perf_counter() - started
    torch = [wanted["module"]] if watch.asked else []
    for reference in wanted["references"] if not torch and not problem else ():
        watch.asked = False
        _import(reference.partition(":")[0])
        torch += [reference] if watch.asked else []
    return {"baseline": baseline, "seconds": seconds, "torch": torch, "problem": "" if watch.asked else problem}


def _import(module: str) -> str:
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""


if __name__ == "__main__":
    # The folder of the kit must not stand in for packages of the same names.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    request = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):
        answer = _look(request)
    sys.stdout.write(json.dumps(answer))
