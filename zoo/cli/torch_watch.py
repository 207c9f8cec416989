"""Which plugins import torch when they are loaded, where it cannot be seen because torch was there before them."""

from __future__ import annotations

__all__ = ["torch_importers"]

import json
import subprocess
import sys
from collections.abc import Sequence

from zoo.plugins.discovery import Plugin

SECONDS = 60

_CHILD = """
import importlib, importlib.util, json, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            self.asked = True
            raise ImportError("torch is not for plugins that are only listed")

def load(module, file):
    if file is None:
        importlib.import_module(module)
    else:
        spec = importlib.util.spec_from_file_location(module, file)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

sys.dont_write_bytecode = True
watch, asked = Watch(), json.load(sys.stdin)
sys.path[:] = asked["path"]
sys.meta_path.insert(0, watch)
found = []
for module, file in asked["modules"]:
    watch.asked = False
    try:
        load(module, file)
    except BaseException:
        pass
    found.append(watch.asked)
sys.stdout.write("\\n" + json.dumps(found))
"""


def torch_importers(plugins: Sequence[Plugin]) -> list[bool]:
    """Return of each plugin whether it imports torch, asked of a process that has none and lets nobody have it.

    Where that process fails, the answer is no.
    """
    modules = [(one.module, str(one.file.path.absolute()) if one.file is not None else None) for one in plugins]
    question = json.dumps({"path": sys.path, "modules": modules})
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD], input=question, capture_output=True, text=True, timeout=SECONDS, check=True
        )
        # What plugins print comes before.
        found: list[bool] = json.loads(done.stdout.rpartition("\n")[2])
    except (OSError, subprocess.SubprocessError, ValueError):
        return [False] * len(modules)
    return found
