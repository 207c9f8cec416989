"""Plugins of other people, installed as they would be: good ones work, bad ones cost one line and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Done, Site, ZooProcess

import zoo
from zoo import ZooError
from zoo.plugins.discovery import discover
from zoo.registry import Registry, load_registry
from zoo.runs.folder import find_run
from zoo.runs.loading import load_model
from zoo.settings import resolve

Here = Callable[..., Done]


HEAD = "from zoo import CompositionSpec, DatasetSpec, PartSpec, Role, hookimpl\n"

SPECS = f"""{HEAD}
from pathlib import Path

@hookimpl
def zoo_parts():
    yield PartSpec(kind="prior", name="cauchy", summary="Heavy tails.", part="zoo_heavy.parts:Cauchy",
                   options="zoo_heavy.options:CauchyOptions", equation="p(z) = Cauchy(0, scale)")

@hookimpl
def zoo_datasets():
    return [DatasetSpec(name="stripes", summary="Stripes.", load="zoo_heavy.parts:stripes", argument="SIDE")]

@hookimpl
def zoo_registry():
    return Path(__file__).parent / "registry.toml"
"""
OPTIONS = """
from dataclasses import dataclass
from zoo import Options, option

@dataclass(frozen=True, kw_only=True)
class CauchyOptions(Options):
    scale: float = option(1.0, "Half width at half height.", above=0)
    beta: float = option(0.0, "Shares its name with the loss's.")
    out: bool = option(False, "Shares its name with a flag of the command.")
"""
PARTS = """
import torch
from zoo import ImageSet, Prior, Site, Split
from zoo.distributions import Laplace

class Cauchy(Prior):
    def __init__(self, options, site):
        super().__init__()
        size = site.part("posterior", object).latent_shape
        self.register_buffer("scale", torch.full(size, options.scale))

    def forward(self, c=None):
        return Laplace(torch.zeros_like(self.scale), self.scale)

def stripes(argument, options):
    side = int(argument)
    x = (torch.arange(side) % 2 * 255).to(torch.uint8).expand(48, 1, side, side).contiguous()
    y = {"label": torch.arange(48) % 2}
    return ImageSet(f"stripes:{side}", Split(x[:32], {k: v[:32] for k, v in y.items()}),
                    Split(x[32:], {k: v[32:] for k, v in y.items()}), 1 / 255, "drawn")
"""
TABLES = """
[models.heavy-vae]
extends = "vae"
summary = "A VAE with heavy tails."
prior = "cauchy"
likelihood = "mse"
options = { "prior.scale" = 2.0 }
"""


def install_good(site: Site, dist: str = "zoo-heavy") -> None:
    modules = {"zoo_heavy__init": "", "zoo_heavy__options": OPTIONS, "zoo_heavy__parts": PARTS}
    site.install(dist, {"heavy": "zoo_heavy"}, "0.3", **modules)
    (site.path / "zoo_heavy" / "init.py").rename(site.path / "zoo_heavy" / "__init__.py").write_text(SPECS)
    site.write("zoo_heavy__registry", TABLES, ".toml")


RESUME = ("train", "--resume", "runs/a", "--epochs", "3")


def reasons(registry: Registry) -> list[str]:
    return [str(fault) for fault in registry.plugins.faults]


# --- a good one ------------------------------------------------------------------------------------------------------


def test_a_plugin_brings_parts_models_and_data(site: Site, zoo_here: Here) -> None:
    install_good(site)
    assert "heavy-vae\tvae\theavy\tready\tA VAE with heavy tails." in zoo_here("list").out
    shown = json.loads(zoo_here("show", "heavy-vae", "--json").out)
    assert shown["parts"]["prior"] == "cauchy"
    assert shown["options"]["prior.scale"]["default"] == 2.0
    helped = zoo_here("train", "heavy-vae", "--help").out
    assert "--prior.scale, --scale FLOAT" in helped
    assert "--prior.beta FLOAT" in helped, "a flat name that two parts share is nobody's"
    assert "--loss.beta FLOAT or SCHEDULE" in helped
    assert "--prior.out / --no-prior.out" in helped, "a flat name that the command has is the command's"
    assert "--beta is ambiguous" in zoo_here("train", "heavy-vae", "--beta", "1", code=2).err
    assert "p(z) = Cauchy(0, scale)" in zoo_here("explain", "heavy-vae").out
    assert "stripes:SIDE" in zoo_here("data").out
    found = json.loads(zoo_here("plugins", "--json").out)["plugins"][-1]
    assert (found["plugin"], found["distribution"], found["version"]) == ("heavy", "zoo-heavy", "0.3")
    assert found["models"] == ["heavy-vae"]
    assert found["parts"] == ["prior cauchy"]
    assert found["datasets"] == ["stripes"]
    assert not found["imports_torch"]


def test_a_run_of_a_plugin_that_is_gone_names_what_to_install(site: Site, zoo_here: Here) -> None:
    install_good(site)
    train = ("train", "heavy-vae.tiny", "--data", "stripes:8", "--out", "runs/a", "--prior.scale", "3")
    zoo_here(*train)
    model = find_run("runs/a").model
    assert float(model.get_buffer("prior.scale")[0]) == 3
    zoo_here("sample", "runs/a", "-n", "4")
    facts = json.loads(zoo_here("show", "runs/a", "--json").out)
    assert facts["providers"]["prior"] == {"distribution": "zoo-heavy", "version": "0.3", "plugin": "heavy"}
    site.uninstall("zoo-heavy")
    gone = "of zoo-heavy 0.3, which is not installed; install it with 'pip install zoo-heavy'"
    uses = {"sample": "prior 'cauchy'", "evaluate": "data 'stripes'", "compare": "prior 'cauchy'"}
    commands = {**{(command, "runs/a"): what for command, what in uses.items()}, RESUME: "prior 'cauchy'"}
    for words, what in commands.items():
        done = zoo_here(*words, code=2)
        assert f"needs {what} {gone}" in done.err
        assert done.out == ""
        assert len(done.lines) == 1
    assert not Path("compare").exists()
    assert zoo_here("show", "runs/a").out.startswith("runs/a: heavy-vae on stripes:8")
    with pytest.raises(ZooError, match=r"needs prior 'cauchy' of zoo-heavy 0\.3"):
        _ = zoo.load("runs/a").model


def test_a_run_is_found_again_whoever_else_has_the_same_names(site: Site, zoo_here: Here) -> None:
    install_good(site)
    zoo_here("train", "heavy-vae.tiny", "--data", "stripes:8", "--out", "runs/a")
    before = find_run("runs/a").model.state_dict()
    spec = 'PartSpec(kind="prior", name="cauchy", summary="Not this one.", part="nowhere:Nothing")'
    site.install("aaa", {"other": "other"}, other=f"{HEAD}\n@hookimpl\ndef zoo_parts():\n    yield {spec}\n")
    done = zoo_here("sample", "runs/a")
    assert "prior 'cauchy' is in aaa 1.0 too; this one is 'cauchy@zoo-heavy'" in done.err
    after = load_model(find_run("runs/a"), load_registry()).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert "prior 'cauchy' is provided more than once; write 'cauchy@aaa' or 'cauchy@zoo-heavy'" in (
        zoo_here("train", "vae", "--prior", "cauchy", code=2).err
    )
    zoo_here("train", "vae.tiny", "--prior", "cauchy@zoo-heavy", "--data", "stripes:8", "--out", "runs/b")
    site.uninstall("aaa")
    zoo_here("sample", "runs/b")


# --- bad ones --------------------------------------------------------------------------------------------------------

BAD = {
    "import-error": ("import nothing_of_the_kind", "did not load: ModuleNotFoundError: No module named"),
    "syntax-error": ("def (", "did not load: SyntaxError"),
    "exits": ("raise SystemExit('bye')", "did not load: SystemExit: bye"),
    "misspelt": ("@hookimpl\ndef zoo_part(): return []", "unknown hook 'zoo_part'"),
    "wrong-argument": ("@hookimpl\ndef zoo_parts(registry): return []", "Argument(s) {'registry'} are declared"),
    "returns-none": ("@hookimpl\ndef zoo_parts(): pass", "zoo_parts returned None; return a list of PartSpec"),
    "yields-none": ("@hookimpl\ndef zoo_parts(): yield None", "zoo_parts gave NoneType, not PartSpec"),
    "not-a-spec": ("@hookimpl\ndef zoo_parts(): return ['cauchy']", "zoo_parts gave str, not PartSpec"),
    "not-a-list": ("@hookimpl\ndef zoo_datasets(): return 3", "did not load: TypeError"),
    "raises": ("@hookimpl\ndef zoo_parts(): return 1 / 0", "ZeroDivisionError: division by zero"),
    "no-hook": ("x = 1", "implements no hook"),
    "registry-none": ("@hookimpl\ndef zoo_registry(): pass", "zoo_registry returned None; return a path or a mapping"),
    "registry-text": ("@hookimpl\ndef zoo_registry(): return 'registry.toml'", "gave str, not a path or a mapping"),
    "registry-lost": (
        "from pathlib import Path\n@hookimpl\ndef zoo_registry(): return Path('/nowhere/r.toml')",
        "FileNotFoundError",
    ),
    "registry-list": ("@hookimpl\ndef zoo_registry(): return {'models': [1]}", "'models' must be a table"),
    "registry-part": (
        "@hookimpl\ndef zoo_registry(): return {'models': {'m': {'extends': 'vae', 'prior': 'lost'}}}",
        "model 'm': unknown prior 'lost'",
    ),
    "newer": (
        "@hookimpl\ndef zoo_parts(): yield PartSpec(kind='prior', name='p9', summary='P.', part='m:P', api=9)",
        "'p9' needs a newer zoo (plugin API 9, this one has 1); upgrade generative-zoo",
    ),
    "bad-name": (
        "@hookimpl\ndef zoo_parts(): yield PartSpec(kind='prior', name='My Prior', summary='P.', part='m:P')",
        "'My Prior' cannot be used: names are lower-case words with dashes",
    ),
    "circle": (
        "@hookimpl\ndef zoo_compositions():\n"
        "    r = (Role(name='a', kind='x', needs=('b',)), Role(name='b', kind='x', needs=('a',)))\n"
        "    yield CompositionSpec(name='ring', summary='R.', model='m:R', roles=r)",
        "'ring' cannot be used: composition 'ring': a needs a role that never comes",
    ),
    "taken-role": (
        "@hookimpl\ndef zoo_compositions():\n"
        "    yield CompositionSpec(name='odd', summary='R.', model='m:R', roles=(Role(name='epochs', kind='x'),))",
        "'odd' cannot be used: a role may not be called 'epochs'",
    ),
    "ours": (
        "@hookimpl\ndef zoo_registry(): return {'models': {'conv-vae': {'extends': 'vae', 'summary': 'Theirs.'}}}",
        "model 'conv-vae' is in generative-zoo 0.1.0 too; this one is 'conv-vae@zoo-ours'",
    ),
    "prints": (
        "print('hello from a plugin')\n@hookimpl\ndef zoo_parts(): yield None",
        "zoo_parts gave NoneType, not PartSpec",
    ),
}


def install_bad(site: Site, name: str) -> None:
    module = f"bad_{name.replace('-', '_')}"
    site.install(f"zoo-{name}", {name: module}, **{module: f"{HEAD}{BAD[name][0]}\n"})


@pytest.mark.parametrize("name", BAD)
def test_a_bad_plugin_costs_one_line(name: str, site: Site) -> None:
    install_bad(site, name)
    registry = load_registry()
    assert len(reasons(registry)) == 1, reasons(registry)
    assert reasons(registry)[0].startswith(f"plugin {name} (zoo-{name} 1.0): ")
    assert BAD[name][1] in reasons(registry)[0]
    assert "\n" not in reasons(registry)[0]
    assert resolve(registry, "conv-vae.tiny").model.summary.startswith("Convolutional")


@pytest.mark.parametrize("name", BAD)
def test_strict_raises_instead(name: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    install_bad(site, name)
    monkeypatch.setenv("ZOO_STRICT", "1")
    with pytest.raises((Exception, SystemExit)):
        load_registry()


def test_all_bad_ones_together_cost_a_line_each_and_every_command_works(
    site: Site, zoo_process: ZooProcess, small: str
) -> None:
    for name in BAD:
        install_bad(site, name)
    install_good(site)
    path = {"PYTHONPATH": str(site.path)}

    def faults(done: Done) -> list[str]:
        return [line for line in done.lines if line.startswith("zoo: plugin ")]

    listed = zoo_process("list", "--json", **path)
    names = {row["name"] for row in json.loads(listed.out)}
    assert {"conv-vae", "conv-vae@zoo-ours", "heavy-vae"} <= names
    assert len(faults(listed)) == len(BAD)
    for name in BAD:
        assert len([line for line in faults(listed) if f"(zoo-{name} 1.0)" in line]) == 1
    # What the plugin printed went to stderr as well.
    assert sorted(set(listed.lines) - set(faults(listed))) == ["hello from a plugin"]
    for words in (("show", "conv-vae@zoo-ours"), ("plugins",), ("train", "heavy-vae", "--help"), ("data",), ("runs",)):
        done = zoo_process(*words, **path)
        assert len(faults(done)) == (0 if words == ("runs",) else len(BAD)), words
        assert "Traceback" not in done.out + done.err
    train = ("train", "conv-vae@zoo-ours.tiny", "--data", small, "--prior", "cauchy", "--json")
    done = zoo_process(*train, **path)
    assert len(faults(done)) == len(BAD)
    assert json.loads(done.out)["model"] == "conv-vae@zoo-ours"
    zoo_process("sample", json.loads(done.out)["run"], **path)
    told = zoo_process("plugins", "--errors", **path)
    assert "Traceback" in told.out, "asked for"
    assert told.out.count("ZeroDivisionError") >= 2
    missing = zoo_process("train", "conv-vea", code=2, **path)
    assert "did you mean 'conv-vae'?" in missing.lines[-1]
    assert "see 'zoo plugins --errors'" in missing.lines[-1], "a broken plugin is often why"
    assert faults(zoo_process("--no-plugins", "list", **path)) == []
    strict = zoo_process("list", code=None, ZOO_STRICT="1", **path)
    assert strict.code != 0
    assert strict.out == ""


def test_an_entry_point_may_have_the_name_of_one_of_ours(site: Site) -> None:
    install_good(site)
    site.install("zoo-vae-of-mine", {"vae": "zoo_heavy_too"})
    spec = 'PartSpec(kind="prior", name="mine", summary="Mine.", part="m:P")'
    site.write("zoo_heavy_too", f"{HEAD}\n@hookimpl\ndef zoo_parts():\n    yield {spec}\n")
    registry = load_registry()
    assert reasons(registry) == []
    assert {"mine", "normal", "cauchy"} <= set(registry.parts["prior"].names())
    assert "conv-vae" in registry.models


def test_two_third_parties_with_one_name_need_the_qualified_one(site: Site, zoo_here: Here) -> None:
    for dist in ("zoo-one", "zoo-two"):
        module = dist.replace("-", "_")
        table = f"{{'models': {{'same': {{'extends': 'vae', 'summary': '{dist}.'}}}}}}"
        site.install(dist, {"same": module}, **{module: f"{HEAD}\n@hookimpl\ndef zoo_registry(): return {table}\n"})
    done = zoo_here("show", "same", code=2)
    assert (
        done.lines[0]
        == "zoo: plugin same (zoo-two 1.0): model 'same' is in zoo-one 1.0 too; this one is 'same@zoo-two'"
    )
    assert "model 'same' is provided more than once; write 'same@zoo-one' or 'same@zoo-two'" in done.lines[1]
    for dist in ("zoo-one", "zoo-two"):
        assert json.loads(zoo_here("show", f"same@{dist}", "--json").out)["summary"] == f"{dist}."
    assert zoo_here("list").out.count("same@zoo-") == 2


def test_one_module_may_be_two_plugins(site: Site) -> None:
    install_good(site)
    site.install("zoo-copy", {"copy": "zoo_heavy"})
    registry = load_registry()
    assert len(reasons(registry)) == 3, "the part, the data set and the model, once each"


def test_a_plugin_that_imports_torch_is_flagged(site: Site, zoo_process: ZooProcess) -> None:
    install_good(site)
    spec = "@hookimpl\ndef zoo_registry(): return {}\n"
    site.install("zoo-slow", {"slow": "zoo_slow"}, zoo_slow=f"{HEAD}import torch\n{spec}")
    found = json.loads(zoo_process("plugins", "--json", PYTHONPATH=str(site.path)).out)["plugins"]
    assert {row["plugin"]: row["imports_torch"] for row in found if row["distribution"] != "generative-zoo"} == {
        "heavy": False,
        "slow": True,
    }


@pytest.mark.parametrize(
    ("value", "off"),
    [
        ("heavy", {"zoo-heavy:heavy"}),
        ("zoo-heavy", {"zoo-heavy:heavy"}),
        ("zoo-heavy:heavy, beta-vae", {"zoo-heavy:heavy", "generative-zoo:beta-vae"}),
        ("*", {"zoo-heavy:heavy"}),
        ("nobody", set()),
        ("engine", set()),
        ("networks", {"generative-zoo:networks"}),
    ],
)
def test_plugins_are_disabled_by_name(site: Site, monkeypatch: pytest.MonkeyPatch, value: str, off: set[str]) -> None:
    install_good(site)
    monkeypatch.setenv("ZOO_DISABLE", value)
    registry = load_registry()
    assert {f"{source.distribution}:{source.plugin}" for source in registry.plugins.disabled} == off
    assert [reason for reason in reasons(registry) if "generative-zoo" in reason] == []
    assert ("heavy-vae" in registry.models) == ("zoo-heavy:heavy" not in off and value != "networks")
    if value == "networks":
        with pytest.raises(ZooError, match=r"unknown model 'conv-vae'.*\(plugins disabled: networks\)"):
            registry.model("conv-vae")


def test_no_plugins_leaves_ours(site: Site, zoo_here: Here) -> None:
    install_good(site)
    done = zoo_here("--no-plugins", "list")
    assert "heavy-vae" not in done.out
    assert "conv-vae" in done.out
    assert "disabled: zoo-heavy:heavy" in zoo_here("--no-plugins", "plugins").out


# --- one file --------------------------------------------------------------------------------------------------------

DENSITY = f"""{HEAD}
from dataclasses import dataclass
import torch
from torch import nn
from zoo import Model, Options, Part, Player, Terms, option

@dataclass(frozen=True, kw_only=True)
class PixelOptions(Options):
    floor: float = option(0.1, "Smallest standard deviation.", above=0)

class Pixels(Part):
    def __init__(self, options, site):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(site.shape))
        self.floor = options.floor

    def forward(self):
        scale = torch.full_like(self.mean, self.floor)
        return torch.distributions.Independent(torch.distributions.Normal(self.mean, scale), 3)

class Density(Model):
    def __init__(self, parts, site):
        super().__init__()
        self.prior = parts["prior"]

    def loss(self, batch, step):
        nll = -self.prior().log_prob(batch.x).mean()
        return Terms(nll, {{"nll": nll}})

    def sample(self, n, options=None):
        return self.prior().sample((n,)).clamp(0, 1)

    def players(self):
        return {{"model": Player(dict(self.named_parameters()))}}

    def prepare(self, batch):
        self.prior.prepare(batch)

@hookimpl
def zoo_parts():
    yield PartSpec(kind="pixels", name="normal", summary="A normal a pixel.", part="density_file:Pixels",
                   options="density_file:PixelOptions", equation="p(x) = N(mean, floor^2)")

@hookimpl
def zoo_compositions():
    yield CompositionSpec(name="pixel-density", summary="A density of images.", model="density_file:Density",
                          roles=(Role(name="prior", kind="pixels"),))

@hookimpl
def zoo_registry():
    model = {{"model": "pixel-density", "summary": "Independent pixels.", "family": "density", "prior": "normal",
              "options": {{"floor": 0.2}}, "recipes": {{"tiny": {{"epochs": 2}}}}}}
    return {{"models": {{"pixel-normal": model}}}}
"""


@pytest.fixture
def density(tmp_path: Path, site: Site) -> tuple[str, Path]:
    """Another kind of model than ours, in one file."""
    path = tmp_path / "density_file.py"
    path.write_text(DENSITY)
    return "--plugin", path


def test_another_kind_of_model_needs_no_change_in_the_engine(
    density: tuple[str, Path], zoo_here: Here, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "pixel-normal\tdensity\tdensity_file\tuser" in zoo_here(*density, "list", "--family", "density").out
    shown = json.loads(zoo_here(*density, "show", "pixel-normal.tiny", "--json").out)
    assert shown["parts"] == {"prior": "normal"}
    assert list(shown["options"]) == ["prior.floor"]
    helped = zoo_here(*density, "train", "pixel-normal", "--help").out
    assert "--prior.floor, --floor FLOAT" in helped
    assert "--prior NAME" in helped
    assert "--encoder" not in helped
    assert "--latent-dim" not in helped
    assert "p(x) = N(mean, floor^2)" in zoo_here(*density, "explain", "pixel-normal").out
    assert "unknown option" not in zoo_here(*density, "train", "pixel-normal", "--encoder", "mlp", code=2).out
    train = ("train", "pixel-normal.tiny", "--data", small, "--floor", "0.3", "--out", "runs/a", "--json")
    trained = json.loads(zoo_here(*density, *train).out)
    assert trained["model"] == "pixel-normal"
    assert trained["scores"]["objective"] is not None
    assert trained["scores"]["rate"] is None
    assert (Path("runs/a") / "figures" / "samples.png").is_file()
    scores = json.loads(zoo_here(*density, "evaluate", "runs/a", "--json").out)["scores"]
    assert scores["objective"] == trained["scores"]["objective"]
    zoo_here(*density, "sample", "runs/a", "--out", "x.npz", "-n", "3")
    assert "cannot reconstruct" in zoo_here(*density, "reconstruct", "runs/a", code=2).err
    assert "has no codes" in zoo_here(*density, "embed", "runs/a", code=2).err
    assert "has no codes" in zoo_here(*density, "interpolate", "runs/a", code=2).err
    zoo_here(*density, "train", "--resume", "runs/a", "--epochs", "3")
    table = zoo_here(*density, "compare", "runs/a", "ae-mlp.tiny", "pixel-normal.tiny", "--data", small, "--json")
    mse = {row["model"]: row["value"] for row in json.loads(table.out)["rows"] if row["metric"] == "mse"}
    assert mse["pixel-normal.tiny"] is None
    assert mse["ae-mlp.tiny"] is not None
    gone = zoo_here("sample", "runs/a", code=2)
    assert (
        "needs composition 'pixel-density' of density_file.py, which is not loaded; load it with 'zoo --plugin"
        in gone.err
    )
    assert "needs composition 'pixel-density'" in zoo_here("train", "--resume", "runs/a", "--epochs", "9", code=2).err


@pytest.mark.parametrize(
    ("name", "content", "words", "code"),
    [
        ("nothing.py", None, "--plugin nothing.py: there is no such file", 2),
        ("json.py", "x = 1", "another module is called 'json'", 0),
        ("my-plugin.py", "x = 1", "cannot be imported; name it as a Python module, such as my_plugin.py", 0),
        ("mine.txt", "x = 1", "mine.txt cannot be imported", 0),
        ("broken_file.py", "1 / 0", "did not load: ZeroDivisionError", 0),
        ("hookless_file.py", "x = 1", "implements no hook", 0),
    ],
)
def test_a_bad_file_costs_one_line(
    name: str, content: str | None, words: str, code: int, site: Site, zoo_here: Here
) -> None:
    if content is not None:
        Path(name).write_text(content)
    done = zoo_here("--plugin", name, "list", code=code)
    assert words in done.err
    assert len(done.lines) == 1
    assert bool(done.out) == (code == 0)


# --- following a run -------------------------------------------------------------------------------------------------

FOLLOWS = f"""{HEAD}
seen = []

@hookimpl
def zoo_train_start(run):
    print("started", run.name)
    seen.append("start")

@hookimpl
def zoo_train_epoch(record):
    seen.append(record["epoch"])

@hookimpl
def zoo_train_end(run):
    seen.append(run.scores["mse"] >= 0)
"""
FALLS = f"{HEAD}\n@hookimpl\ndef zoo_train_epoch(run, record):\n    raise KeyError('tracker')\n"


def test_hooks_follow_a_run_and_one_that_raises_costs_a_line(site: Site, zoo_here: Here, small: str) -> None:
    site.install("zoo-follows", {"follows": "zoo_follows"}, zoo_follows=FOLLOWS)
    site.install("zoo-falls", {"falls": "zoo_falls"}, zoo_falls=FALLS)
    done = zoo_here("train", "vae.tiny", "--data", small, "--epochs", "2", "--json")
    json.loads(done.out)
    assert [line for line in done.lines if "falls" in line] == [
        "plugin zoo-falls:falls: zoo_train_epoch raised KeyError: 'tracker'; the run goes on"
    ]
    assert any(line.startswith("started vae.tiny") for line in done.lines), "and not on stdout"
    assert sys.modules["zoo_follows"].seen == ["start", 1, 2, True]


def test_discovery_finds_ours_first_and_each_once() -> None:
    found = [plugin.source for plugin in discover(third_party=False).loaded]
    names = [source.plugin for source in found]
    assert names == sorted(set(names))
    assert set(names) >= {"autoencoder", "beta-vae", "engine", "networks", "vae"}
    assert {str(source) for source in found} == {f"generative-zoo {zoo.__version__}"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parts": PARTS.replace("import torch\n", "import torch\nimport lost_library\n")}, "lost_library"),
        ({"parts": PARTS.replace("class Cauchy", "class Other")}, "module 'zoo_heavy.parts' has no 'Cauchy'"),
        (
            {"options": OPTIONS.replace("class CauchyOptions(Options)", "class CauchyOptions")},
            "is no Options dataclass",
        ),
        ({"options": OPTIONS.replace("scale: float", "scale: list")}, "which no flag can carry"),
        ({"options": "import lost_library\n"}, "lost_library"),
    ],
)
def test_a_part_whose_code_is_wrong_is_told_with_its_plugin(
    change: dict[str, str], words: str, site: Site, zoo_here: Here
) -> None:
    install_good(site)
    for name, code in change.items():
        site.write(f"zoo_heavy__{name}", code)
    data = "glyphs" if "options" in change else "stripes:8"
    done = zoo_here("train", "vae.tiny", "--prior", "cauchy", "--data", data, "--limit", "8", code=2)
    assert words in done.lines[-1]
    assert "zoo-heavy 0.3" in done.lines[-1] or "stripes" in done.lines[-1]
    assert "Traceback" not in done.err
