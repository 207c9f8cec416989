"""One-file plugins: a file, or the copies that a run keeps, read once and run as they were read."""

from __future__ import annotations

__all__ = ["FOLDER", "PluginFile", "read_files", "recorded_files"]

import hashlib
import importlib.util
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

from zoo.errors import ZooError, one_line

FOLDER = "plugins"
"""Where a run keeps its copies."""


@dataclass(frozen=True)
class PluginFile:
    """A one-file plugin as it was when it was read.

    Arguments:
        path: Where it lies.
        content: What is in it.
    """

    path: Path
    content: bytes

    @property
    def name(self) -> str:
        """What it is called, with its suffix; the distribution of what it brings."""
        return self.path.name

    @property
    def module(self) -> str:
        """The module that it is imported as, which its specs name."""
        return self.path.stem

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of what is in it."""
        return hashlib.sha256(self.content).hexdigest()

    def load(self) -> ModuleType:
        """Import it; what was read is what runs, and nothing is written beside it.

        Raises:
            ImportError: If it is not named as a module, or as one that is something else.
        """
        if self.path.suffix != ".py" or not self.module.isidentifier():
            raise ImportError(f"{self.name} cannot be imported; name it as a Python module, such as my_plugin.py")
        before = _LOADED.get(self.module)
        if before is not None and before.digest == self.digest and self.module in sys.modules:
            return sys.modules[self.module]
        if before is None and _is_taken(self):
            raise ImportError(f"another module is called '{self.module}'; give the file another name")
        return _run(self)


_LOADED: dict[str, PluginFile] = {}
"""What this process has run, by module: its names are in `sys.modules`, of which there is one as well."""


def _run(file: PluginFile) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.module, file.path.absolute())
    assert spec is not None, "a file that ends in .py has a loader"
    module = importlib.util.module_from_spec(spec)
    kept = sys.modules.get(file.module)
    # A spec's strings name the module, so that it must be found by import.
    sys.modules[file.module] = module
    try:
        exec(compile(file.content, file.path.absolute(), "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        sys.modules.pop(file.module, None)
        if kept is not None:
            sys.modules[file.module] = kept
        raise
    _LOADED[file.module] = file
    return module


def _is_taken(file: PluginFile) -> bool:
    try:
        found = importlib.util.find_spec(file.module)
    except ValueError:  # a module that was not imported from anywhere, such as __main__
        return True
    if found is None:
        return False
    # The file itself, or the one in the working folder that a run's copy was made of.
    return found.origin is None or Path(found.origin).resolve().parent not in (
        file.path.resolve().parent,
        Path.cwd().resolve(),
    )


def read_files(paths: Sequence[str | Path]) -> list[PluginFile]:
    """Read one-file plugins; the path of a run stands for the copies that it keeps.

    Raises:
        ZooError: If there is no such file, a copy is not what the run recorded, or two files of one name differ.
    """
    if isinstance(paths, str):
        raise ZooError(f"plugins must be a list of paths, such as ['{paths}'], got '{paths}'")
    found: dict[str, PluginFile] = {}
    for path in map(Path, paths):
        for file in _kept(path) if path.is_dir() else [_read(path)]:
            _refuse_another(file, found.setdefault(file.name, file))
    return list(found.values())


def _refuse_another(file: PluginFile, other: PluginFile) -> None:
    if other.digest != file.digest:
        raise ZooError(
            f"--plugin {file.path} (sha256 {file.digest[:12]}) and {other.path} (sha256 {other.digest[:12]}) are two "
            "versions of one file, which cannot be loaded together; use one at a time"
        )


def _read(path: Path) -> PluginFile:
    if not path.is_file():
        raise ZooError(f"--plugin {path}: there is no such file")
    try:
        return PluginFile(path, path.read_bytes())
    except OSError as error:
        raise ZooError(f"--plugin {path}: {error.strerror}") from None


def recorded_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each one-file plugin that a run was made with, by file name; nothing where there is no run.

    Raises:
        ZooError: If its `config.toml` is damaged.
    """
    path = folder / "config.toml"
    try:
        found = tomllib.loads(path.read_text()).get("plugin_files", {}) if path.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ZooError(f"{path} is no TOML: {one_line(error)}") from None
    if not isinstance(found, dict) or any(Path(k).name != k or not isinstance(v, str) for k, v in found.items()):
        raise ZooError(f"{path}: 'plugin_files' makes no sense; restore it, or train again")
    return dict(found)


def _kept(folder: Path) -> list[PluginFile]:
    recorded = recorded_files(folder)
    if not recorded:
        raise ZooError(f"--plugin {folder} is no run that keeps a one-file plugin; name a file, or such a run")
    return [_read_kept(folder / FOLDER / name, digest) for name, digest in recorded.items()]


def _read_kept(path: Path, digest: str) -> PluginFile:
    file = _read(path)
    if file.digest != digest:
        raise ZooError(
            f"{path} (sha256 {file.digest[:12]}) is not what the run was made with (sha256 {digest[:12]}); "
            f"restore it, or load it as it is with --plugin {path}"
        )
    return file
