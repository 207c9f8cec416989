"""A page for each bundled model: what it minimises, its parts, options, recipes, results and pictures."""

from __future__ import annotations

__all__ = ["FOLDER", "PICTURES", "head", "index", "missing_pages", "page_of", "result_rows"]

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tables import fields_of, option_row, table, value_text

from zoo.explanation import Explanation, explain
from zoo.registry import ModelSpec, Registry
from zoo.settings import Settings, resolve
from zoo.specs import PartSpec
from zoo.verified import Verified

FOLDER = Path(__file__).resolve().parent / "models"
PICTURES = FOLDER.parent / "images" / "models"
SHAPE = (1, 28, 28)

FAMILIES = {
    "autoencoder": "Autoencoders",
    "vae": "Variational autoencoders",
    "beta-vae": "Codes whose units mean something",
    "importance": "Importance-weighted autoencoders",
    "quantised": "Codebooks",
    "flow": "Flows",
    "hierarchy": "Hierarchies",
    "sphere": "Spheres",
}
"""Headings of families, in their order; one without is headed by its name, after them."""

_NEW = "# {0}\n\n<!-- generated: head {0} -->\n<!-- end -->\n\n<!-- generated: model {0} -->\n<!-- end -->\n"


def missing_pages(registry: Registry) -> dict[Path, str]:
    """Return the pages that bundled models still lack, with nothing but empty blocks to fill."""
    pages = {FOLDER / f"{entry.name}.md": _NEW.format(entry.name) for entry in _ours(registry)}
    return {path: text for path, text in pages.items() if not path.exists()}


def index(registry: Registry) -> str:
    """Return a table of the bundled models for each family."""
    families: dict[str, list[ModelSpec]] = {}
    for entry in _ours(registry):
        families.setdefault(entry.item.family, []).append(entry.item)
    ordered = sorted(families, key=lambda family: (*FAMILIES, family).index(family))
    headed = [(FAMILIES.get(family, family.capitalize()), families[family]) for family in ordered]
    return "\n\n".join(f"### {heading}\n\n{_models(found)}" for heading, found in headed)


def _ours(registry: Registry) -> Iterator[Any]:
    return (entry for entry in registry.models.entries() if entry.source.ours)


def _models(models: list[ModelSpec]) -> str:
    rows = [(f"[`{model.name}`](models/{model.name}.md)", model.summary, model.paper) for model in models]
    return table(("model", "what it is", "paper"), rows)


def head(registry: Registry, name: str) -> str:
    """Return what a page begins with: what the model is, its paper, the command, and its picture if there is one."""
    model = resolve(registry, name).model
    lines = [f"**{model.summary}**", "", f"Paper: {_linked(model.paper)}.", "", f"    zoo train {name}"]
    return "\n".join([*lines, *_picture(name)])


def _linked(paper: str) -> str:
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", paper)


def _picture(name: str) -> Iterator[str]:
    """The picture that docs/pictures.py drew, what it was drawn by, and what that run scored."""
    told = tomllib.loads((PICTURES / "pictures.toml").read_text()) if PICTURES.exists() else {}
    if name in told:
        shows = told[name]["shows"]
        yield from ("", f"![{shows}](../images/models/{name}.png)", "")
        yield f"{shows}, after `{told[name]['command']}`: {told[name]['scores']}."


def page_of(registry: Registry, name: str) -> str:
    """Return equation, parts, options, recipes and results of a model."""
    settings = resolve(registry, name)
    sections = {
        "What it minimises": _equations(explain(registry, settings, SHAPE[0] * SHAPE[1] * SHAPE[2])),
        "Parts": _parts(registry, settings),
        "Options": _options(registry, settings),
        "Recipes": _recipes(name, settings.model.recipes),
        "Results": _results(settings.model.results),
    }
    return "\n\n".join(f"## {heading}\n\n{text}" for heading, text in sections.items())


def _equations(said: Explanation) -> str:
    """The equations of the parts that have one, and what `zoo explain` says of the numbers in them."""
    width = max(map(len, said.equations), default=0)
    lines = [f"    {role.ljust(width)}   {equation}" for role, equation in said.equations.items()]
    meaning = [f"- {sentence}" for sentence in said.meaning]
    blocks = ["\n".join(lines), "\n".join(meaning)]
    if said.scales:
        rows = [(name, f"`{' '.join(text.split())}`") for name, text in said.scales.items()]
        blocks.append(f"The same setting [elsewhere](../coming-from.md):\n\n{table(('where', 'as'), rows)}")
    return "\n\n".join(block for block in blocks if block)


def _filled(registry: Registry, settings: Settings) -> Iterator[tuple[str, PartSpec]]:
    model = settings.model
    for role in registry.composition(model.composition).filled(model.parts):
        yield role.name, registry.part(role.kind, model.parts[role.name]).item


def _parts(registry: Registry, settings: Settings) -> str:
    rows = [
        (role, f"[`{spec.name}`](../parts.md#{spec.kind}-{spec.name})", spec.summary)
        for role, spec in _filled(registry, settings)
    ]
    return table(("role", "part", "what it is"), rows)


def _options(registry: Registry, settings: Settings) -> str:
    """Every option of the model's parts, with the value that the model gives it."""
    rows = []
    for role, spec in _filled(registry, settings):
        chosen = settings.options[role].to_dict()
        rows += [option_row(field, f"{role}.", chosen[field.name]) for field in fields_of(spec)]
    told = "And the options of [training](../options.md#training) and of [data](../data.md#options)."
    return f"{table(('option', 'default here', 'range', 'what it does'), rows)}\n\n{told}"


def _recipes(name: str, recipes: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (f"`zoo train {name}.{recipe}`", ", ".join(f"`{key}` {value_text(value)}" for key, value in values.items()))
        for recipe, values in recipes.items()
    ]
    return table(("command", "what it sets"), rows)


def _results(results: Mapping[str, Verified]) -> str:
    """What was measured, or that nothing was."""
    if not results:
        return "None is [verified](../results.md) yet."
    rows = [row for name, result in results.items() for row in result_rows(name, result)]
    told = "`zoo verify` trains these again; [Results](../results.md) says what the tolerances mean."
    headings = ("data", "command", "seed", "score", "value", "elsewhere", "time", "machine", "note")
    return f"{table(headings, rows)}\n\n{told}"


def result_rows(first: str, result: Verified) -> Iterator[tuple[str, ...]]:
    """Yield a row for each score of a result, after a first cell."""
    time = f"{result.seconds:.0f} s" if result.seconds is not None else ""
    machine = "; ".join(part for part in (result.machine, "wants a GPU" if result.gpu else "") if part)
    command, seed = f"`{result.command}`", str(result.seed)
    for score, stated in result.scores.items():
        known = stated.published
        elsewhere = f"{known.value:g} ({known.source})" if known is not None else ""
        yield first, command, seed, f"`{score}`", str(stated), elsewhere, time, machine, result.note
