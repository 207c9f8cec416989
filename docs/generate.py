"""Writes what the documentation can learn from the code: help texts, parts, options, models, hooks.

Each page holds marked blocks, `<!-- generated: WHAT -->` to `<!-- end -->`, and this script fills them:

    python docs/generate.py

A bundled model without a page gets one. A test compares the pages with what it would write.
"""

from __future__ import annotations

__all__ = ["fill", "pages"]

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import click
import model_pages
import performance_tables
import plugin_pages
from tables import fields_of, options_table, table

from zoo.cli.flags import OptionFlag
from zoo.cli.main import zoo as command
from zoo.data.options import DataOptions
from zoo.options import Options, describe
from zoo.registry import Registry, load_registry
from zoo.specs import GROUPS, MetricSpec, PartSpec
from zoo.training.options import TrainOptions

ROOT = Path(__file__).resolve().parent.parent

_SHARED = (
    "And the options of [training](options.md#training), of [data](data.md#options), and of the parts of the model "
    "that is named: `--help` after a model shows them with its defaults."
)
_BLOCK = re.compile(r"(<!-- generated: (?P<what>[\w ./-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> tuple[Path, ...]:
    """Return the pages that may have generated blocks."""
    return (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


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
        lines += ["", table(("option", "what it does"), rows)]
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
        (f"[`{entry.name}`](docs/models/{entry.name}.md)", entry.item.summary, entry.item.paper)
        for entry in _registry().models.entries()
        if entry.source.ours
    ]
    return table(("model", "what it is", "paper"), rows)


def _index(_: str) -> str:
    return model_pages.index(_registry())


def _head(name: str) -> str:
    return model_pages.head(_registry(), name)


def _model(name: str) -> str:
    return model_pages.page_of(_registry(), name)


def _results(_: str) -> str:
    """What was verified, a table for each data set."""
    rows: dict[str, list[tuple[str, ...]]] = {}
    for entry in _registry().models.entries():
        for name, result in entry.item.results.items():
            rows.setdefault(name, []).extend(model_pages.result_rows(_page(entry.name), result))
    headings = ("model", "command", "seed", "score", "value", "elsewhere", "time", "machine", "note")
    return "\n\n".join(f"## {name}\n\n{table(headings, found)}" for name, found in sorted(rows.items()))


def _page(model: str) -> str:
    return f"[`{model}`](models/{model}.md)"


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
    fields = fields_of(spec)
    return "\n".join([*facts, "", options_table(fields, prefix) if fields else "It has no options."])


def _options_of(owner: type[Options]) -> Callable[[str], str]:
    return lambda _: options_table(describe(owner), "")


def _datasets(_: str) -> str:
    rows = []
    for entry in _registry().datasets.entries():
        spec = entry.item
        name = f"{spec.name}:{spec.argument}" if spec.argument else spec.name
        location = f"`{spec.location}`" if spec.location else ""
        rows.append((f"`{name}`", spec.summary, spec.size, location))
    return table(("`--data`", "what it is", "images", "where it lies below `ZOO_DATA`"), rows)


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
    fields = fields_of(spec)
    return "\n".join([*facts, "", options_table(fields, f"{spec.name}.")] if fields else facts)


def _tracker(name: str) -> str:
    return options_table(fields_of(_registry().tracker(name).item), f"{name}.")


_BLOCKS: dict[str, Callable[[str], str]] = {
    "commands": _commands,
    "models": _models,
    "index": _index,
    "head": _head,
    "model": _model,
    "parts": _parts,
    "training": _options_of(TrainOptions),
    "images": _options_of(DataOptions),
    "datasets": _datasets,
    "metrics": _metrics,
    "tracker": _tracker,
    "hook": plugin_pages.hook,
    "file": plugin_pages.file,
    "public": plugin_pages.public,
    "results": _results,
    "performance": performance_tables.performance,
    "checks": lambda _: plugin_pages.checks(_registry()),
}


def main() -> None:
    """Write every page anew, and say which changed."""
    for page, text in model_pages.missing_pages(_registry()).items():
        page.write_text(text)
    for page in pages():
        before = page.read_text()
        after = fill(before)
        if after != before:
            page.write_text(after)
            sys.stderr.write(f"wrote {page.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
