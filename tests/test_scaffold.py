"""What `zoo new` writes: works as it stands, is in style, replaces nothing; and names that it refuses."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import math
import os
import shlex
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Done, write_small
from hatchling.builders.wheel import WheelBuilder

import zoo
from zoo import Batch, Step
from zoo.assembly import build_model
from zoo.distributions import Normal
from zoo.errors import ZooError
from zoo.interfaces import Site
from zoo.registry import load_registry
from zoo.runs.folder import find_run
from zoo.scaffold.author import PLACEHOLDER
from zoo.scaffold.kinds import KINDS
from zoo.scaffold.names import LONGEST, read_name
from zoo.settings import resolve

Here = Callable[..., Done]

ROOT = Path(__file__).resolve().parent.parent
AROUND = {"pyproject.toml", "README.md", "LICENSE", ".gitignore", ".github/workflows/test.yml"}
CODE = {"dataset": {"data.py"}, "metric": {"options.py", "metrics.py"}}
MODELS = [name for name, kind in KINDS.items() if kind.model]

every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def forgotten(tmp_path: Path) -> Iterator[None]:
    """Forget what was imported from the test's folder."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def names_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package as an editable install does: its folder on the path, and what it is called beside it."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["zoo.plugins"]
    (info / "entry_points.txt").write_text("[zoo.plugins]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()))
    monkeypatch.syspath_prepend(folder)


# --- a package -------------------------------------------------------------------------------------------------------


@every_kind
def test_a_package_is_exactly_these_files(kind: str, zoo_here: Here, tmp_path: Path) -> None:
    done = zoo_here("new", "my-thing", "--part", kind, "--author", "Ada")
    own = {"__init__.py", "py.typed", *CODE.get(kind, {"options.py", "parts.py"})}
    own |= {"registry.toml"} if kind in MODELS else set()
    found = names_of(tmp_path / "zoo-my-thing")
    assert found == {*AROUND, "tests/test_conformance.py", *(f"zoo_my_thing/{name}" for name in own)}
    assert names_of(tmp_path) == {f"zoo-my-thing/{name}" for name in found}, "and nothing beside it"
    assert done.lines == [f"wrote {len(found)} files into zoo-my-thing; next:"]
    texts = [path.read_text() for path in (tmp_path / "zoo-my-thing").rglob("*") if path.is_file()]
    assert not any("{%" in text or "{{ " in text.replace("${{ ", "") for text in texts)
    assert all(text.endswith("\n") and not text.endswith("\n\n") for text in texts if text)


def test_it_ends_by_saying_what_to_do_next(zoo_here: Here) -> None:
    commands = zoo_here("new", "my-vae", "--author", "Ada").out.splitlines()
    assert commands == ["pip install --editable './zoo-my-vae[test]'", "zoo train my-vae", "pytest zoo-my-vae"]
    commands = zoo_here("new", "my-score", "--part", "metric", "--out", "my scores/one", "--author", "Ada").out
    pip, use, pytest_ = map(shlex.split, commands.splitlines())
    assert pip[-1] == "./my scores/one[test]"
    assert pytest_[-1] == "my scores/one"
    assert use == shlex.split("zoo train vae.tiny --out runs/vae && zoo evaluate runs/vae --metrics my-score")


USE = {
    "dataset": ("train", "vae.tiny", "--data", "new-dataset", "--limit", "200", "--out", "runs/a"),
    "metric": ("evaluate", "runs/base", "--metrics", "new-metric", "--new-metric.power", "2", "--json"),
    "fitted-prior": ("fit", "runs/base", "--prior", "new-fitted-prior", "--json"),
}


@every_kind
def test_a_package_works_as_it_stands(
    kind: str, zoo_here: Here, small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"new-{kind}"
    zoo_here("new", name, "--part", kind, "--author", "Ada")
    install(tmp_path / f"zoo-{name}", monkeypatch)
    monkeypatch.setenv("ZOO_STRICT", "1")
    if kind in ("metric", "fitted-prior"):
        zoo_here("train", "vae.tiny", "--data", small, "--out", "runs/base")
    done = zoo_here(*USE.get(kind, ("train", f"{name}.tiny", "--data", small, "--out", "runs/a")))
    if kind == "metric":
        assert json.loads(done.out)["scores"]["new_metric"] > 0
    elif kind == "fitted-prior":
        held_out = json.loads(done.out)["log_likelihood"]
        assert held_out["fitted"] > held_out["declared"] - 1
        zoo_here("sample", "runs/base", "--prior", name)
    else:
        run = find_run("runs/a")
        assert math.isfinite(run.scores["objective"])
        zoo_here("sample", "runs/a", "-n", "4")
        listed = json.loads(zoo_here("plugins", "--json").out)
        mine = next(row for row in listed["plugins"] if row["distribution"] == f"zoo-{name}")
        assert mine["models"] == ([] if kind == "dataset" else [name])


def test_the_parts_fit_other_models_too(zoo_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("loss", "prior", "posterior", "likelihood", "network", "encoder", "decoder"):
        zoo_here("new", f"new-{kind}", "--part", kind, "--author", "Ada")
        install(tmp_path / f"zoo-new-{kind}", monkeypatch)
    roles = {role: f"new-{role}" for role in ("loss", "prior", "likelihood", "encoder", "decoder")}
    for base, parts in {
        "conv-vae.tiny": {"posterior": "new-posterior", **roles},
        "ae": {"encoder": "new-network", "decoder": "new-network", "loss": "new-loss"},
    }.items():
        model = zoo.build(base, (3, 9, 7), **parts)
        terms = model.loss(Batch(torch.rand(5, 3, 9, 7), {}, torch.arange(5)), Step.of(0, 0, 0))
        terms.loss.backward()
        assert all(value.grad is not None for value in model.parameters())
        assert ("energy" in terms.logs) == (base == "ae")
        assert model.sample(2).shape == (2, 3, 9, 7)


def test_making_one_imports_nothing_heavy(zoo_env: dict[str, str], tmp_path: Path) -> None:
    code = """
import sys
for name in ("torch", "numpy", "matplotlib", "PIL", "safetensors"):
    sys.modules[name] = None
from zoo.cli.main import run
sys.exit(run(["new", "my-vae"]) or run(["new", "my-vae", "--one-file"]) or run(["new", "--help"]))
"""
    env = {**zoo_env, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- one file --------------------------------------------------------------------------------------------------------


@every_kind
def test_one_file_holds_the_same_code(kind: str, zoo_here: Here, tmp_path: Path) -> None:
    module = f"one_{kind.replace('-', '_')}"
    name = f"one-{kind}"
    done = zoo_here("new", name, "--part", kind, "--one-file", "--out", "files")
    path = tmp_path / "files" / f"{module}.py"
    assert names_of(tmp_path) == {f"files/{module}.py"}
    assert done.lines == [f"wrote files/{module}.py"]
    zoo_here("new", name, "--part", kind, "--author", "Ada")
    package = tmp_path / f"zoo-{name}" / f"zoo_{module}"
    sources = [file.read_text() for file in package.glob("*.py")]
    classes = [node for source in sources for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    mine = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    assert sorted(map(ast.dump, mine)) == sorted(map(ast.dump, classes))
    registry = load_registry(third_party=False, plugin_files=[path])
    assert registry.plugins.faults == []
    if kind in MODELS:
        model = build(registry, f"{name}.tiny")
        terms = model.loss(Batch(torch.rand(5, 1, 12, 12), {"label": torch.arange(5) % 3}, torch.arange(5)), START)
        assert terms.loss.isfinite()
        table = tomllib.loads((package / "registry.toml").read_text())
        assert sys.modules[module].zoo_registry() == table


START = Step.of(0, 0, 0)


def build(registry: Any, name: str) -> Any:
    settings = resolve(registry, name)
    site = Site((1, 12, 12), 100, {}, {"label": (40, 30, 30)})
    return build_model(registry, settings.model.composition, settings.model.parts, settings.options, site)


def test_one_file_trains(zoo_here: Here, small: str) -> None:
    commands = zoo_here("new", "my-vae", "--one-file").out.splitlines()
    assert commands[1] == "zoo --plugin my_vae.py train my-vae"
    zoo_here(*shlex.split(commands[0])[1:])
    zoo_here(*shlex.split(commands[1])[1:], "--data", small, "--epochs", "1", "--out", "runs/a")


# --- what is written -------------------------------------------------------------------------------------------------


def code_lines(node: ast.AST, source: str) -> int:
    """Return how many lines of a definition are code: no docstring, no comment, nothing empty."""
    texts = {line for each in ast.walk(node) if is_docstring(each) for line in range(each.lineno, each.end_lineno + 1)}
    first = min(part.lineno for part in (node, *node.decorator_list))
    lines = [(number, source.splitlines()[number - 1].strip()) for number in range(first, node.end_lineno + 1)]
    return sum(1 for number, line in lines if line and not line.startswith("#") and number not in texts)


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@every_kind
def test_what_it_brings_is_short(kind: str, zoo_here: Here, tmp_path: Path) -> None:
    zoo_here("new", "my-thing", "--part", kind, "--author", "Ada")
    source = (tmp_path / "zoo-my-thing" / "zoo_my_thing" / f"{KINDS[kind].modules[-1]}.py").read_text()
    defined = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    counts = {node.name: code_lines(node, source) for node in defined}
    assert max(counts.values()) <= 30, counts
    assert all(ast.get_docstring(node) for node in defined)


@pytest.fixture
def everything(zoo_here: Here, tmp_path: Path) -> Path:
    """A folder with a package and a file of each kind, and some of the longest name."""
    for kind in KINDS:
        longest = f"{'n' * (LONGEST - 2)}-1"
        for name in (f"new-{kind}", longest):
            zoo_here("new", name, "--part", kind, "--author", "Ada", "--out", f"packages/{kind}/{name}")
        zoo_here("new", longest, "--part", kind, "--one-file", "--out", f"files/{kind}")
    return tmp_path


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is in the extra dev only")
def test_it_is_in_style(everything: Path) -> None:
    ruff = [sys.executable, "-m", "ruff"]
    code = [str(path) for path in (*everything.glob("packages/*/*/zoo_*"), everything / "files")]
    ours = ["--config", str(ROOT / "pyproject.toml"), *code]
    for words in (
        ["check", "packages"],
        ["check", *ours],
        ["format", "--check", "packages"],
        ["format", "--check", *ours],
    ):
        done = subprocess.run([*ruff, *words, "--no-cache"], cwd=everything, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"


@pytest.mark.slow  # mypy reads torch anew, which takes a minute
@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is in the extra dev only")
def test_it_is_typed(zoo_here: Here, tmp_path: Path) -> None:
    for kind in KINDS:
        zoo_here("new", f"new-{kind}", "--part", kind, "--author", "Ada")
    packages = [*tmp_path.glob("zoo-*/zoo_*")]
    paths = [*(package.parent for package in packages), ROOT, ROOT / "plugins"]
    words = ["--strict", "--disable-error-code", "type-abstract", "--explicit-package-bases", *map(str, packages)]
    env = {**os.environ, "MYPYPATH": os.pathsep.join(map(str, paths))}
    done = subprocess.run([sys.executable, "-m", "mypy", *words], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("license", "spdx", "words"),
    [
        ("apache-2.0", "Apache-2.0", "Apache License"),
        ("mit", "MIT", "Permission is hereby granted"),
        ("bsd-3-clause", "BSD-3-Clause", "Neither the name"),
        ("none", None, ""),
    ],
)
def test_the_licence_is_a_choice(license: str, spdx: str | None, words: str, zoo_here: Here, tmp_path: Path) -> None:
    author = 'Zoë "Ada" O\'Neil \\ Søn, {{ name }}'
    zoo_here("new", "my-vae", "--license", license, "--author", author)
    folder = tmp_path / "zoo-my-vae"
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    assert project.get("license") == spdx
    assert project["authors"] == [{"name": author}]
    assert (folder / "LICENSE").is_file() == (spdx is not None) == ("license-files" in project)
    assert ("Licence" in (folder / "README.md").read_text("utf-8")) == (spdx is not None)
    if spdx is None:
        assert project["classifiers"] == ["Private :: Do Not Upload"]
    else:
        text = (folder / "LICENSE").read_text("utf-8")
        assert words in text
        assert f"{date.today().year}" in text
        assert author in text


def test_the_author_is_gits_or_nobody(zoo_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    config.write_text("[user]\n\tname = Grace\n")
    assert zoo_here("new", "one").lines == ["wrote 11 files into zoo-one; next:"]
    assert '[{ name = "Grace" }]' in (tmp_path / "zoo-one" / "pyproject.toml").read_text()
    config.write_text("")
    assert f"put it where '{PLACEHOLDER}' stands" in zoo_here("new", "two").lines[0]
    monkeypatch.setenv("PATH", "")
    assert "git's user.name" in zoo_here("new", "three").lines[0], "nor is there any git"
    assert zoo_here("new", "four", "--author", " ", code=2).lines == ["zoo: --author must be one line of text"]
    assert zoo_here("new", "four", "--author", "A\nB", code=2).lines == ["zoo: --author must be one line of text"]
    assert not (tmp_path / "zoo-four").exists()


def test_templates_are_in_the_wheel() -> None:
    built = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    templates = [path for path in (ROOT / "zoo/scaffold/templates").rglob("*") if path.is_file()]
    assert len(templates) > 50
    assert {path.relative_to(ROOT).as_posix() for path in templates} <= built


def test_every_kind_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "plugins.md").read_text()
    assert all(f"| `{kind}` |" in text for kind in KINDS)


# --- the ideas -------------------------------------------------------------------------------------------------------


@pytest.fixture
def written(zoo_here: Here, tmp_path: Path) -> Callable[[str], Any]:
    """Gives the module of a part that is written anew."""

    def write(kind: str) -> Any:
        zoo_here("new", f"idea-{kind}", "--part", kind, "--one-file")
        load_registry(third_party=False, plugin_files=[tmp_path / f"idea_{kind}.py"])
        return sys.modules[f"idea_{kind}"]

    return write


def moments(density: Any) -> list[float]:
    """Return mass, mean and variance of a density of one unit, by integration."""
    z = torch.linspace(-60, 60, 200_001, dtype=torch.float64)[:, None]
    p = density.log_prob(z).exp()
    return [float(torch.trapezoid(p * z[:, 0] ** power, z[:, 0])) for power in (0, 1, 2)]


def unit(value: float) -> torch.Tensor:
    return torch.full((1,), value, dtype=torch.float64)


def test_the_prior_is_a_density_of_its_scale(written: Callable[[str], Any]) -> None:
    sech = written("prior").Sech(unit(0.5), unit(1.5))
    assert moments(sech) == pytest.approx([1, 0.5, 1.5**2 + 0.5**2], rel=1e-6)
    torch.manual_seed(0)
    x = sech.rsample((200_000,))
    assert (float(x.mean()), float(x.var())) == pytest.approx((0.5, 2.25), abs=0.03)
    assert sech.log_prob(unit(1000)).isfinite()


def test_the_posterior_knows_its_kl(written: Callable[[str], Any]) -> None:
    q, p = written("posterior").Gumbel(unit(0.3), unit(0.7)), Normal(unit(-0.2), unit(1.3))
    mass, mean, _ = moments(q)
    assert (mass, mean) == pytest.approx((1, float(q.mean)), rel=1e-6)
    z = torch.linspace(-30, 60, 200_001, dtype=torch.float64)[:, None]
    log_q = q.log_prob(z)
    integral = torch.trapezoid(torch.nan_to_num(log_q.exp() * (log_q - p.log_prob(z))), z[:, 0])
    assert float(q.kl_to(p)) == pytest.approx(float(integral), rel=1e-6)
    torch.manual_seed(0)
    assert float(q.rsample((200_000,)).mean()) == pytest.approx(float(q.mean), abs=0.01)


def test_the_likelihood_is_a_density(written: Callable[[str], Any]) -> None:
    p = written("likelihood").Logistic(unit(0.4), unit(0.5), 1)
    assert moments(p) == pytest.approx([1, 0.4, (math.pi * 0.5) ** 2 / 3 + 0.4**2], rel=1e-6)
    torch.manual_seed(0)
    assert float(p.rsample((200_000,)).std()) == pytest.approx(math.pi * 0.5 / math.sqrt(3), abs=0.01)


def test_the_loss_is_at_least_the_elbo_and_near_it_at_a_small_tilt(written: Callable[[str], Any]) -> None:
    module = written("loss")
    site, model = Site((1, 12, 12), 1, {}), zoo.build("vae.tiny", (1, 12, 12)).double()
    batch = Batch(torch.rand(16, 1, 12, 12, dtype=torch.float64), {}, torch.arange(16))
    found = {}
    for tilt in (1e-6, 0.02, 1.0):
        torch.manual_seed(0)
        terms = module.IdeaLoss(module.IdeaLossOptions(tilt=tilt), site)(model, batch, START)
        found[tilt] = float(terms.loss.detach())
    plain = float((terms.logs["distortion"] + terms.logs["rate"]).detach())
    assert found[1e-6] == pytest.approx(plain, rel=1e-6)
    assert plain < found[0.02] < found[1.0]


def test_the_encoder_reads_orthonormal_waves(written: Callable[[str], Any]) -> None:
    waves = written("encoder").cosines(7, 99)
    torch.testing.assert_close(waves @ waves.T, torch.eye(7), rtol=0, atol=1e-6)
    assert waves[0].unique().numel() == 1, "the first is a constant"


def test_the_metric_is_0_where_edges_are_alike_and_counts_blur(written: Callable[[str], Any]) -> None:
    difference = written("metric").gradient_difference
    x = torch.tensor([[0.0, 1, 0, 1], [0, 1, 0, 1]])[None, None]
    assert difference(x, 1 - x, 1.0).tolist() == [0]
    assert difference(x, torch.full_like(x, 0.5), 1.0).tolist() == [pytest.approx(6 / 8)]
    assert difference(x[..., :1, :1], x[..., :1, :1], 1.0).tolist() == [0]


def test_the_data_are_drawn_from_their_factors(written: Callable[[str], Any]) -> None:
    module = written("dataset")
    images = module.load(None, zoo.DataOptions())
    assert (len(images.train), len(images.test), images.shape) == (10_000, 2_000, (1, 28, 28))
    again = module.load(None, zoo.DataOptions())
    assert again.train.x.equal(images.train.x)
    inside = images.read(images.train.x).sum((1, 2, 3))
    y = images.train.y
    area = torch.where(y["label"] == 1, math.pi * y["radius"] ** 2, 2 * math.pi * y["radius"] * 2)
    torch.testing.assert_close(inside, area, rtol=0.05, atol=2)
    with pytest.raises(ZooError, match="nothing may follow the name"):
        module.load("3", zoo.DataOptions())


def test_the_clusters_are_a_density_over_grey_levels(written: Callable[[str], Any]) -> None:
    module = written("composition")
    site = Site((1, 1, 1), 1, {})
    clusters = module.IdeaCompositionClusters(module.IdeaCompositionOptions(number=3), site)
    model = module.IdeaCompositionModel({"clusters": clusters}, site)
    levels = torch.arange(256).reshape(-1, 1, 1, 1) / 255
    torch.manual_seed(0)
    # By Jensen's inequality the mean over the noise is below the probability of a level; here by very little.
    total = model.log_prob(levels).exp().sum()
    inside = model.clusters().log_prob((torch.arange(4096) / 4096).reshape(-1, 1, 1, 1)).exp().mean()
    assert float(total.detach()) == pytest.approx(float(inside.detach()), rel=0.01)
    assert set((model.sample(50) * 255).flatten().tolist()) <= set(map(float, range(256)))


# --- names -----------------------------------------------------------------------------------------------------------

REFUSED = {
    "My_VAE": "'My_VAE' is no name: names are lower-case words with dashes; did you mean 'my-vae'?",
    "MyVAEPrior": "did you mean 'my-vae-prior'?",
    "my_vae": "did you mean 'my-vae'?",
    "my--vae": "did you mean 'my-vae'?",
    "-x-": None,
    "my vae": "did you mean 'my-vae'?",
    "": "'' is no name",
    "../x": "did you mean 'x'?; --out says where to write",
    "a/b": "--out says where to write",
    "naïve": "'naïve' is no name: names are lower-case words with dashes",
    "x\n": "did you mean 'x'?",
    "3d-vae": "starts with a digit, as no class may; write a letter first, such as 'my-3d-vae'",
    "lambda": "'lambda' means something else to Python",
    "all": "'all' means something else to the command line",
    "zoo-my-vae": "write 'zoo new my-vae'",
    "zoo": "write 'zoo new my-vae'",
    "x" * (LONGEST + 1): f"has {LONGEST + 1} characters; {LONGEST} are the most",
    "conv-vae": "the zoo has a model 'conv-vae' already; choose another name, such as 'my-conv-vae'",
    "capacity": "the zoo has a loss 'capacity' already",
    "mnist": "the zoo has a data set 'mnist' already",
    "psnr": "the zoo has a metric 'psnr' already",
    "autoencoder": "the zoo has a composition 'autoencoder' already",
    "data": "would need a class DataOptions, which the zoo has",
    "flows": "a module 'zoo_flows' is installed already",
}


@pytest.mark.parametrize("name", REFUSED)
def test_names_that_cannot_be_are_refused_with_a_reason(name: str, zoo_here: Here, tmp_path: Path) -> None:
    done = zoo_here("new", "--author", "Ada", "--", name, code=2)
    assert (REFUSED[name] or "no name") in done.err
    assert len(done.lines) == 1
    assert list(tmp_path.iterdir()) == []


def test_one_file_may_not_hide_a_module(zoo_here: Here, tmp_path: Path) -> None:
    for name in ("json", "torch", "zoo-vae"):
        done = zoo_here("new", name, "--one-file", code=2)
        assert "is installed already" in done.err or "by itself" in done.err
    assert list(tmp_path.iterdir()) == []
    zoo_here("new", "json", "--author", "Ada")
    assert (tmp_path / "zoo-json" / "zoo_json" / "__init__.py").is_file(), "a package has a name of its own"


def test_names_of_everything() -> None:
    names = read_name("student-t2")
    assert (names.distribution, names.package, names.module) == ("zoo-student-t2", "zoo_student_t2", "student_t2")
    assert names.class_name("Posterior") == "StudentT2Posterior"
    assert read_name("my-loss").class_name("Loss") == "MyLoss"
    assert read_name("loss").class_name("Loss") == "LossLoss"


# --- nothing is replaced ---------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_empty_stays_as_it_is(zoo_here: Here, tmp_path: Path) -> None:
    zoo_here("new", "my-vae", "--author", "Ada")
    before = {name: (tmp_path / name).read_bytes() for name in names_of(tmp_path)}
    done = zoo_here("new", "my-vae", "--author", "Bob", code=2)
    words = "zoo-my-vae is not empty; nothing was written: name another folder with --out"
    assert done.lines == [f"zoo: {words}"]
    assert {name: (tmp_path / name).read_bytes() for name in names_of(tmp_path)} == before
    (tmp_path / "taken").write_text("mine")
    done = zoo_here("new", "my-vae", "--author", "Ada", "--out", "taken", code=2)
    assert done.lines == ["zoo: taken is there, and is no folder; nothing was written"]
    (tmp_path / "lost").symlink_to("nowhere")
    zoo_here("new", "my-vae", "--author", "Ada", "--out", "lost", code=2)
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_file_that_is_there_stays_as_it_is(zoo_here: Here, tmp_path: Path) -> None:
    (tmp_path / "my_vae.py").write_text("mine")
    done = zoo_here("new", "my-vae", "--one-file", code=2)
    assert done.lines == ["zoo: my_vae.py is there already; nothing was written: name another folder with --out"]
    assert (tmp_path / "my_vae.py").read_text() == "mine"
    zoo_here("new", "my-vae", "--one-file", "--out", "beside")
    assert names_of(tmp_path) == {"my_vae.py", "beside/my_vae.py"}


def test_an_empty_folder_will_do(zoo_here: Here, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    zoo_here("new", "my-vae", "--author", "Ada", "--out", "empty")
    zoo_here("new", "my-vae", "--author", "Ada", "--out", tmp_path / "deep" / "er")
    assert names_of(tmp_path / "empty") == names_of(tmp_path / "deep" / "er")
    assert (tmp_path / "deep" / "er").stat().st_mode == (tmp_path / "empty").stat().st_mode


def test_an_error_half_way_leaves_nothing(zoo_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_text
    count = 0

    def full(self: Path, *arguments: Any, **named: Any) -> int:
        nonlocal count
        count += 1
        if count == 5:
            raise OSError(28, "No space left on device", str(self))
        return write(self, *arguments, **named)

    monkeypatch.setattr(Path, "write_text", full)
    assert "No space left" in zoo_here("new", "my-vae", "--author", "Ada", code=2).lines[-1]
    assert list(tmp_path.iterdir()) == []


def test_one_file_has_no_licence(zoo_here: Here, tmp_path: Path) -> None:
    for words in (("--license", "mit"), ("--author", "Ada")):
        done = zoo_here("new", "my-vae", "--one-file", *words, code=2)
        assert done.lines == ["zoo: --one-file writes no licence and no author; leave --license and --author out"]
    assert list(tmp_path.iterdir()) == []
    assert "--part" in zoo_here("new", "my-vae", "--part", "nothing", code=2).err


# --- installed -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clean:
    """An environment of its own, and a folder with a package of each kind that is installed in it."""

    folder: Path
    bin: Path
    env: dict[str, str]

    def __call__(self, *words: str | Path) -> str:
        command = [str(self.bin / words[0]), *map(str, words[1:])]
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """Write everything with the command, and install it as its last words say, with nothing from an index.

    What the tests' environment has is borrowed by a .pth file, the zoo is that of the checkout.
    """
    home = tmp_path_factory.mktemp("clean")
    venv.create(home / "venv", with_pip=False)
    scheme = {"base": str(home / "venv"), "platbase": str(home / "venv")}
    site = Path(sysconfig.get_path("purelib", "venv", scheme))
    borrowed = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (site / "borrowed.pth").write_text("\n".join([str(ROOT), str(ROOT / "plugins"), *borrowed]) + "\n")
    bin_folder = Path(sysconfig.get_path("scripts", "venv", scheme))
    for program, module in {"zoo": "zoo", "pytest": "pytest", "pip": "pip"}.items():
        script = bin_folder / program
        script.write_text(f'#!/bin/sh\nexec "{bin_folder / "python"}" -m {module} "$@"\n')
        script.chmod(0o755)
    env = {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "HOME": str(home), "OMP_NUM_THREADS": "1"}
    made = Clean(home, bin_folder, {**env, "PYTHONDONTWRITEBYTECODE": "1"})
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    folders = []
    for kind in KINDS:
        pip = shlex.split(made("zoo", "new", f"new-{kind}", "--part", kind, "--author", "Ada").splitlines()[0])
        folders += [pip[-2], pip[-1]]
    made("pip", "install", *offline, *folders)
    write_small(home / "small.npz")
    return made


@pytest.mark.slow
@every_kind
def test_the_commands_that_it_prints_work(kind: str, clean: Clean, tmp_path: Path) -> None:
    """Install, use, test: the first is done by the fixture, for all at once."""
    name = f"new-{kind}"
    listed = json.loads(clean("zoo", "plugins", "--json"))
    assert name in {row["plugin"] for row in listed["plugins"]}
    assert name not in {row["plugin"] for row in listed["faults"]}
    use = KINDS[kind].command(read_name(name)).replace("runs/", f"{tmp_path}/")
    small = ["--limit", "64", *([] if "--data" in use else ["--data", "npz:small.npz"])]
    for words in map(shlex.split, use.split(" && ")):
        training = ["--epochs", "1", *small, "--out", str(tmp_path / "new")] if words[1] == "train" else []
        clean(*words[:3], *training, *words[3:])
    assert " passed" in clean("pytest", "-q", "-p", "no:cacheprovider", f"zoo-{name}")


@pytest.mark.slow
def test_the_wheel_of_one_holds_its_registry_and_its_licence(clean: Clean, tmp_path: Path) -> None:
    clean("pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", tmp_path, "./zoo-new-prior")
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = set(archive.namelist())
        (metadata,) = (archive.read(name).decode() for name in found if name.endswith(".dist-info/METADATA"))
    own = {"__init__.py", "options.py", "parts.py", "py.typed", "registry.toml"}
    assert {name for name in found if ".dist-info" not in name} == {f"zoo_new_prior/{name}" for name in own}
    assert any(name.endswith("licenses/LICENSE") for name in found)
    assert "License-Expression: Apache-2.0" in metadata
    assert "Author: Ada" in metadata
