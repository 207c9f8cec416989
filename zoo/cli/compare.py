"""`zoo compare`: one table and one figure of several models."""

from __future__ import annotations

__all__ = ["compare"]

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.completion import complete_data, complete_what
from zoo.cli.flags import flag_values
from zoo.cli.model_command import TrainerCommand
from zoo.cli.session import session
from zoo.cli.terminal import DASH, JSON, number, print_json, print_table, say
from zoo.settings import Layer

if TYPE_CHECKING:
    from zoo.comparison.compare import Comparison, Row

_HEADINGS = ("mse", "distortion", "rate", "objective", "elbo", "active_units", "parameters", "seconds")
_EXACT = ("log_likelihood", "bits_per_dim")


@click.command(cls=TrainerCommand)
@click.argument("names", metavar="MODEL|RUN...", nargs=-1, shell_complete=complete_what)
@click.option(
    "--data",
    metavar="NAME",
    shell_complete=complete_data,
    help="Data set for every model that is trained.  [default: mnist]",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=1, help="Runs of each model, with successive seeds.  [default: 1]"
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder.  [default: compare/<models>-<data>-<N>]")
@JSON
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    names: tuple[str, ...],
    data: str | None,
    seeds: int,
    out: Path | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Compare models, trained here under the same data, seeds and budget, or finished runs (paths).

    \b
      zoo compare ae conv-vae --epochs 5
      zoo compare runs/ae-mnist-1 runs/conv-vae-mnist-1
    """
    from zoo.cli.progress import watch
    from zoo.comparison.compare import compare_models

    values = {**flag_values(ctx), **({"data": data} if data is not None else {})}
    layer = Layer("command line", values)
    found = compare_models(session(ctx).registry, names, layer, seeds=seeds, out=out, progress=watch())
    _show(found, seeds, as_json)
    return 1 if any(row.error for row in found.rows) else 0


def _show(found: Comparison, seeds: int, as_json: bool) -> None:
    if as_json:
        print_json(found.to_dict())
    else:
        # Most models have no exact likelihood; its columns are there where one has.
        exact = [key for key in _EXACT if any(row.scores and row.scores[key] is not None for row in found.rows)]
        headings = (*_HEADINGS, *exact)
        cells = [[row.name, *(_cell(row, key) for key in headings), row.likelihood or DASH] for row in found.rows]
        print_table((f"on {found.data}", *headings, "likelihood"), cells, right=range(1, len(headings) + 1))
        click.echo(f"figure   {found.figure or 'none'}")
        click.echo(f"results  {found.path / 'results.json'}")
    for row in found.rows:
        if row.error:
            say(f"{row.name} failed: {row.error}")
    if found.caution and not as_json:
        say(f"NOTE: {found.caution}")
    if seeds > 1 and not as_json:
        say(f"mean ± standard deviation over {seeds} seeds")


def _cell(row: Row, key: str) -> str:
    if row.scores is None:
        return "failed" if key == _HEADINGS[0] else ""
    text = number(row.scores.get(key))
    return f"{text} ± {number(row.spread[key])}" if row.spread and row.spread.get(key) else text
