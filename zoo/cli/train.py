"""`zoo train`: its flags are those of the model that it is given."""

from __future__ import annotations

__all__ = ["ModelCommand", "flag_values", "train"]

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.flags import OptionFlag, model_flags, training_flags
from zoo.cli.terminal import number, print_json, say
from zoo.errors import ZooError, did_you_mean
from zoo.settings import Layer, Settings, Vocabulary, config_layer, resolve

if TYPE_CHECKING:
    from zoo.registry import Registry
    from zoo.runs.folder import Run


class ModelCommand(click.Command):
    """A command whose flags depend on the model among its arguments.

    `zoo train conv-vae --help` shows that model's flags, and unknown ones are met with the nearest.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the model, then parse with its flags."""
        ctx.meta["zoo.flags"] = self._flags(ctx, args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            known = [name for param in self.get_params(ctx) for name in param.opts if name.startswith("--")]
            same = [name for name in known if name.rpartition(".")[2] == error.option_name.lstrip("-")]
            if len(same) > 1:
                raise ZooError(f"{error.option_name} is ambiguous; write {' or '.join(same)}") from None
            raise ZooError(f"no such option: {error.option_name}{did_you_mean(error.option_name, known)}") from None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters and the model's."""
        return [*super().get_params(ctx), *ctx.meta.get("zoo.flags", [])]

    def _flags(self, ctx: click.Context, args: list[str]) -> list[click.Parameter]:
        registry: Registry = ctx.obj.registry
        name = self._model_among(registry, args)
        if name is None:
            return list(training_flags())
        layer = Layer("command line", _roles_among(registry, name, args))
        settings = resolve(registry, name, [*_config_layers(args), layer])
        spec = settings.model
        vocabulary = Vocabulary(registry, spec.composition, spec.parts)
        roles = [
            _role_flag(registry, role.kind, role.name, spec.parts[role.name]) for role in vocabulary.roles.values()
        ]
        return [*training_flags(settings), *roles, *model_flags(settings, vocabulary)]

    def _model_among(self, registry: Registry, args: list[str]) -> str | None:
        """Return the first argument that is a model, or else looks like one, so that a typo is told as such."""
        takes_value = {name for param in [*self.params, *training_flags()] for name in _value_names(param)}
        words = [
            word
            for before, word in zip(["", *args], args, strict=False)
            if not word.startswith("-") and before not in takes_value
        ]
        known = [word for word in words if word in registry.models or word.partition(".")[0] in registry.models]
        if known:
            return known[0]
        return args[0] if args and not args[0].startswith("-") else None


def _value_names(param: click.Parameter) -> list[str]:
    return param.opts if isinstance(param, click.Option) and not param.is_flag else []


def _role_flag(registry: Registry, kind: str, role: str, chosen: str) -> OptionFlag:
    names = registry.parts[kind].names()
    text = f"Part that fills the role.  [default: {chosen}; {', '.join(names)}]"
    return OptionFlag([f"--{role}", f"role_{role}"], role, type=click.STRING, metavar="NAME", default=None, help=text)


def _roles_among(registry: Registry, name: str, args: list[str]) -> dict[str, str]:
    """Return the parts that the arguments swap: they decide which flags there are."""
    model = registry.model(name if name in registry.models else name.partition(".")[0])
    found = {}
    for role in registry.composition(model.composition).roles:
        flag = f"--{role.name}"
        for i, word in enumerate(args):
            if word == flag and i + 1 < len(args):
                found[role.name] = args[i + 1]
            elif word.startswith(f"{flag}="):
                found[role.name] = word.partition("=")[2]
    return found


def _config_layers(args: list[str]) -> list[Layer]:
    for i, word in enumerate(args):
        if word == "--config" and i + 1 < len(args):
            return [config_layer(Path(args[i + 1]))[1]]
        if word.startswith("--config="):
            return [config_layer(Path(word.partition("=")[2]))[1]]
    return []


def flag_values(ctx: click.Context) -> dict[str, Any]:
    """Return the settings that were typed, by full name."""
    flags = [param for param in ctx.command.get_params(ctx) if isinstance(param, OptionFlag)]
    return {
        flag.key: ctx.params[flag.name]
        for flag in flags
        if flag.name is not None and ctx.params.get(flag.name) is not None
    }


@click.command(cls=ModelCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", metavar="MODEL[.RECIPE]", required=False)
@click.option("--data", metavar="NAME", help="Data set, or folder:PATH or npz:FILE.  [default: mnist]")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/<model>-<data>-<N>]")
@click.option("--config", type=click.Path(path_type=Path), help="Take settings from a run's config.toml.")
@click.option(
    "--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a run; takes --epochs alone."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def train(
    ctx: click.Context,
    model: str | None,
    data: str | None,
    out: Path | None,
    config: Path | None,
    resume: Path | None,
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
      zoo train conv-vae --help          shows that model's own options
      zoo train --resume runs/conv-vae-mnist-1
    """
    from zoo.cli.progress import watch

    values = {**flag_values(ctx), **({"data": data} if data is not None else {})}
    if resume is not None:
        named = [flag for flag, given in (("MODEL", model), ("--out", out), ("--config", config)) if given is not None]
        return _resume(
            ctx.obj.registry, resume, [*named, *(f"--{key}" for key in values if key != "epochs")], values, as_json
        )
    name, layers = _name_and_layers(model, config, values)
    settings = resolve(ctx.obj.registry, name, layers)
    say(f"training {name}{_in_words(settings)}")
    # Only now, because it imports torch: mistakes above are told at once.
    from zoo.experiment import run_training

    run = run_training(ctx.obj.registry, settings, watch(), out, _command())
    _show(run, settings.data, as_json)
    return 0


def _name_and_layers(model: str | None, config: Path | None, values: dict[str, Any]) -> tuple[str, list[Layer]]:
    layers = [Layer("command line", values)]
    if config is not None:
        named, layer = config_layer(config)
        layers.insert(0, layer)
        if model is not None and named is not None and model.partition(".")[0] != named:
            raise ZooError(f"--config {config} is of model '{named}', not '{model}'; leave one of them out")
        model = model or named
    if model is None:
        raise ZooError("which model? Name one, such as 'zoo train conv-vae'; 'zoo list' shows them all")
    return model, layers


def _in_words(settings: Settings) -> str:
    training = settings.training
    return f" on {settings.data}: {training.epochs} epochs, batch size {training.batch_size}, seed {training.seed}"


def _command() -> str:
    import shlex

    return shlex.join(["zoo", *sys.argv[1:]])


def _resume(registry: Registry, where: Path, others: list[str], values: dict[str, Any], as_json: bool) -> int:
    if others:
        raise ZooError(f"--resume takes the run's own settings and --epochs alone; leave out {', '.join(others)}")
    from zoo.cli.progress import watch
    from zoo.experiment import resume

    epochs = values.get("epochs")
    run, _ = resume(registry, where, watch(), None if epochs is None else int(epochs))
    _show(run, run.metadata["data"]["name"], as_json)
    return 0


def _show(run: Run, data: str, as_json: bool) -> None:
    scores = run.scores
    if as_json:
        print_json({"run": str(run.path), "model": run.metadata["model"], "data": data, "scores": scores})
        return
    shown = ("mse", "distortion", "rate", "objective", "elbo", "active_units", "images_per_second")
    click.echo("  ".join(f"{name} {number(scores[name])}" for name in shown if scores.get(name) is not None))
    click.echo(f"weights   {run.weights}")
    click.echo(f"pictures  {run.figures}")
