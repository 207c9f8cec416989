"""What plugins are held to over time: levels of the interface, deprecations, versions of distributions."""

from __future__ import annotations

import inspect
import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pluggy
import pytest
from conftest import Done, Site

import zoo
from zoo import PartSpec, ZooWarning, hookspecs
from zoo.cli import terminal
from zoo.hookspecs import PROJECT
from zoo.plugins.deprecation import Deprecated, deprecated
from zoo.plugins.discovery import Plugins, discover
from zoo.plugins.levels import CONTRACT, Contract
from zoo.specs import API

Here = Callable[..., Done]

HEAD = "from zoo import DatasetSpec, MetricSpec, PartSpec, hookimpl\n"
PART = "PartSpec(kind='prior', name='{name}', summary='A prior.', part='m:P'{more})"
SOON = {"since": "2026-11-23", "until": "2027-11-23"}


def install(site: Site, *parts: str, dist: str = "zoo-heavy", version: str = "1.0") -> None:
    module = dist.replace("-", "_")
    code = f"{HEAD}\n@hookimpl\ndef zoo_parts():\n    return [{', '.join(parts)}]\n"
    site.install(dist, {dist.removeprefix("zoo-"): module}, version, **{module: code})


def part(name: str, more: str = "") -> str:
    return PART.format(name=name, more=more)


def found(contract: Contract) -> tuple[dict[str, PartSpec], list[str], Plugins]:
    """Return the parts of third parties by name, and the reasons of faults."""
    plugins = discover(contract=contract)
    parts = {spec.name: spec for plugin in plugins.loaded if not plugin.source.ours for spec in plugin.parts}
    return parts, [fault.reason for fault in plugins.faults if not fault.source.ours], plugins


# --- levels ----------------------------------------------------------------------------------------------------------


def louder(spec: PartSpec) -> PartSpec:
    return replace(spec, summary=spec.summary.upper())


def with_equation(spec: PartSpec) -> PartSpec:
    return replace(spec, equation=spec.equation or "p(z)")


def test_a_spec_that_names_no_level_was_written_for_the_first() -> None:
    for kind in (zoo.PartSpec, zoo.CompositionSpec, zoo.DatasetSpec, zoo.MetricSpec):
        assert inspect.signature(kind).parameters["api"].default == 1


def test_specs_of_older_levels_are_adapted_step_by_step(site: Site) -> None:
    install(site, part("first"), part("second", ", api=2"), part("third", ", api=3"))
    contract = Contract(level=3, adaptors={1: louder, 2: with_equation})
    parts, faults, _ = found(contract)
    assert faults == []
    assert {name: (spec.api, spec.summary, spec.equation) for name, spec in parts.items()} == {
        "first": (3, "A PRIOR.", "p(z)"),
        "second": (3, "A prior.", "p(z)"),
        "third": (3, "A prior.", ""),
    }


def test_a_level_that_changed_nothing_needs_no_adaptor(site: Site) -> None:
    install(site, part("first"))
    assert found(Contract(level=3, adaptors={2: louder}))[0]["first"].summary == "A PRIOR."


def test_levels_out_of_range_are_refused_with_what_to_do(site: Site) -> None:
    install(site, part("old", ", api=1"), part("fine", ", api=2"), part("new", ", api=4"), part("text", ", api='2'"))
    parts, faults, _ = found(Contract(level=3, oldest=2))
    assert set(parts) == {"fine"}, "one that is refused costs the others nothing"
    assert faults == [
        "'old' was written for an older zoo (plugin API 1, this zoo reads 2 to 3); upgrade zoo-heavy",
        "'new' needs a newer zoo (plugin API 4, this one has 3); upgrade generative-zoo",
        "'text' cannot be used: its api must be a whole number, got '2'",
    ]


@pytest.mark.parametrize("api", ["0", "-1", "True", "1.0", "None"])
def test_what_is_no_level_is_refused(site: Site, api: str) -> None:
    install(site, part("odd", f", api={api}"), part("fine"))
    parts, faults, _ = found(CONTRACT)
    assert set(parts) == {"fine"}
    assert len(faults) == 1


def test_an_adaptor_that_fails_costs_a_line(site: Site) -> None:
    install(site, part("first"))
    _, faults, _ = found(Contract(level=2, adaptors={1: lambda spec: 1 / 0}))
    assert faults == ["did not load: ZeroDivisionError: division by zero"]


def test_the_present_contract_reads_every_level_so_far() -> None:
    assert (CONTRACT.level, CONTRACT.oldest) == (API, 1)
    assert set(CONTRACT.adaptors) <= set(range(1, API))


# --- deprecations ----------------------------------------------------------------------------------------------------


def test_a_deprecation_names_its_days_and_what_to_do() -> None:
    notice = deprecated("PartSpec.flavour", **SOON, instead="use PartSpec.options")
    assert str(notice) == (
        "PartSpec.flavour is deprecated since 2026-11-23 and works until 2027-11-23; use PartSpec.options"
    )
    with pytest.raises(ValueError, match="must work for 365 days"):
        deprecated("x", since="2026-11-23", until="2027-03-01", instead="use y")
    with pytest.raises(ValueError, match="month"):
        deprecated("x", since="2026-13-01", until="2028-01-01", instead="use y")


def told(contract: Contract) -> tuple[list[str], Plugins]:
    """Return the deprecations that Python tells, and the plugins."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plugins = discover(contract=contract)
    assert all(issubclass(one.category, Deprecated) for one in caught)
    return [str(one.message) for one in caught], plugins


def test_a_field_that_is_set_is_told_once_with_its_distribution(site: Site) -> None:
    install(site, part("first", ", paper='A'"), part("second", ", paper='B'"), part("third"), version="0.3")
    notice = deprecated("PartSpec.paper", **SOON, instead="name it in the summary")
    lines, plugins = told(Contract(fields={"PartSpec.paper": notice}))
    theirs = [line for line in lines if "zoo-heavy" in line]
    assert theirs == [f"plugin heavy (zoo-heavy 0.3): {notice}"]
    assert plugins.faults == [], "what is deprecated works"


def hooks_with(**more: object) -> SimpleNamespace:
    """Return the hooks, and others beside them."""
    return SimpleNamespace(**{name: getattr(hookspecs, name) for name in hookspecs.__all__}, **more)


def test_a_deprecated_hook_and_argument_are_told(site: Site) -> None:
    hookspec = pluggy.HookspecMarker(PROJECT)

    def zoo_models() -> None:
        """A hook of the past."""

    def zoo_followed(run: object, step: int) -> None:
        """A hook with an argument of the past."""

    old = deprecated("hook zoo_models", **SOON, instead="return the models from zoo_registry")
    late = deprecated("argument 'step' of zoo_followed", **SOON, instead="read it from the run")
    hooks = hooks_with(
        zoo_models=hookspec(zoo_models, warn_on_impl=old),
        zoo_followed=hookspec(zoo_followed, warn_on_impl_args={"step": late}),
    )
    code = f"{HEAD}\n@hookimpl\ndef zoo_models(): pass\n\n@hookimpl\ndef zoo_followed(run, step): pass\n"
    site.install("zoo-old", {"old": "zoo_old"}, "0.1", zoo_old=code)
    site.install("zoo-new", {"new": "zoo_new"}, zoo_new=f"{HEAD}\n@hookimpl\ndef zoo_followed(run): pass\n")
    lines, plugins = told(Contract(hooks=hooks))
    assert sorted(lines) == sorted(f"plugin old (zoo-old 0.1): {notice}" for notice in (old, late))
    assert [notice.source.distribution for notice in plugins.notices] == ["zoo-old", "zoo-old"]


def test_nothing_is_deprecated_silently_today(site: Site) -> None:
    install(site, part("first", ", equation='p', paper='A'"))
    assert told(CONTRACT)[0] == []


# --- versions --------------------------------------------------------------------------------------------------------

LAPLACE = """
import torch
from zoo import Posterior, Prior
from zoo.distributions import Laplace

class Heavy(Prior):
    def __init__(self, options, site):
        super().__init__()
        self.register_buffer("loc", torch.zeros(site.part("posterior", Posterior).latent_shape))

    def forward(self, c=None):
        return Laplace(self.loc, torch.ones_like(self.loc))
"""
HEAVY = "PartSpec(kind='prior', name='heavy', summary='Heavy.', part='heavy_parts:Heavy')"


def install_heavy(site: Site, dist: str = "zoo-heavy", version: str = "0.3") -> None:
    install(site, HEAVY, dist=dist, version=version)
    site.write("heavy_parts", LAPLACE)


def test_an_upgrade_between_training_and_loading_is_told_with_both_versions(
    site: Site, zoo_here: Here, small: str
) -> None:
    install_heavy(site)
    words = ("train", "vae.tiny", "--prior", "heavy", "--data", small, "--epochs", "1", "--out", "runs/a")
    zoo_here(*words)
    weights = Path("runs/a/model.safetensors").read_bytes()
    assert zoo_here("sample", "runs/a").err == ""
    site.uninstall("zoo-heavy")
    install_heavy(site, version="0.4")
    line = "zoo: runs/a was made with zoo-heavy 0.3, and 0.4 is installed; 'pip install zoo-heavy==0.3' brings it back"
    assert zoo_here("sample", "runs/a").lines == [line]
    assert line in zoo_here("evaluate", "runs/a").lines
    assert line in zoo_here("train", "--resume", "runs/a", "--epochs", "2").lines
    assert Path("runs/a/model.safetensors").read_bytes() != weights
    site.uninstall("zoo-heavy")
    install_heavy(site, version="0.5")
    with pytest.warns(ZooWarning, match=r"made with zoo-heavy 0\.4, and 0\.5 is installed"):
        _ = zoo.load("runs/a").model


def test_a_part_that_another_distribution_now_provides_is_told(site: Site, zoo_here: Here, small: str) -> None:
    install_heavy(site)
    words = ("train", "vae.tiny", "--prior", "heavy", "--data", small, "--epochs", "1", "--out", "runs/a")
    zoo_here(*words)
    site.uninstall("zoo-heavy")
    install_heavy(site, "zoo-other", "2.0")
    assert zoo_here("sample", "runs/a").lines == [
        "zoo: runs/a was made with prior 'heavy' of zoo-heavy 0.3, which is not here; it now has that of zoo-other 2.0"
    ]


# --- what a person sees ----------------------------------------------------------------------------------------------


def test_two_entry_points_of_one_distribution_are_two_plugins(
    site: Site, zoo_here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"{HEAD}\n@hookimpl\ndef zoo_parts():\n    yield "
    site.install("zoo-two", {"one": "zoo_one", "two": "zoo_two"}, zoo_one=code + part("p1"), zoo_two=code + part("p2"))
    assert "one\tzoo-two 1.0\t1 part" in zoo_here("plugins").out
    assert "two\tzoo-two 1.0\t1 part" in zoo_here("plugins").out
    monkeypatch.setenv("ZOO_DISABLE", "zoo-two:one")
    shown = zoo_here("plugins").out
    assert "two\tzoo-two 1.0\t1 part" in shown
    assert "disabled: zoo-two:one" in shown
    assert "unknown prior 'p1'" in zoo_here("train", "vae", "--prior", "p1", code=2).err


def test_the_list_of_plugins_says_what_is_wrong_beside_each(site: Site, zoo_here: Here) -> None:
    install(site, part("fine"), part("My Prior"), dist="zoo-half")
    site.install("zoo-lost", {"lost": "zoo_lost"}, "0.2", zoo_lost="import nothing_of_the_kind")
    rows = [line.split("\t") for line in zoo_here("plugins").out.splitlines()]
    half, lost = (next(row for row in rows if row[0] == name) for name in ("half", "lost"))
    assert half[1:3] == ["zoo-half 1.0", "1 part"]
    assert half[4] == "'My Prior' cannot be used: names are lower-case words with dashes"
    assert lost[1:4] == ["zoo-lost 0.2", "–", "–"]
    assert lost[4] == "did not load: ModuleNotFoundError: No module named 'nothing_of_the_kind'"


HEAVY_PLUGIN = f"{HEAD}\nimport torch\n\n@hookimpl\ndef zoo_registry(): return {{}}\n"
QUIET_ABOUT_IT = f"{HEAD}\nfrom zoo import Prior\nprint('hello')\n\n@hookimpl\ndef zoo_registry(): return {{}}\n"


def test_each_plugin_that_imports_torch_is_told_wherever_torch_is(site: Site, zoo_here: Here, tmp_path: Path) -> None:
    install(site, part("one"), dist="zoo-light")
    site.install("zoo-slow", {"slow": "zoo_slow"}, zoo_slow=HEAVY_PLUGIN)
    site.install("zoo-slower", {"slower": "zoo_slower"}, zoo_slower=QUIET_ABOUT_IT)
    (tmp_path / "heavy_file.py").write_text(HEAVY_PLUGIN)
    found = json.loads(zoo_here("--plugin", "heavy_file.py", "plugins", "--json").out)["plugins"]
    assert {row["plugin"] for row in found if row["imports_torch"]} == {"slow", "slower", "heavy_file"}
    sys.modules.pop("heavy_file")


def test_what_is_wrong_is_red_on_a_terminal(
    site: Site, zoo_here: Here, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(site, part("one"), dist="zoo-light")
    site.install("zoo-slow", {"slow": "zoo_slow"}, zoo_slow=HEAVY_PLUGIN)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(terminal, "sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True)))
    lines = zoo_here("plugins").out.splitlines()
    slow, light = (next(line for line in lines if name in line) for name in ("zoo-slow", "zoo-light"))
    assert "\x1b[31m" in slow
    assert "imports torch at load" in slow
    assert "\x1b[31m" not in light


# --- tracing ---------------------------------------------------------------------------------------------------------

FOLLOWS = f"""{HEAD}
@hookimpl
def zoo_train_start(run): pass

@hookimpl
def zoo_train_end(run): raise KeyError("tracker")
"""


def test_a_trace_shows_who_answered_each_hook_and_what(
    site: Site, zoo_here: Here, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, part("one"), part("two"))
    site.install("zoo-lost", {"lost": "zoo_lost"}, zoo_lost="import nothing_of_the_kind")
    site.install("zoo-follows", {"follows": "zoo_follows"}, zoo_follows=FOLLOWS)
    assert "trace" not in zoo_here("list").err
    monkeypatch.setenv("ZOO_TRACE", "1")
    listed = zoo_here("list", "--json")
    lines = [line.split("  ") for line in listed.lines if line.startswith("zoo trace: ")]
    answers = {(line[0].removeprefix("zoo trace: "), line[1]): line[2] for line in lines}
    assert answers["zoo_parts", "zoo-heavy:heavy"] == "2 parts"
    assert answers["zoo_compositions", "generative-zoo:engine"] == "1 composition"
    assert answers["load", "zoo-lost:lost"].startswith("raised ModuleNotFoundError")
    assert ("load", "zoo-heavy:heavy") in answers
    assert all(line[3].endswith(" ms") and float(line[3].removesuffix(" ms")) >= 0 for line in lines)
    assert ("zoo_train_start", "zoo-follows:follows") not in answers, "nothing was trained"
    done = zoo_here("train", "ae-mlp.tiny", "--data", small, "--epochs", "1", "--json")
    assert "zoo trace: zoo_train_start  zoo-follows:follows  nothing  " in done.err
    assert "zoo trace: zoo_train_end  zoo-follows:follows  raised KeyError: 'tracker'  " in done.err
    assert "trace" not in done.out
    monkeypatch.setenv("ZOO_TRACE", "0")
    assert "trace" not in zoo_here("list").err
