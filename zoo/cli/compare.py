"""`zoo compare`: one table, one figure and one report of several models, and what may be said of them."""

from __future__ import annotations

__all__ = ["compare"]

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.completion import complete_data, complete_what
from zoo.cli.flags import OptionFlag, flag_values, training_flags
from zoo.cli.metric_command import METRICS, SAMPLES, metric_flags, metric_names, metric_options, unnamed_metrics
from zoo.cli.model_command import TrainerCommand
from zoo.cli.session import session
from zoo.cli.side_by_side import SIDE_BY_SIDE
from zoo.cli.terminal import JSON, say
from zoo.cli.trackers import TRACK, tracker_flags, tracker_options
from zoo.comparison.defaults import MORE
from zoo.errors import ZooError
from zoo.many.choice import Way
from zoo.settings import Layer
from zoo.tracking import find_trackers

if TYPE_CHECKING:
    from zoo.comparison.compare import Comparison


class ComparisonCommand(TrainerCommand):
    """A command with the flags of the trainer, and those of every metric and tracker."""

    def flags(self, ctx: click.Context) -> list[OptionFlag]:
        """Return the flags that set options."""
        if "zoo.flags" not in ctx.meta:
            ctx.meta["zoo.flags"] = [*training_flags(), *metric_flags(ctx), *tracker_flags(ctx)]
        flags: list[OptionFlag] = ctx.meta["zoo.flags"]
        return flags


@click.command(cls=ComparisonCommand)
@click.argument("names", metavar="MODEL[:SETTING=VALUE,…]|RUN...", nargs=-1, shell_complete=complete_what)
@click.option(
    "--data",
    metavar="NAME",
    shell_complete=complete_data,
    help="Data set for every model that is trained.  [default: mnist]",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=1, help="Runs of each model, with successive seeds.  [default: 1]"
)
@METRICS
@SAMPLES
@click.option("--out", type=click.Path(path_type=Path), help="Folder.  [default: compare/<models>-<data>-<N>]")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="RESULTS.JSON",
    help="Exit with 1 if a score got worse than in this earlier comparison.",
)
@click.option("--max-regression", metavar="PERCENT", help="By more than this, such as 2%.  [default: 0%]")
@SIDE_BY_SIDE
@TRACK
@JSON
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    names: tuple[str, ...],
    data: str | None,
    seeds: int,
    metrics: str | None,
    samples: int,
    out: Path | None,
    baseline: Path | None,
    max_regression: str | None,
    side_by_side: Way,
    track: tuple[str, ...],
    as_json: bool,
    **flags: Any,
) -> int:
    """Compare models, trained here under the same data, seeds and budget, or finished runs (paths).

    What was trained with the same settings before is not trained again, and a comparison that was stopped goes on where
    it was when the same command is given again.

    \b
      zoo compare ae conv-vae --epochs 5 --seeds 3
      zoo compare conv-vae conv-vae:beta=0.5,prior.std=2
      zoo compare runs/ae-mnist-1 runs/conv-vae-mnist-1
      zoo compare conv-vae --baseline main/results.json --max-regression 2%
    """
    registry = session(ctx).registry
    wanted = metric_options(ctx, metric_names(registry, metrics), MORE)
    trackers = find_trackers(registry, tracker_options(ctx, track))
    from zoo.comparison.baseline import parse_share

    if max_regression is not None and baseline is None:
        raise ZooError("--max-regression needs a --baseline to hold the scores against")
    share = parse_share(max_regression or "0%")
    values = {key: value for key, value in flag_values(ctx).items() if "." not in key}
    layer = Layer("command line", {**values, **({"data": data} if data is not None else {})})
    from zoo.cli.progress import watch
    from zoo.comparison.compare import compare_models
    from zoo.runs.scores import score_key

    found = compare_models(
        registry,
        names,
        layer,
        seeds=seeds,
        out=out,
        progress=watch(),
        metrics=wanted,
        unnamed=unnamed_metrics(metrics, wanted),
        samples=samples,
        command=shlex.join(["zoo", *session(ctx).arguments]),
        baseline=baseline,
        trackers=trackers,
        way=side_by_side,
    )
    _show(found, as_json, [score_key(name) for name in wanted])
    worse = baseline is not None and _show_regressions(found, baseline, share)
    return 1 if found.failed or worse else 0


def _show(found: Comparison, as_json: bool, asked: list[str]) -> None:
    from zoo.cli.results_table import show_results
    from zoo.comparison.document import as_json as text_of

    if as_json:
        click.echo(text_of(found.document), nl=False)
        say(f"results  {found.path / 'results.json'}")
        return
    show_results(found.document, asked)
    click.echo(f"figure   {found.figure or 'none'}")
    click.echo(f"report   {found.report}")
    click.echo(f"results  {found.path / 'results.json'}")


def _show_regressions(found: Comparison, baseline: Path, share: float) -> bool:
    """Show where a comparison is worse than its baseline; return whether it is anywhere."""
    from zoo.comparison.baseline import against_baseline
    from zoo.comparison.document import read_document

    findings = against_baseline(found.document, read_document(baseline), share)
    for one in findings:
        say(f"{'REGRESSION' if one.regression else 'NOTE'}: {one.line}")
    regressed = any(one.regression for one in findings)
    if not regressed:
        say(f"nothing got worse than in {baseline} by more than {100 * share:g} % and more than noise explains")
    return regressed
