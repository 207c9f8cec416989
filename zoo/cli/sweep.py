"""`zoo sweep`: a model trained along its options."""

from __future__ import annotations

__all__ = ["sweep"]

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.completion import complete_data, complete_model, complete_run
from zoo.cli.flags import OptionFlag, Value, flag_values
from zoo.cli.metric_command import metric_flags, metric_names
from zoo.cli.model_command import ModelCommand
from zoo.cli.session import session
from zoo.cli.side_by_side import SIDE_BY_SIDE
from zoo.cli.terminal import DASH, JSON, number, print_json, print_table, say
from zoo.cli.trackers import TRACK, tracker_flags, tracker_options
from zoo.errors import ZooError
from zoo.many.choice import Way
from zoo.tracking import find_trackers

if TYPE_CHECKING:
    from zoo.sweeping.results import Point, Sweep


class ValueOrRange(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """A value of an option, or a range of them; kept as it was typed, because the sweep reads it."""

    def __init__(self, plain: Value) -> None:
        self.plain = plain
        self.name = plain.name

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what stands for the value in help."""
        return f"{self.plain.get_metavar(param, ctx)} or RANGE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a range as such, and what is none as the option's value."""
        from zoo.sweeping.ranges import read_range

        key = param.key if isinstance(param, OptionFlag) else self.plain.field.name
        return value if read_range(key, self.plain.field, value) else self.plain.convert(value, param, ctx)


class SweepCommand(ModelCommand):
    """A command that takes ranges where the model's own flags take values."""

    def flags(self, ctx: click.Context) -> list[OptionFlag]:
        """Return the flags of the model, with room for ranges, and those of metrics and trackers."""
        found = super().flags(ctx)
        for flag in found:
            if isinstance(flag.type, Value):
                flag.type = ValueOrRange(flag.type)
        return [*found, *metric_flags(ctx), *tracker_flags(ctx)]


@click.command(cls=SweepCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", metavar="MODEL[.RECIPE]", shell_complete=complete_model)
@click.option(
    "--data",
    metavar="NAME",
    shell_complete=complete_data,
    help="Data set, or folder:PATH or npz:FILE.  [default: mnist]",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=1, help="Runs of each point, with successive seeds.  [default: 1]"
)
@click.option(
    "--metrics",
    metavar="NAME,NAME",
    help="What runs are scored by, the one that matters most first.  [default: what all runs have]",
)
@click.option("--trials", type=click.IntRange(1), help="Search this many points by Optuna instead of the grid.")
@click.option(
    "--from",
    "start",
    type=click.Path(path_type=Path),
    metavar="RUN",
    shell_complete=complete_run,
    help="Start each run from the weights of this one.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder.  [default: where the same sweep was begun, or sweep/<model>-<data>-<N>]",
)
@SIDE_BY_SIDE
@TRACK
@JSON
@click.pass_context
def sweep(
    ctx: click.Context,
    /,
    model: str,
    data: str | None,
    seeds: int,
    metrics: str | None,
    trials: int | None,
    start: Path | None,
    out: Path | None,
    side_by_side: Way,
    track: tuple[str, ...],
    as_json: bool,
    **flags: Any,
) -> int:
    """Train a model along one or more options, and draw rate against distortion and metrics against options.

    An option is swept where its value is log:A..B:N, lin:A..B:N or a,b,c; any other value is a setting of all runs. Two
    ranges make a grid. The same command again trains nothing twice.

    \b
      zoo sweep conv-vae --beta log:0.01..1:8
      zoo sweep conv-vae --beta 0.05,0.1,0.2 --latent-dim 8,16,32 --seeds 3
      zoo sweep conv-vae --beta log:0.01..1 --lr log:1e-4..1e-2 --trials 30 --metrics elbo
    """
    from zoo.cli.progress import watch
    from zoo.sweeping.plan import make_plan

    typed = flag_values(ctx)
    # The options of metrics are the ones whose flags are no model's.
    of_metrics = {flag.key: typed.pop(flag.key) for flag in metric_flags(ctx) if flag.key in typed}
    values = {**typed, **({"data": data} if data is not None else {})}
    if start is not None and "init_from" in values:
        raise ZooError("--from and --init-from are the same; leave one of them out")
    values |= {"init_from": str(start)} if start is not None else {}
    registry = session(ctx).registry
    wanted = _with_options(metric_names(registry, metrics), of_metrics)
    trackers = find_trackers(registry, tracker_options(ctx, track))
    plan = make_plan(registry, model, values)
    # Only now, because it imports torch: mistakes above are told at once.
    from zoo.sweeping.run import run_sweep

    found = run_sweep(
        registry,
        plan,
        seeds=seeds,
        metrics=wanted,
        trials=trials,
        out=out,
        progress=watch(),
        command=shlex.join(["zoo", *session(ctx).arguments]),
        trackers=trackers,
        way=side_by_side,
    )
    _show(found, as_json)
    return 1 if any(point.error for point in found.points) else 0


def _with_options(wanted: list[str], values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the options that were typed for each metric that was named.

    Raises:
        ZooError: If an option is of a metric that was not named.
    """
    options: dict[str, dict[str, Any]] = {name: {} for name in wanted}
    for key, value in values.items():
        metric, _, option = key.rpartition(".")
        if metric not in options:
            flag = f"--{metric}.{option.replace('_', '-')}"
            raise ZooError(f"{flag} sets an option of a metric that is not computed; add --metrics {metric}")
        options[metric][option] = value
    return options


def _show(found: Sweep, as_json: bool) -> None:
    if as_json:
        print_json(found.to_dict())
    else:
        names = list(found.plan.names.values())
        rows = [_row(found, point) for point in found.points]
        print_table((*names, *found.scores), rows, right=range(len(names) + len(found.scores)))
        click.echo(f"figure   {found.figure or 'none'}")
        click.echo(f"results  {found.path / 'results.json'}")
    for point in found.points:
        if point.error:
            say(f"{found.plan.words(point.options)} failed: {point.error}")
    if not as_json:
        _tell_best(found)


def _row(found: Sweep, point: Point) -> list[str]:
    from zoo.sweeping.plan import as_text

    values = [as_text(value) for value in point.options.values()]
    if point.error is not None:
        return [*values, "failed", *[""] * (len(found.scores) - 1)]
    return [*values, *(_cell(point, score) for score in found.scores)]


def _cell(point: Point, score: str) -> str:
    mean, spread = point.mean(score), point.spread(score)
    if mean is None:
        return DASH
    return number(mean) if spread is None else f"{number(mean)} ± {number(spread)}"


def _tell_best(found: Sweep) -> None:
    """Name the best value of the first metric, or why there is none."""
    if not found.metrics:
        say("no metric has a value at every point; name one with --metrics")
        return
    metric, best = found.metrics[0], found.best
    if best is None:
        why = "no point has a value" if metric.better else "it is neither better high nor low"
        say(f"no best value of {metric.name}: {why}")
        return
    score = metric.name.replace("-", "_")
    click.echo(f"best     {score} {_cell(best, score)} at {found.plan.words(best.options)}")
    if found.caution:
        say(f"NOTE: {found.caution}")
