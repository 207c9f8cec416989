"""The tutorial as somebody reads it: its files, and its commands one after another in a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
import venv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from digits import write_digits

from zoo.cli.main import run

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tutorial.md"
EXAMPLE = ROOT / "examples" / "tutorial"
WRITTEN_BY_HAND = 40


def blocks() -> Iterator[tuple[str, str]]:
    """What to do, in order: a file's path and text, or an empty path and commands."""
    for match in re.finditer(r"^```(\S+)(?: file=(\S+))?\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        if match[2] or match[1] == "sh":
            yield match[2] or "", match[3]


def files() -> dict[str, str]:
    return {path: text for path, text in blocks() if path}


def lines(text: str) -> Counter[str]:
    return Counter(line.strip() for line in text.splitlines() if line.strip())


def test_what_the_page_shows_is_the_folder_of_files() -> None:
    paths = [path for path in EXAMPLE.rglob("*") if path.suffix in (".py", ".toml")]
    assert files() == {str(path.relative_to(EXAMPLE)): path.read_text() for path in paths}


def test_no_more_than_forty_lines_are_written_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What neither `zoo new` wrote there nor the reader wrote before: a line that is moved is not written again."""
    monkeypatch.chdir(tmp_path)
    assert run(["new", "denoising-vae", "--author", "A Reader"]) == 0
    known: Counter[str] = Counter()
    by_hand = 0
    for path, text in files().items():
        begun = Path(path).read_text() if Path(path).exists() else ""
        new = lines(text) - lines(begun) - known
        by_hand += new.total()
        known += new
    assert by_hand <= WRITTEN_BY_HAND


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """The variables of an environment to install into, which borrows the zoo and what it needs from this one."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    # The .pth files of an added folder are not read, so the checkout itself is named before it.
    borrowed = [str(ROOT), str(ROOT / "plugins"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    scheme = {"base": str(home), "platbase": str(home)}
    Path(sysconfig.get_path("purelib", "venv", scheme), "borrowed.pth").write_text("\n".join(borrowed))
    for name in ("zoo", "pip", "pytest"):
        command = home / "bin" / name
        command.write_text(f'#!/bin/sh\nexec "{home}/bin/python" -m {name} "$@"\n')
        command.chmod(0o755)
    write_digits(tmp_path / "data" / "MNIST" / "raw")
    return {
        "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "ZOO_DATA": str(tmp_path / "data"),
        "OMP_NUM_THREADS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it the wrong way round: this is --no-build-isolation
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@pytest.mark.slow
@pytest.mark.anchor
def test_the_printed_commands_end_in_a_trained_model_and_passing_tests(tmp_path: Path, shell: dict[str, str]) -> None:
    desk = tmp_path / "desk"
    desk.mkdir()
    shown = ""
    for path, text in blocks():
        if path:
            (desk / path).parent.mkdir(parents=True, exist_ok=True)
            (desk / path).write_text(text)
        else:
            done = subprocess.run(["sh", "-ex"], input=text, cwd=desk, env=shell, capture_output=True, text=True)
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
            shown += done.stdout
    assert (desk / "runs" / "noisy" / "model.safetensors").exists()
    assert json.loads((desk / "runs" / "noisy" / "scores.json").read_text())
    assert re.search(r"\d+ passed", shown)
    assert "denoising-vae" in shown
    assert list((desk / "dist").glob("zoo_denoising_vae-*.whl"))
