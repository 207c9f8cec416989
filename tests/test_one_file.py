"""One-file plugins: what a run keeps of them, and how it is loaded again; what is done about another version."""

from __future__ import annotations

import hashlib
import shutil
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import Done, write_small

import zoo
from zoo import ZooError, ZooWarning
from zoo.cli.main import run as run_command
from zoo.registry import load_registry
from zoo.runs.folder import find_run
from zoo.runs.loading import load_model

Here = Callable[..., Done]

WIDE = """
import torch
from dataclasses import dataclass
from zoo import FittedPrior, Options, PartSpec, Posterior, Prior, hookimpl, option
from zoo.distributions import Laplace

@dataclass(frozen=True, kw_only=True)
class WideOptions(Options):
    scale: float = option(2.0, "Mean distance from zero.", above=0)

class Wide(Prior):
    def __init__(self, options, site):
        super().__init__()
        shape = site.part("posterior", Posterior).latent_shape
        self.register_buffer("scale", torch.full(shape, options.scale))

    def forward(self, c=None):
        return Laplace(torch.zeros_like(self.scale), self.scale)

@hookimpl
def zoo_parts():
    yield PartSpec(kind="prior", name="wide", summary="Wide.", part="wide_file:Wide", options="wide_file:WideOptions")

@hookimpl
def zoo_registry():
    return {"models": {"wide-vae": {"extends": "vae", "summary": "Wide.", "prior": "wide"}}}
"""


@pytest.fixture(autouse=True)
def forget_modules() -> Iterator[None]:
    """Forget the modules of one-file plugins after each test."""
    before = set(sys.modules)
    yield
    for name in {"wide_file", "log_file"} - before:
        sys.modules.pop(name, None)


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    path = tmp_path / "wide_file.py"
    path.write_text(WIDE)
    return path


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of a one-file plugin, trained once for all tests."""
    folder = tmp_path_factory.mktemp("finished")
    write_small(folder / "small.npz")
    (folder / "wide_file.py").write_text(WIDE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ("train", "wide-vae.tiny", "--data", "npz:small.npz", "--epochs", "1", "--out", "runs/a")
        assert run_command(["--plugin", "wide_file.py", *words]) == 0
    return folder


@pytest.fixture
def trained(finished: Path, wide: Path, zoo_here: Here, small: str) -> Path:
    """That run in the working folder, as `runs/a`."""
    return Path(shutil.copytree(finished / "runs", wide.parent / "runs")) / "a"


def test_a_run_keeps_the_file_and_its_hash(wide: Path, trained: Path, zoo_here: Here) -> None:
    run = find_run("runs/a")
    assert (run.path / "plugins" / "wide_file.py").read_bytes() == wide.read_bytes()
    assert run.plugin_files == {"wide_file.py": sha(wide)}
    made = {"distribution": "wide_file.py", "version": "", "plugin": "wide_file", "sha256": sha(wide)}
    assert run.metadata["providers"]["prior"] == made
    assert "sha256" not in run.metadata["providers"]["encoder"]
    assert f"wide_file.py\t{sha(wide)}" in zoo_here("show", "runs/a").out
    assert "zoo.load(run, plugins=[run]).model" in (run.path / "README.md").read_text()
    assert not (run.path / "plugins" / "__pycache__").exists()
    assert not (wide.parent / "__pycache__").exists()


def test_a_run_loads_again_from_its_own_copy_when_that_is_asked_for(
    wide: Path, trained: Path, zoo_here: Here, small: str
) -> None:
    wide.unlink()
    gone = zoo_here("sample", "runs/a", code=2)
    assert gone.lines == [
        "zoo: runs/a/model.safetensors needs prior 'wide' of wide_file.py, which is not loaded; load it with "
        "'zoo --plugin runs/a …', which runs the copy that the run keeps"
    ]
    for plugin in ("runs/a", "runs/a/plugins/wide_file.py"):
        assert zoo_here("--plugin", plugin, "sample", "runs/a").err == ""
    zoo_here("--plugin", "runs/a", "evaluate", "runs/a")
    zoo_here("--plugin", "runs/a", "train", "--resume", "runs/a", "--epochs", "2")
    zoo_here("--plugin", "runs/a", "train", "wide-vae.tiny", "--data", small, "--epochs", "1", "--out", "runs/b")
    assert find_run("runs/b").plugin_files == find_run("runs/a").plugin_files
    assert find_run("runs/a").plugin_files, "and a resumed run keeps it"


def test_no_file_of_a_run_is_code_that_loading_runs(wide: Path, trained: Path, zoo_here: Here, tmp_path: Path) -> None:
    (trained / "plugins" / "wide_file.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n{WIDE}")
    for words in (("sample", "runs/a"), ("evaluate", "runs/a"), ("show", "runs/a"), ("train", "--resume", "runs/a")):
        zoo_here(*words, code=None)
    with pytest.raises(ZooError, match="which is not loaded"):
        _ = zoo.load("runs/a").model
    assert not (tmp_path / "ran").exists()


def test_another_version_of_the_file_is_told_with_both_hashes(wide: Path, trained: Path, zoo_here: Here) -> None:
    before = sha(wide)
    wide.write_text(f"{WIDE}\n# mended\n")
    told = (
        f"zoo: runs/a was made with another version of wide_file.py: sha256 {before[:12]}, and this one has "
        f"{sha(wide)[:12]}; 'zoo --plugin runs/a …' uses the copy that the run keeps"
    )
    assert zoo_here("--plugin", wide, "sample", "runs/a").lines == [told], "once"
    assert told in zoo_here("--plugin", wide, "evaluate", "runs/a").lines
    assert zoo_here("--plugin", "runs/a", "sample", "runs/a").err == ""
    done = zoo_here("--plugin", wide, "train", "--resume", "runs/a", "--epochs", "2")
    assert told in done.lines
    assert find_run("runs/a").plugin_files == {"wide_file.py": sha(wide)}, "what it is now made with"
    assert zoo_here("--plugin", wide, "sample", "runs/a").err == ""


def test_what_is_trained_with_another_version_is_trained_anew(wide: Path, zoo_here: Here, small: str) -> None:
    compare = ("compare", "wide-vae.tiny", "vae.tiny", "--data", small, "--epochs", "1")
    zoo_here("--plugin", wide, *compare, "--out", "compare/a")
    again = zoo_here("--plugin", wide, *compare, "--out", "compare/b")
    assert again.err.count("which was trained with the same settings") == 2
    wide.write_text(f"{WIDE}\n# mended\n")
    changed = zoo_here("--plugin", wide, *compare, "--out", "compare/c")
    assert changed.err.count("which was trained with the same settings") == 1


def test_two_versions_of_one_file_are_refused(wide: Path, trained: Path, zoo_here: Here) -> None:
    assert zoo_here("--plugin", "runs/a", "--plugin", wide, "list").err == "", "the same twice is one"
    before = sha(wide)
    wide.write_text(f"{WIDE}\n# mended\n")
    done = zoo_here("--plugin", "runs/a", "--plugin", wide, "list", code=2)
    now = sha(wide)[:12]
    assert done.lines == [
        f"zoo: --plugin {wide} (sha256 {now}) and runs/a/plugins/wide_file.py (sha256 {before[:12]}) are two versions "
        "of one file, which cannot be loaded together; use one at a time"
    ]


def test_versions_may_follow_each_other_in_one_process(wide: Path, trained: Path, zoo_here: Here) -> None:
    wide.write_text(WIDE.replace("torch.full(shape, options.scale)", "torch.full(shape, 7.0)"))
    assert float(zoo.build("wide-vae", (1, 12, 12), plugins=[wide]).get_buffer("prior.scale")[0]) == 7
    run = zoo.load("runs/a", plugins=["runs/a"])
    assert float(run.model.get_buffer("prior.scale")[0]) == 2
    assert float(zoo.build("wide-vae", (1, 12, 12), plugins=[wide]).get_buffer("prior.scale")[0]) == 7


def test_what_is_hashed_is_what_runs(wide: Path, zoo_here: Here) -> None:
    """A file of the same length that is written within a second is not mixed up with the one before."""
    build = {"shape": (1, 12, 12), "plugins": [wide]}
    for scale in ("2.0", "3.0", "4.0"):
        wide.write_text(WIDE.replace("option(2.0", f"option({scale}"))
        assert float(zoo.build("wide-vae", **build).get_buffer("prior.scale")[0]) == float(scale)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda run: (run / "plugins" / "wide_file.py").write_text("1 / 0"), "is not what the run was made with"),
        (lambda run: (run / "plugins" / "wide_file.py").unlink(), "there is no such file"),
        (lambda run: (run / "config.toml").write_text("plugin_files = 3"), "'plugin_files' makes no sense"),
        (lambda run: (run / "config.toml").write_text('[plugin_files]\n"../x.py" = "a"'), "makes no sense"),
        (lambda run: (run / "config.toml").write_text("["), "is no TOML"),
        (lambda run: (run / "config.toml").write_text(""), "is no run that keeps a one-file plugin"),
        (lambda run: (run / "config.toml").unlink(), "is no run that keeps a one-file plugin"),
    ],
)
def test_a_damaged_copy_is_not_run(
    change: Callable[[Path], object], words: str, wide: Path, trained: Path, zoo_here: Here
) -> None:
    change(Path("runs/a"))
    done = zoo_here("--plugin", "runs/a", "sample", "runs/a", code=2)
    assert words in done.err
    assert len(done.lines) == 1


def test_a_folder_that_is_no_run_is_told(zoo_here: Here, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    done = zoo_here("--plugin", "package", "list", code=2)
    assert done.lines == ["zoo: --plugin package is no run that keeps a one-file plugin; name a file, or such a run"]


def test_a_file_that_follows_a_run_is_kept_too(zoo_here: Here, small: str, tmp_path: Path) -> None:
    (tmp_path / "log_file.py").write_text("from zoo import hookimpl\n@hookimpl\ndef zoo_train_end(run): pass\n")
    zoo_here("--plugin", "log_file.py", "train", "ae-mlp.tiny", "--data", small, "--epochs", "1", "--out", "runs/a")
    assert list(find_run("runs/a").plugin_files) == ["log_file.py"]
    assert zoo_here("sample", "runs/a", "--out", "x.png").lines[:1] != ["zoo:"], "and not needed to use it"
    zoo_here("train", "--resume", "runs/a", "--epochs", "2")
    assert list(find_run("runs/a").plugin_files) == ["log_file.py"]
    zoo_here("train", "--config", "runs/a/config.toml", "--epochs", "1", "--out", "runs/b")
    assert find_run("runs/b").plugin_files == {}


def test_weights_alone_name_the_file(wide: Path, trained: Path, zoo_here: Here, tmp_path: Path) -> None:
    weights = tmp_path / "elsewhere.safetensors"
    weights.write_bytes(Path("runs/a/model.safetensors").read_bytes())
    assert "load it with 'zoo --plugin wide_file.py …'" in zoo_here("sample", weights, code=2).err
    zoo_here("--plugin", wide, "sample", weights, "--out", "x.png")


# --- from Python -----------------------------------------------------------------------------------------------------


def test_every_function_takes_plugins(wide: Path, zoo_here: Here, small: str) -> None:
    options = {"data": small, "epochs": 1, "plugins": [wide]}
    run = zoo.train("wide-vae.tiny", out="runs/a", **options)
    assert run.model.sample(2).shape == (2, 1, 12, 12)
    assert find_run("runs/a").settings["command"].startswith(f"zoo --plugin {wide} train wide-vae.tiny")
    with pytest.raises(ZooError, match="not loaded; load it with 'zoo --plugin runs/a …'"):
        _ = zoo.load("runs/a").model
    again = zoo.load("runs/a", plugins=["runs/a"])
    torch.manual_seed(0)
    first = run.model.sample(2)
    torch.manual_seed(0)
    assert torch.equal(first, again.model.sample(2))
    assert zoo.evaluate("runs/a", plugins=["runs/a"])["mse"] == run.scores["mse"]
    fitted = zoo.fit("runs/a", "gaussian", plugins=["runs/a"])
    assert fitted.model.sample(1).shape == (1, 1, 12, 12)
    assert again.with_prior("gaussian").model.sample(1).shape == (1, 1, 12, 12)
    both = zoo.compare(["wide-vae.tiny", "runs/a"], out="compare/a", **options)
    assert [row.runs[0].model.sample(1).shape for row in both.rows] == [(1, 1, 12, 12)] * 2
    assert both.document["command"].startswith(f"zoo --plugin {wide} compare")
    swept = zoo.sweep("wide-vae.tiny", beta=[0.5, 1.0], out="sweep/a", **options)
    assert [point.runs[0].model.sample(1).shape for point in swept.points] == [(1, 1, 12, 12)] * 2


@pytest.mark.parametrize("plugins", [["nothing.py"], ["package"], "wide_file.py"])
def test_a_file_that_is_not_there_is_told_at_once(plugins: list[str], zoo_here: Here, small: str) -> None:
    zoo_here("train", "ae-mlp.tiny", "--data", small, "--epochs", "1", "--out", "runs/a")
    with pytest.raises(ZooError, match=r"no such file|must be a list of paths"):
        zoo.load("runs/a", plugins=plugins)


def test_a_fitted_prior_of_a_file_is_kept_with_the_run(zoo_here: Here, small: str, tmp_path: Path) -> None:
    code = """
    import torch
    from zoo import FittedPrior, PartSpec, hookimpl
    from zoo.distributions import Normal

    class Point(FittedPrior):
        def __init__(self, options, site):
            super().__init__()
            self.register_buffer("loc", torch.zeros(site.part("posterior", object).latent_shape))

        def fit(self, codes):
            self.loc.copy_(codes.mean(0))

        def forward(self, c=None):
            return Normal(self.loc, torch.ones_like(self.loc))

    @hookimpl
    def zoo_parts():
        yield PartSpec(kind="fitted-prior", name="point", summary="A mean.", part="wide_file:Point")
    """
    (tmp_path / "wide_file.py").write_text(textwrap.dedent(code))
    zoo_here("train", "ae-mlp.tiny", "--data", small, "--epochs", "1", "--out", "runs/a")
    zoo_here("--plugin", "wide_file.py", "fit", "runs/a", "--prior", "point")
    (tmp_path / "wide_file.py").unlink()
    zoo_here("sample", "runs/a", "--out", "x.png")
    assert "load it with 'zoo --plugin runs/a …'" in zoo_here("sample", "runs/a", "--prior", "point", code=2).err
    zoo_here("--plugin", "runs/a", "sample", "runs/a", "--prior", "point")


def test_the_copy_is_loaded_beside_the_original(
    wide: Path, trained: Path, zoo_here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the working folder is on the import path, the original is found there, and is no other module."""
    monkeypatch.syspath_prepend(wide.parent)
    wide.write_text("1 / 0")
    assert zoo_here("--plugin", "runs/a", "sample", "runs/a").err == ""


def test_python_is_warned_as_python_warns(wide: Path, trained: Path, zoo_here: Here) -> None:
    wide.write_text(f"{WIDE}\n# mended\n")
    with pytest.warns(ZooWarning, match="another version of wide_file.py"):
        _ = zoo.load("runs/a", plugins=[wide]).model
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _ = load_model(zoo.load("runs/a"), load_registry(plugin_files=["runs/a"]))
