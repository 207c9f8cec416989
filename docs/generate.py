"""Writes what the documentation can learn from the code: help texts, parts, options, models, hooks.

Each page holds marked blocks, `<!-- generated: WHAT -->` to `<!-- end -->`, and this script fills them:

    python docs/generate.py

A test compares the pages with what it would write.
"""

from __future__ import annotations

__all__ = ["PAGES", "fill"]

import dataclasses
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click

import zoo
import zoo.specs
from zoo import hookspecs
from zoo.cli.flags import OptionFlag
from zoo.cli.main import zoo as command
from zoo.data.options import DataOptions
from zoo.options import Field, Options, describe
from zoo.registry import Registry, load_registry
from zoo.settings import resolve
from zoo.specs import GROUPS, MetricSpec, PartSpec, TrackerSpec, import_reference
from zoo.testing.check import GROUPS as GROUPS_OF_CHECKS
from zoo.testing.collection import collect
from zoo.testing.selection import select_all
from zoo.training.options import TrainOptions
from zoo.verified import Verified

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_SHARED = (
    "And the options of [training](options.md#training), of [data](data.md#options), and of the parts of the model "
    "that is named: `--help` after a model shows them with its defaults."
)
_BLOCK = re.compile(r"(<!-- generated: (?P<what>[a-z0-9 -]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str) -> str:
    """Return a page with its generated blocks written anew."""
    return _BLOCK.sub(lambda match: f"{match[1]}\n{_block(match['what'])}\n\n{match[3]}", text)


def _block(what: str) -> str:
    kind, _, name = what.partition(" ")
    return _BLOCKS[kind](name)


@cache
def _registry() -> Registry:
    return load_registry(third_party=False)


def _commands(_: str) -> str:
    """The reference of the command and of everything below it, whatever way this version of click lays out help."""
    return "\n\n".join(_below("zoo", command, None))


def _below(name: str, one: click.Command, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(one, parent, info_name=name.rpartition(" ")[2], **one.context_settings)
    yield _command(name, one, context)
    if isinstance(one, click.Group):
        for child in one.list_commands(context):
            found = one.get_command(context, child)
            if found is not None:
                yield from _below(f"{name} {child}", found, context)


def _command(name: str, one: click.Command, context: click.Context) -> str:
    """The usage, the help and the options of a command."""
    parameters = [p for p in one.get_params(context) if "--help" not in p.opts]
    arguments = [p.metavar or p.human_readable_name for p in parameters if isinstance(p, click.Argument)]
    usage = " ".join([name, "[OPTIONS]", *arguments, *(["COMMAND"] if isinstance(one, click.Group) else [])])
    options = [p for p in parameters if isinstance(p, click.Option)]
    records = [p.get_help_record(context) for p in options if not isinstance(p, OptionFlag)]
    rows = [(f"`{flags}`", " ".join(text.split())) for flags, text in filter(None, records)]
    lines = [f"## {name}", "", f"    {usage}", "", _prose(one.help or "")]
    if rows:
        lines += ["", _table(("option", "what it does"), rows)]
    if len(records) < len(options):
        lines += ["", _SHARED]
    return "\n".join(lines)


def _prose(text: str) -> str:
    """Click's help as Markdown: what it must not wrap, marked by a backspace, is code."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        "\n".join(f"    {line.strip()}" for line in part.splitlines()[1:]) if part.startswith("\b") else part
        for part in paragraphs
    )


def _models(_: str) -> str:
    rows = [
        (f"[`{entry.name}`](docs/models.md#{entry.name})", entry.item.summary, entry.item.paper)
        for entry in _registry().models.entries()
        if entry.source.ours
    ]
    return _table(("model", "what it is", "paper"), rows)


def _model(name: str) -> str:
    """Parts, options, recipes and results of a model; the options of backbones are left to the page of parts."""
    registry = _registry()
    settings = resolve(registry, name)
    model, rows, options = settings.model, [], []
    for role in registry.composition(model.composition).filled(model.parts):
        spec = registry.part(role.kind, model.parts[role.name]).item
        rows.append((role.name, _link(spec), spec.summary, f"`{spec.equation}`" if spec.equation else ""))
        if role.kind not in ("encoder", "decoder"):
            chosen = settings.options[role.name].to_dict()
            options += [_option_row(field, f"{role.name}.", chosen[field.name]) for field in _fields(spec)]
    lines = [f"Paper: {model.paper}.", "", _table(("role", "part", "what it is", "equation"), rows)]
    if options:
        lines += ["", _table(("option", "default here", "range", "what it does"), options)]
    lines += ["", *_recipes(name, model.recipes), *_verified(model.results)]
    return "\n".join(lines)


def _recipes(name: str, recipes: Any) -> Iterator[str]:
    for recipe, values in recipes.items():
        settings = ", ".join(f"{key} {_value(value)}" for key, value in values.items())
        yield f"- Recipe `{name}.{recipe}`: {settings}"


def _verified(results: Mapping[str, Verified]) -> Iterator[str]:
    for name, result in results.items():
        values = ", ".join(f"{score} {stated}" for score, stated in result.scores.items())
        yield f"- [Verified](results.md) on `{name}`: `{result.command}`, seed {result.seed}: {values}"


def _results(_: str) -> str:
    """What was verified, a table for each data set."""
    rows: dict[str, list[tuple[str, ...]]] = {}
    for entry in _registry().models.entries():
        for name, result in entry.item.results.items():
            rows.setdefault(name, []).extend(_result_rows(entry.name, result))
    headings = ("model", "command", "seed", "score", "value", "elsewhere", "cost", "machine", "note")
    return "\n\n".join(f"## {name}\n\n{_table(headings, found)}" for name, found in sorted(rows.items()))


def _result_rows(model: str, result: Verified) -> Iterator[tuple[str, ...]]:
    cost = f"{result.seconds:.0f} s" if result.seconds is not None else ""
    machine = f"{result.machine}; wants a GPU" if result.gpu else result.machine
    for score, stated in result.scores.items():
        known = stated.published
        elsewhere = f"{known.value:g} ({known.source})" if known is not None else ""
        named = f"[`{model}`](models.md#{model})", f"`{result.command}`", str(result.seed)
        yield (*named, f"`{score}`", str(stated), elsewhere, cost, machine, result.note)


def _parts(kind: str) -> str:
    """Every bundled part of a kind with its options."""
    return "\n\n".join(_part(entry.item) for entry in _registry().parts[kind].entries())


def _part(spec: PartSpec) -> str:
    facts = [f"### {spec.kind} {spec.name}", "", spec.summary]
    if spec.equation:
        facts += ["", f"    {spec.equation}"]
    if spec.paper:
        facts += ["", f"Paper: {spec.paper}."]
    # What fills no role of a model, such as a fitted prior, has options without a prefix.
    roles = {role.kind for entry in _registry().compositions.entries() for role in entry.item.roles}
    prefix = f"{spec.kind}." if spec.kind in roles else ""
    fields = _fields(spec)
    return "\n".join([*facts, "", _options(fields, prefix) if fields else "It has no options."])


def _link(spec: PartSpec) -> str:
    return f"[`{spec.name}`](parts.md#{spec.kind}-{spec.name})"


def _fields(spec: PartSpec | MetricSpec | TrackerSpec) -> tuple[Field, ...]:
    return describe(import_reference(spec.options))


def _options(fields: Iterable[Field], prefix: str) -> str:
    rows = [_option_row(field, prefix, field.default) for field in fields]
    return _table(("option", "default", "range", "what it does"), rows)


def _option_row(field: Field, prefix: str, value: Any) -> tuple[str, ...]:
    kind = "takes a schedule" if field.scheduled else ""
    allowed = ", ".join(note for note in (field.range.replace("|", ", "), kind) if note)
    return (f"`--{prefix}{field.flag}`", f"`{_value(value)}`", allowed, field.help)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _options_of(owner: type[Options]) -> Callable[[str], str]:
    return lambda _: _options(describe(owner), "")


def _datasets(_: str) -> str:
    rows = []
    for entry in _registry().datasets.entries():
        spec = entry.item
        name = f"{spec.name}:{spec.argument}" if spec.argument else spec.name
        location = f"`{spec.location}`" if spec.location else ""
        rows.append((f"`{name}`", spec.summary, spec.size, location))
    return _table(("`--data`", "what it is", "images", "where it lies below `ZOO_DATA`"), rows)


def _metrics(_: str) -> str:
    """Every bundled metric with its options, by group."""
    specs = [entry.item for entry in _registry().metrics.entries()]
    found = [(group, [spec for spec in specs if spec.group == group]) for group in GROUPS]
    blocks = [block for group, of in found if of for block in (f"### {group.capitalize()}", *map(_metric, of))]
    return "\n\n".join(blocks)


def _metric(spec: MetricSpec) -> str:
    facts = [f"#### {spec.name}", "", spec.summary]
    if spec.equation:
        facts += ["", f"    {spec.equation}"]
    unit = ", ".join(filter(None, (spec.unit, f"{spec.better} is better" if spec.better else "")))
    told = {
        "Unit": unit,
        "Estimator": spec.estimator,
        "Needs": f"`zoo.{spec.needs}`" if spec.needs != "Model" else "",
        "Paper": spec.paper,
    }
    lines = [f"- {key}: {value}" for key, value in told.items() if value]
    if lines:
        facts += ["", *lines]
    fields = _fields(spec)
    return "\n".join([*facts, "", _options(fields, f"{spec.name}.")] if fields else facts)


def _tracker(name: str) -> str:
    return _options(_fields(_registry().tracker(name).item), f"{name}.")


def _hooks(_: str) -> str:
    """Each hook as it is declared, without its decorator."""
    found = [getattr(hookspecs, name) for name in hookspecs.__all__ if name.startswith("zoo_")]
    found.sort(key=lambda hook: inspect.getsourcelines(hook)[1])
    blocks = []
    for hook in found:
        signature = inspect.getsource(hook).split('"""')[0].replace("@hookspec\n", "").strip().removesuffix(":")
        blocks.append(f"### {hook.__name__}\n\n```py\n{signature}\n```\n\n{inspect.getdoc(hook)}")
    return "\n\n".join(blocks)


_UNDOCUMENTED = {
    "Scheduled": "The type of a float option that is read at each step: a number, or a schedule of one.",
    "Support": "Where values of a distribution lie.",
    "__version__": "The version of the zoo.",
    "hookimpl": "Marks a plugin's function as an implementation of the hook of the same name.",
}
"""What is said of names that have no docstring of their own."""


def _public(what: str) -> str:
    """What plugins may rely on: the names of a module, the hooks, or the fields of specs."""
    if what == "hooks":
        names = (name for name in hookspecs.__all__ if name.startswith("zoo_"))
        # Annotations are text there, which Python shows in quotes.
        return _code(f"{name}{inspect.signature(getattr(hookspecs, name))}".replace("'", "") for name in names)
    if what == "specs":
        kinds = [kind for name, kind in sorted(vars(zoo.specs).items()) if name.endswith("Spec") or name == "Role"]
        return "\n\n".join(f"### {kind.__name__}\n\n{_code(_spec_fields(kind))}" for kind in kinds)
    module = zoo if what == "zoo" else importlib.import_module(f"zoo.{what}")
    return "\n".join(f"- `{name}`: {_sentence(name, getattr(module, name))}" for name in sorted(module.__all__))


def _spec_fields(kind: Any) -> Iterator[str]:
    for field in dataclasses.fields(kind):
        default = "" if field.default is dataclasses.MISSING else f" = {field.default!r}"
        yield f"{field.name}: {field.type}{default}"


def _sentence(name: str, thing: Any) -> str:
    return _UNDOCUMENTED.get(name) or (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


def _code(lines: Iterable[str]) -> str:
    return "\n".join(("```text", *lines, "```"))


def _checks(_: str) -> str:
    """Every check of the kit that is made of something bundled, with what it asserts, by what it is about."""
    found: dict[str, dict[str, tuple[str, set[str]]]] = {}
    for trial in collect(select_all(_registry()), {}):
        named = found.setdefault(trial.group, {})
        if trial.name not in named:
            named[trial.name] = (trial.sentence, set())
        named[trial.name][1].add(trial.thing.rpartition(" ")[0])
    blocks = []
    for group in [group for group in GROUPS_OF_CHECKS if group in found]:
        rows = [(f"`{name}`", text, _things(of)) for name, (text, of) in found[group].items()]
        blocks.append(f"### {group.capitalize()}\n\n{_table(('check', 'what it asserts', 'of'), rows)}")
    return "\n\n".join(blocks)


def _things(of: set[str]) -> str:
    kinds = set(_registry().parts)
    return ", ".join(["every part", *sorted(of - kinds)] if kinds <= of else sorted(of))


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


_BLOCKS: dict[str, Callable[[str], str]] = {
    "commands": _commands,
    "models": _models,
    "model": _model,
    "parts": _parts,
    "training": _options_of(TrainOptions),
    "images": _options_of(DataOptions),
    "datasets": _datasets,
    "metrics": _metrics,
    "tracker": _tracker,
    "hooks": _hooks,
    "public": _public,
    "results": _results,
    "checks": _checks,
}


def main() -> None:
    """Write every page anew, and say which changed."""
    for page in PAGES:
        before = page.read_text()
        after = fill(before)
        if after != before:
            page.write_text(after)
            sys.stderr.write(f"wrote {page.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
