"""The conformance kit: trials and their outcomes, tests made of them, and `zoo check`."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Done
from kit_sound import SOUND

from zoo import ZooError
from zoo.testing import Failed, NotApplicable, Trial, parametrize_models, require, trials
from zoo.testing.collection import collect
from zoo.testing.selection import select

Here = Callable[..., Done]


def passes_well(case: object) -> None:
    """It passes."""


def fails_badly(case: object) -> None:
    """It never passes.

    And says why.
    """
    require(case == "right", "it is wrong; put it right")


def falls_over(case: object) -> None:
    """It cannot be made."""
    raise KeyError("lost\nkey")


def leaves_early(case: object) -> None:
    """It exits."""
    sys.exit(3)


def says_nothing(case: object) -> None:
    """It is of something else."""
    raise NotApplicable("it has no codes")


CHECKS = {"light": (passes_well, fails_badly, falls_over, leaves_early, says_nothing)}


class TestTrials:
    def test_each_tells_how_it_came_out_in_one_sentence(self) -> None:
        found = [trial.run() for trial in trials("model x", CHECKS, None)]
        assert [(outcome.trial.name, outcome.status, outcome.sentence) for outcome in found] == [
            ("passes-well", "passed", ""),
            ("fails-badly", "failed", "model x: it is wrong; put it right"),
            ("falls-over", "failed", "model x: falls-over could not be checked: KeyError: 'lost\\nkey'"),
            ("leaves-early", "failed", "model x: leaves-early could not be checked: SystemExit: 3"),
            ("says-nothing", "not-applicable", "it has no codes"),
        ]
        assert all(outcome.seconds >= 0 for outcome in found)
        assert found[1].trial.sentence == "It never passes."

    @pytest.mark.parametrize("name", ["fails-badly", "model x/fails-badly"])
    def test_an_announced_failure_is_expected(self, name: str) -> None:
        found = [trial.run() for trial in trials("model x", CHECKS, None, {name: "it is made so"})]
        assert (found[1].status, found[1].sentence) == ("expected", "it is made so")

    def test_an_announced_failure_that_does_not_come_is_a_failure(self) -> None:
        outcome = Trial("model x", "light", passes_well, None, "it was broken").run()
        assert outcome.status == "failed"
        assert outcome.sentence == "model x: passes-well passes, and was expected to fail: it was broken"

    def test_another_thing_is_not_excused(self) -> None:
        found = [trial.run() for trial in trials("model y", CHECKS, None, {"model x/fails-badly": "it is made so"})]
        assert found[1].status == "failed"

    def test_a_check_starts_from_one_seed_and_leaves_everything_as_it_was(self) -> None:
        drawn = []

        def draws(case: object) -> None:
            """It draws."""
            drawn.append((torch.rand(()).item(), np.random.rand(), random.random()))
            torch.set_default_dtype(torch.float64)
            torch.set_grad_enabled(False)

        def state() -> tuple[object, ...]:
            numbers = np.random.get_state()
            return torch.get_rng_state().tolist(), numbers[1].tolist(), numbers[2], random.getstate()

        before = state()
        for _ in range(2):
            Trial("model x", "model", draws, None)()
        assert state() == before
        assert drawn[0] == drawn[1]
        assert torch.get_default_dtype() == torch.float32
        assert torch.is_grad_enabled()


class TestParametrize:
    def test_a_plugin_without_models_is_told(self) -> None:
        with pytest.raises(
            ZooError, match=r"'zoo_metrics' brings nothing to check here; take zoo\.testing\.parametrize"
        ):
            parametrize_models("zoo_metrics")

    def test_without_pytest_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pytest", None)
        with pytest.raises(ZooError, match=r"zoo\.testing needs pytest; install it with \"pip install 'generative-zoo"):
            parametrize_models("zoo_sphere")

    def test_what_is_expected_must_exist_and_have_a_reason(self) -> None:
        with pytest.raises(ZooError, match="no check is called 'loss-fall'; did you mean 'loss-falls'"):
            parametrize_models("zoo_sphere", expected_failures={"loss-fall": "it rises"})
        with pytest.raises(ZooError, match="'loss-falls' has no reason; say why it fails"):
            parametrize_models("zoo_sphere", expected_failures={"loss-falls": " "})

    def test_a_test_of_three_lines_runs_every_check(self, tmp_path: Path) -> None:
        """In a process of its own: collection imports no torch, and outcomes are pytest's."""
        loud = SOUND.replace("# loss\n", "loss = (nll + kl(q, p, z)).sum()\n").replace('"A model."', '"A model"')
        (tmp_path / "kit_one_file.py").write_text(loud)
        (tmp_path / "test_it.py").write_text(
            "from zoo.testing import parametrize\n\n"
            "REASON = {'repeated-batch-has-the-same-loss': 'it is a sum', 'loss-falls': 'it does fall'}\n\n"
            "@parametrize('kit_one_file.py', expected_failures=REASON)\n"
            "def test_conforms(check):\n"
            "    check()\n"
        )
        done = run_pytest(tmp_path, "-rA", "-k", "repeated or falls or summaries or samples-are or imports-without")
        assert re.search(r"XFAIL.*\[model-kit-vae/repeated-batch-has-the-same-loss\].*it is a sum", done)
        assert re.search(r"FAILED.*\[model-kit-vae/loss-falls\].*XPASS\(strict\)", done)
        assert re.search(r"PASSED.*\[model-kit-vae/samples-are-images\]", done)
        assert "which may import what it needs" in done
        assert "Failed: plugin kit_one_file: model kit-vae: its summary is no sentence: 'A model'" in done

    def test_collection_imports_no_torch(self, tmp_path: Path) -> None:
        (tmp_path / "conftest.py").write_text("import sys\nsys.modules['torch'] = None\n")
        (tmp_path / "test_it.py").write_text(
            "from zoo.testing import parametrize\n\n@parametrize('zoo_sphere')\ndef test_conforms(check): check()\n"
        )
        done = run_pytest(tmp_path, "--collect-only")
        assert "test_it.py::test_conforms[model-svae/loss-falls]" in done
        assert "error" not in done.lower()


def run_pytest(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


PROJECT = """
[project]
name = "zoo-unpacked"
version = "2.1"

[project.entry-points."zoo.plugins"]
unpacked = "zoo_unpacked"
"""
ONLY = ("--only", "builds", "--only", "samples-are-images", "--only", "loads-without-fault")


OPTIONS = """
from dataclasses import dataclass
from zoo import Options, option

@dataclass(frozen=True, kw_only=True)
class NetOptions(Options):
"""


@pytest.fixture
def unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The sound model as a package that keeps what needs torch apart; the import path is put back."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = tmp_path / "zoo-unpacked"
    (folder / "src").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT)
    parts, mark, hooks = SOUND.partition("@hookimpl")
    fields = [line for line in parts.splitlines(keepends=True) if " = option(" in line]
    hooks = hooks.replace('f"{__name__}:{options}"', '"zoo_options:NetOptions"').replace("{__name__}:", "zoo_parts:")
    head = "from dataclasses import replace\n\nfrom zoo import PartSpec, hookimpl\n\n\n"
    files = {"zoo_unpacked": head + mark + hooks, "zoo_parts": parts, "zoo_options": OPTIONS + "".join(fields)}
    for name, code in files.items():
        (folder / "src" / f"{name}.py").write_text(code)
    yield folder
    for name in files:
        sys.modules.pop(name, None)


class TestCommand:
    def test_a_model_is_reported_line_by_line(self, zoo_here: Here) -> None:
        lines = zoo_here("check", "vae", *ONLY[:4]).out.splitlines()
        assert lines[0] == "model vae"
        assert [line.split("  ")[1] for line in lines[1:3]] == ["✓ builds", "✓ samples-are-images"]
        assert lines[4].startswith("2 checks: 2 passed, 0 failed, in ")

    def test_a_failure_is_exit_code_1_with_its_sentence(self, zoo_here: Here, tmp_path: Path) -> None:
        Path("kit_failing.py").write_text(SOUND.replace("# mean\n", "mean = 2 * mean\n"))
        done = zoo_here("check", "./kit_failing.py", *ONLY, code=1)
        assert "  ✗ samples-are-images: samples lie in " in done.out
        assert "3 checks: 2 passed, 1 failed" in done.out
        assert "README" not in done.out
        found = json.loads(zoo_here("check", "kit_failing.py", "--json", *ONLY, code=1).out)
        assert found["passed"] is False
        assert found["readme"] is None
        assert {row["check"]: row["status"] for row in found["checks"]}["samples-are-images"] == "failed"

    @pytest.mark.parametrize("what", ["./zoo-unpacked", "zoo-unpacked"])
    def test_an_unpacked_folder_needs_no_installing(self, what: str, unpacked: Path, zoo_here: Here) -> None:
        done = zoo_here("check", what, *([] if what[0] == "." else ONLY))
        assert done.out.startswith("plugin unpacked\n  ✓ loads-without-fault\n")
        assert "model kit-vae\n" in done.out
        said = re.search(r"Conforms to plugin API 1 of `generative-zoo`: \d+ checks of zoo ", done.out)
        assert bool(said) == (what[0] == "."), "what was not checked is not said"

    @pytest.mark.parametrize("what", ["kit-vae", "kit_loud"])
    def test_a_file_that_is_loaded_before_the_command_is_known_by_name(self, what: str, zoo_here: Here) -> None:
        Path("kit_loud.py").write_text(SOUND.replace("# before\n", "print('loud')\n"))
        done = zoo_here("--plugin", "kit_loud.py", "check", what, "--json", *ONLY[:4])
        assert json.loads(done.out)["passed"] is True
        assert "loud" in done.lines, "and not in the document"

    @pytest.mark.parametrize(
        ("what", "words"),
        [
            ("conv-vea", "no model is called 'conv-vea'; did you mean 'conv-vae'?"),
            ("./nowhere", "./nowhere: there is no such file or folder"),
            ("nothing.py", "nothing.py: there is no such file or folder"),
            ("./empty", "empty is no unpacked plugin: it has no pyproject.toml; 'zoo new NAME' writes one"),
            ("./bare", 'bare declares no plugin; add [project.entry-points."zoo.plugins"] with \'name = "module"\''),
            ("./broken", "pyproject.toml is no TOML"),
        ],
    )
    def test_mistakes_are_told(self, what: str, words: str, zoo_here: Here, tmp_path: Path) -> None:
        for name in ("empty", "bare", "broken"):
            (tmp_path / name).mkdir()
        (tmp_path / "bare" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
        (tmp_path / "broken" / "pyproject.toml").write_text("[project\n")
        done = zoo_here("check", what, code=2)
        assert words in done.lines[-1]
        assert len(done.lines) == 1
        assert done.out == ""

    def test_an_unknown_check_is_refused(self, zoo_here: Here) -> None:
        done = zoo_here("check", "vae", "--only", "loss-fals", code=2)
        assert done.lines == ["zoo: --only loss-fals: no check is called so; did you mean 'loss-falls'?"]

    def test_a_plugin_by_name_has_its_models_and_options(self) -> None:
        things = {trial.thing for trial in collect(select("zoo_sphere"), {})}
        assert {"plugin sphere", "model svae", "posterior vmf"} <= things


def test_the_kit_fails_by_a_failure_of_pytest() -> None:
    assert issubclass(Failed, AssertionError)
