"""`zoo compare`: one table and one figure of several models."""

from __future__ import annotations

__all__ = ["compare"]

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.flags import OptionFlag, training_flags
from zoo.cli.terminal import number, print_json, print_table, say
from zoo.cli.train import flag_values
from zoo.settings import Layer

if TYPE_CHECKING:
    from zoo.comparison.compare import Comparison, Row

_HEADINGS = ("mse", "distortion", "rate", "objective", "elbo", "active_units", "parameters", "seconds")


class CompareCommand(click.Command):
    """A command with the trainer's flags."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters and the trainer's."""
        own = {name for param in self.params for name in param.opts}
        flags: list[OptionFlag] = [flag for flag in training_flags() if not own.intersection(flag.opts)]
        return [*super().get_params(ctx), *flags]


@click.command(cls=CompareCommand)
@click.argument("names", metavar="MODEL|RUN...", nargs=-1)
@click.option("--data", metavar="NAME", help="Data set for every model that is trained.  [default: mnist]")
@click.option("--seeds", type=int, default=1, show_default=True, help="Runs of each model, with successive seeds.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder.  [default: compare/<models>-<data>-<N>]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def compare(
    ctx: click.Context,
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
    found = compare_models(ctx.obj.registry, names, layer, seeds=seeds, out=out, progress=watch())
    _show(found, seeds, as_json)
    return 1 if any(row.error for row in found.rows) else 0


def _show(found: Comparison, seeds: int, as_json: bool) -> None:
    if as_json:
        print_json(found.to_dict())
    else:
        cells = [[row.name, *(_cell(row, key) for key in _HEADINGS)] for row in found.rows]
        print_table((f"on {found.data}", *_HEADINGS), cells, right=range(1, len(_HEADINGS) + 1))
        click.echo(f"figure   {found.figure or 'none'}")
        click.echo(f"results  {found.path / 'results.json'}")
    for row in found.rows:
        if row.error:
            say(f"{row.name} failed: {row.error}")
    if seeds > 1 and not as_json:
        say(f"mean ± standard deviation over {seeds} seeds")


def _cell(row: Row, key: str) -> str:
    if row.scores is None:
        return "failed" if key == _HEADINGS[0] else ""
    text = number(row.scores.get(key))
    return f"{text} ± {number(row.spread[key])}" if row.spread and row.spread.get(key) else text
