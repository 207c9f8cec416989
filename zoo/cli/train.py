"""`zoo train`: its flags are those of the model that it is given."""

from __future__ import annotations

__all__ = ["name_and_layers", "train"]

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.completion import complete_data, complete_model, complete_run
from zoo.cli.flags import OptionFlag, flag_name, flag_values
from zoo.cli.model_command import ModelCommand
from zoo.cli.session import session
from zoo.cli.side_by_side import SIDE_BY_SIDE
from zoo.cli.terminal import JSON, counted, number, print_json, say
from zoo.cli.trackers import TRACK, tracker_flags, tracker_options
from zoo.errors import ZooError
from zoo.settings import Layer, config_layer, resolve, split_recipe

if TYPE_CHECKING:
    from zoo.many.choice import Way
    from zoo.registry import Registry
    from zoo.runs.folder import Run
    from zoo.tracking import Tracker


class TrainCommand(ModelCommand):
    """A command with the flags of a model and those of every tracker."""

    def flags(self, ctx: click.Context) -> list[OptionFlag]:
        """Return the flags that set options."""
        return [*super().flags(ctx), *tracker_flags(ctx)]


@click.command(cls=TrainCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", metavar="MODEL[.RECIPE]", nargs=-1, shell_complete=complete_model)
@click.option(
    "--data",
    metavar="NAME",
    shell_complete=complete_data,
    help="Data set, or folder:PATH or npz:FILE.  [default: mnist]",
)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/<model>-<data>-<N>]")
@click.option("--config", type=click.Path(path_type=Path), help="Take settings from a run's config.toml.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    shell_complete=complete_run,
    help="Go on with a run; takes --epochs and --track alone.",
)
@click.option(
    "--seeds", type=click.IntRange(1), help="Train it this many times, with successive seeds, each in a run of its own."
)
@SIDE_BY_SIDE
@TRACK
@JSON
@click.pass_context
def train(
    ctx: click.Context,
    /,
    models: tuple[str, ...],
    data: str | None,
    out: Path | None,
    config: Path | None,
    resume: Path | None,
    seeds: int | None,
    side_by_side: Way,
    track: tuple[str, ...],
    as_json: bool,
    **flags: Any,
) -> int:
    """Train a model, or go on with a run.

    Float options that are read at each step also take a schedule: linear:0..1@5000 (steps), @200ep (epochs), @50%
    (of the run); cosine:A..B@P, cyclic:A..B@P, steps:V@P,V@P, one-cycle:PEAK.

    \b
      zoo train conv-vae --beta 0.11
      zoo train vae.pytorch-example
      zoo train conv-vae --data folder:pictures --image-size 64
      zoo train conv-vae --seeds 3
      zoo train conv-vae --help          shows that model's own options
      zoo train --resume runs/conv-vae-mnist-1
    """
    # Only now, because help needs it not.
    from zoo.tracking import find_trackers

    registry = session(ctx).registry
    values = {**flag_values(ctx), **({"data": data} if data is not None else {})}
    trackers = find_trackers(registry, tracker_options(ctx, track))
    if resume is not None:
        given = {"MODEL": models, "--out": out, "--config": config, "--seeds": seeds}
        others = [flag for flag, value in given.items() if value]
        others += [flag_name(key) for key in values if key != "epochs"]
        _resume(registry, resume, others, values, trackers, as_json)
        return 0
    if len(models) > 1:
        raise ZooError(f"train takes one model; train {' and '.join(models)} side by side with 'zoo compare'")
    name, layers = name_and_layers(registry, models[0] if models else None, config, values)
    settings = resolve(registry, name, layers)
    if seeds is not None:
        from zoo.cli.seeds import train_and_show

        return train_and_show(registry, name, settings, seeds, out, trackers, side_by_side, as_json)
    if side_by_side not in ("auto", "off"):
        raise ZooError(f"--side-by-side {side_by_side} is for several runs; add --seeds 3, or leave it out")
    if out is not None:
        from zoo.runs.folder import new_run_folder

        new_run_folder(out, name, settings.data)
    training = settings.training
    how = f"{counted(training.epochs, 'epoch')}, batch size {training.batch_size}, seed {training.seed}"
    say(f"training {name} on {settings.data}: {how}")
    # Only now, because it imports torch: mistakes above are told at once.
    import shlex

    from zoo.cli.progress import watch
    from zoo.experiment import run_training

    command = shlex.join(["zoo", *session(ctx).arguments])
    scored = _keep if as_json else _show_scores
    _show(run_training(registry, settings, watch(), out, command, trackers, scored), as_json)
    return 0


def name_and_layers(
    registry: Registry, model: str | None, config: Path | None, values: dict[str, Any]
) -> tuple[str, list[Layer]]:
    """Return the model and the layers of settings that were typed, those of `--config` first.

    Raises:
        ZooError: If no model is named, or two.
    """
    layers = [Layer("command line", values)]
    if config is not None:
        named, layer = config_layer(config)
        layers.insert(0, layer)
        if model is not None and named is not None and split_recipe(registry, model)[0] != named:
            raise ZooError(f"--config {config} is of model '{named}', not '{model}'; leave one of them out")
        model = model or named
    if model is None:
        raise ZooError("which model? Name one, such as 'zoo train conv-vae'; 'zoo list' shows them all")
    return model, layers


def _resume(
    registry: Registry,
    where: Path,
    others: list[str],
    values: dict[str, Any],
    trackers: tuple[Tracker, ...],
    as_json: bool,
) -> None:
    if others:
        told = f"--resume takes the run's own settings, --epochs and --track alone; leave out {', '.join(others)}"
        raise ZooError(told)
    from zoo.runs.folder import find_run

    # A folder that is no run is told before torch is imported.
    find_run(where)
    from zoo.cli.progress import watch
    from zoo.experiment import resume

    epochs = values.get("epochs")
    goal = None if epochs is None else int(epochs)
    run, more = resume(registry, where, watch(), goal, trackers, _keep if as_json else _show_scores)
    if not (more or as_json):
        _show_scores(run.scores)
    _show(run, as_json)


def _show_scores(scores: Mapping[str, Any]) -> None:
    from zoo.cli.seeds import SHOWN

    click.echo("  ".join(f"{name} {number(scores[name])}" for name in SHOWN if scores.get(name) is not None))


def _keep(scores: Mapping[str, Any]) -> None:
    """Show nothing yet: the scores are part of the one document of `--json`."""


def _show(run: Run, as_json: bool) -> None:
    if as_json:
        facts = run.metadata
        document = {"run": str(run.path), "model": facts["model"], "data": facts["data"]["name"], "scores": run.scores}
        print_json(document)
        return
    click.echo(f"weights   {run.weights}")
    click.echo(f"pictures  {run.figures}")
