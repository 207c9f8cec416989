"""A run is a folder: weights with a header that rebuilds the model, settings, records, checkpoint, figures."""

from __future__ import annotations

__all__ = ["FORMAT", "WEIGHTS", "Run", "find_run", "new_folder", "new_run_folder", "read_tables"]

import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError, one_line
from zoo.runs.files import write_text
from zoo.runs.forms import FACTS, PRIOR, misfit
from zoo.runs.header import read_facts

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.interfaces import Model

FORMAT = 1
WEIGHTS = "model.safetensors"
CONFIG = "config.toml"
METRICS = "metrics.jsonl"
SCORES = "scores.json"
PER_IMAGE = "scores.safetensors"
PRIORS = "priors"
FAULTS = "faults.json"

_END = 2**16
"""Bytes that hold the last line of `metrics.jsonl`."""


class Run:
    """A run on disk.

    Arguments:
        path: Its folder.
        weights: The weights file, if it is not the folder's own.
        prior: The fitted prior that its model has in the place of the declared one, if any; see `with_prior`.
        plugins: One-file plugins that are loaded for its model; the path of a run stands for the copies that it keeps.

    Example:
        >>> import zoo
        >>> run = zoo.train("ae.tiny", data="glyphs", limit=256, epochs=1, out="runs/example")
        >>> zoo.load("runs/example").model.sample(4).shape
        torch.Size([4, 1, 28, 28])
    """

    def __init__(
        self, path: Path, weights: Path | None = None, prior: str | None = None, plugins: tuple[Path, ...] = ()
    ) -> None:
        self.path = path
        self.weights = weights or path / WEIGHTS
        self.prior = prior
        self.plugins = plugins

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def figures(self) -> Path:
        """Where its pictures are."""
        return self.path / "figures"

    @property
    def finished(self) -> bool:
        """Whether its weights are written."""
        return self.weights.is_file()

    @property
    def whole(self) -> bool:
        """Whether these are the weights that training left in its folder, whose scores and card lie beside them."""
        return self.weights == self.path / WEIGHTS and (self.path / CONFIG).is_file()

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What the weights file says of itself: format, model, parts, options, plugins, data, training, outcome.

        Raises:
            ZooError: If there is no such file, or the zoo did not make it.
        """
        if not self.weights.is_file():
            hint = f"zoo train --resume {self.path}" if (self.path / "checkpoint").is_dir() else "zoo runs"
            raise ZooError(f"run {self.path} has no {WEIGHTS} yet; see '{hint}'")
        return read_facts(self.weights, FORMAT, FACTS)

    @cached_property
    def model(self) -> Model:
        """The trained model, in eval mode, on the CPU."""
        from zoo.registry import load_registry
        from zoo.runs.loading import load_model

        return load_model(self, load_registry(plugin_files=self.plugins))

    @property
    def priors(self) -> dict[str, dict[str, Any]]:
        """What each prior that `zoo fit` fitted to this run says of itself, by name.

        Raises:
            ZooError: If one of the files is damaged.
        """
        found = sorted((self.path / PRIORS).glob("*.safetensors"))
        return {path.stem: read_facts(path, FORMAT, PRIOR) for path in found}

    def prior_file(self, name: str) -> Path:
        """Return where a fitted prior of that name is kept."""
        return self.path / PRIORS / f"{name}.safetensors"

    def with_prior(self, name: str) -> Run:
        """Return the run with a fitted prior in the place of the declared one: for samples, rate and elbo.

        Raises:
            ZooError: If none of that name was fitted.
        """
        if not self.prior_file(name).is_file():
            fitted = f" (it has {', '.join(self.priors)})" if self.priors else ""
            fit = f"fit it with 'zoo fit {self.path} --prior {name}'"
            raise ZooError(f"{self.path} has no fitted prior '{name}' yet{fitted}; {fit}")
        return Run(self.path, self.weights, name, self.plugins)

    @property
    def settings(self) -> dict[str, Any]:
        """The tables of `config.toml`."""
        return read_tables(self.path / CONFIG)

    @property
    def plugin_files(self) -> dict[str, str]:
        """The SHA-256 of each one-file plugin that it was made with, by file name; their copies are in `plugins/`.

        Raises:
            ZooError: If `config.toml` is damaged.
        """
        from zoo.plugins.one_file import recorded_files

        return recorded_files(self.path)

    @property
    def scores(self) -> dict[str, Any]:
        """What `evaluate` found; empty before."""
        path = self.path / SCORES
        try:
            found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
        except ValueError:
            raise ZooError(f"{path} is damaged; run 'zoo evaluate {self.path}' to make it again") from None
        return found

    def write_scores(self, scores: Mapping[str, Any], per_image: Mapping[str, Tensor]) -> None:
        """Replace the scores, and the values of each image `(N,)` whose means they are."""
        from zoo.runs.weights import write_tensors

        write_tensors(self.path / PER_IMAGE, {name: value.float() for name, value in per_image.items()}, {})
        # Last, because a run with scores is a finished one.
        write_text(self.path / SCORES, json.dumps(scores, indent=2) + "\n")

    def add_scores(self, scores: Mapping[str, Any], per_image: Mapping[str, Tensor]) -> None:
        """Add scores to those that were found before, in the place of older ones of the same names."""
        known = {key: value for key, value in self.scores.items() if not _belongs(key, scores)}
        for kind in ("reasons", "warnings"):
            told = {key: value for key, value in self.scores.get(kind, {}).items() if key not in scores}
            if told or kind in scores:
                known[kind] = {**told, **scores.get(kind, {})}
        self.write_scores({**scores, **known}, {**self.per_image, **per_image})

    @property
    def per_image(self) -> dict[str, Tensor]:
        """The value of each test image, `(N,)`, of the scores that are means over them."""
        from zoo.runs.weights import read_tensors

        path = self.path / PER_IMAGE
        return read_tensors(path)[0] if path.is_file() else {}

    def records(self) -> list[dict[str, Any]]:
        """Return the lines of `metrics.jsonl`, one an epoch; a line cut short by a crash is left out."""
        path = self.path / METRICS
        return list(_whole_lines(path.read_text())) if path.is_file() else []

    def append_record(self, record: Mapping[str, Any]) -> None:
        """Add the line of an epoch, in place of any that a stopped run left for it or later ones."""
        path = self.path / METRICS
        if _goes_on(path, record["epoch"]):
            with path.open("a") as file:
                file.write(json.dumps(record) + "\n")
            return
        kept = [old for old in self.records() if old["epoch"] < record["epoch"]]
        lines = [json.dumps(line) for line in [*kept, record]]
        write_text(path, "\n".join(lines) + "\n")

    @property
    def faults(self) -> list[dict[str, str]]:
        """What went wrong in hooks that followed the run: `who`, in which `hook`, the `error`, its `traceback`."""
        path = self.path / FAULTS
        try:
            found: list[dict[str, str]] = json.loads(path.read_text()) if path.is_file() else []
        except ValueError:
            found = [{}]
        if misfit(found, [dict.fromkeys(("who", "hook", "error", "traceback"), str)]) is not None:
            raise ZooError(f"{path} is damaged; remove it, nothing depends on it")
        return found

    def add_fault(self, fault: Mapping[str, str]) -> None:
        """Record what went wrong in a hook, in the place of the same one's earlier fault."""
        key = (fault["who"], fault["hook"])
        kept = [old for old in self.faults if (old["who"], old["hook"]) != key]
        write_text(self.path / FAULTS, json.dumps([*kept, dict(fault)], indent=2) + "\n")

    def write_config(self, tables: Mapping[str, Any]) -> None:
        """Replace `config.toml`."""
        import tomli_w

        head = "# The settings of this run; 'zoo train --config' takes them back.\n"
        write_text(self.path / CONFIG, head + tomli_w.dumps(_writable(tables)))


def _belongs(key: str, scores: Mapping[str, Any]) -> bool:
    """Whether a score is replaced by new ones: it is one of them, or a detail of one."""
    return key in ("reasons", "warnings") or any(key == name or key.startswith(f"{name}.") for name in scores)


def _writable(tables: Mapping[str, Any]) -> dict[str, Any]:
    # TOML has no empty value; options take the word `none` for it.
    plain = {key: "none" if value is None else value for key, value in tables.items()}
    return {key: _writable(value) if isinstance(value, Mapping) else value for key, value in plain.items()}


def _goes_on(path: Path, epoch: int) -> bool:
    """Whether a file ends with a whole line of an epoch before this one, told by its end alone: it may be long."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _END))
            lines = file.read().split(b"\n")
        # What follows the last line's end is nothing.
        return lines[-1] == b"" and bool(json.loads(lines[-2])["epoch"] < epoch)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _whole_lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def read_tables(path: Path) -> dict[str, Any]:
    """Read a run's `config.toml`.

    Raises:
        ZooError: If it is missing or is no TOML.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror}; is {path.parent} a run? See 'zoo runs'") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ZooError(f"{path} is no TOML: {one_line(error)}") from None


def find_run(where: str | Path, plugins: tuple[Path, ...] = ()) -> Run:
    """Return the run at a path: its folder, or a weights file.

    Arguments:
        where: The path.
        plugins: One-file plugins that are loaded for its model.

    Raises:
        ZooError: If nothing there is a run.
    """
    path = Path(where)
    if path.is_dir():
        if not ((path / CONFIG).is_file() or (path / WEIGHTS).is_file()):
            raise ZooError(f"{path} is no run: it has neither {CONFIG} nor {WEIGHTS}; see 'zoo runs'")
        return Run(path, plugins=plugins)
    if path.is_file():
        return Run(path.parent, path, plugins=plugins)
    raise ZooError(f"there is no run at {path}; see 'zoo runs'")


@contextmanager
def new_folder(path: Path) -> Iterator[None]:
    """Make a folder, and take it away again if what follows fails."""
    existed = path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for item in path.iterdir():
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        if not existed:
            path.rmdir()
        raise


def new_run_folder(out: Path | None, model: str, data: str) -> Path:
    """Return where a new run goes: `out`, or the next free `runs/<model>-<data>-<N>`.

    Raises:
        ZooError: If `out` holds something already.
    """
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            what = "holds a run" if (out / CONFIG).exists() else "is there already and is not empty"
            raise ZooError(f"--out {out} {what}; name another folder, or go on with 'zoo train --resume {out}'")
        return out
    stem = f"{model}-{re.sub(r'[^A-Za-z0-9.]+', '-', data).strip('-.') or 'data'}"
    taken = [_number(path.name, stem) for path in Path("runs").glob(f"{stem}-*")]
    return Path("runs") / f"{stem}-{max(taken, default=0) + 1}"


def _number(name: str, stem: str) -> int:
    tail = name.removeprefix(f"{stem}-")
    return int(tail) if tail.isdigit() else 0
