"""Wheels, and environments that know nothing of the checkout, for the tests of what is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def call(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command that must end well, and return what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{command} failed with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(target: str, source: Path, folder: Path) -> Path:
    """Build a `wheel` or an `sdist` of a source tree into an empty folder."""
    call(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder, cwd=source)
    (built,) = folder.iterdir()
    return built


@dataclass(frozen=True)
class Clean:
    """An environment of its own, and an empty folder to work in."""

    folder: Path
    site: Path
    bin: Path
    env: dict[str, str]

    def __call__(self, program: str, *words: str | Path) -> str:
        """Run one of its programs, which must end well, and return what it printed."""
        return call(self.bin / program, *words, cwd=self.folder, env=self.env)

    def refused(self, program: str, *words: str | Path) -> str:
        """Run one of its programs, which must end with 2, and return the one line that it told."""
        command = [str(self.bin / program), *map(str, words)]
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=600)
        assert done.returncode == 2, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        (line,) = done.stderr.splitlines()
        return line

    def pip(self, *words: str | Path) -> str:
        """Run pip for it, without a network."""
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", self.bin / "python"]
        return call(*pip, *words, cwd=self.folder)

    def install(self, *wheels: Path) -> None:
        """Install wheels, and nothing that they ask for."""
        self.pip("install", "--no-deps", "--no-index", *wheels)


def make_clean(home: Path, *wheels: Path) -> Clean:
    """Install wheels where torch and the other libraries are borrowed from the environment of the tests.

    A .pth file adds that environment's folders behind the clean one's own. The .pth files in an added folder are not
    read, so that an editable install of the zoo in it stays unseen.
    """
    venv.create(home / "venv", with_pip=False)
    scheme = {"base": str(home / "venv"), "platbase": str(home / "venv")}
    site = Path(sysconfig.get_path("purelib", "venv", scheme))
    bin_folder = Path(sysconfig.get_path("scripts", "venv", scheme))
    folder = home / "work"
    folder.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "OMP_NUM_THREADS": "1"}
    clean = Clean(folder, site, bin_folder, env)
    clean.install(*wheels)
    borrowed = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    return clean
