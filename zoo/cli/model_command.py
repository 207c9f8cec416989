"""Commands whose flags are those of the model, or of the part, among their arguments."""

from __future__ import annotations

__all__ = ["FittedPriorCommand", "ModelCommand", "TrainerCommand"]

from collections.abc import Iterable
from pathlib import Path

import click

from zoo.cli.flags import OptionFlag, field_flag, model_flags, role_flags, training_flags
from zoo.cli.session import session
from zoo.data.options import DataOptions
from zoo.errors import ZooError
from zoo.options import describe
from zoo.registry import Registry
from zoo.settings import Layer, Vocabulary, config_layer, options_class, resolve, split_recipe
from zoo.specs import FITTED_PRIOR
from zoo.training.options import TrainOptions


class TrainerCommand(click.Command):
    """A command with the trainer's flags, each under its heading in help."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters and the others; who comes first keeps a name."""
        found = super().get_params(ctx)
        taken = {name for param in found for name in param.opts}
        for flag in self.flags(ctx):
            if not taken.intersection(flag.opts):
                found.append(flag)
                taken.update(flag.opts)
        return found

    def flags(self, ctx: click.Context) -> list[OptionFlag]:
        """Return the flags that set options."""
        if "zoo.flags" not in ctx.meta:
            ctx.meta["zoo.flags"] = list(training_flags())
        flags: list[OptionFlag] = ctx.meta["zoo.flags"]
        return flags

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and meet unknown flags with the nearest."""
        try:
            # A copy, because the parser takes words out of its list.
            return super().parse_args(ctx, list(args))
        except click.NoSuchOption as error:
            name = error.option_name
            if _value_of("--resume", args) is not None:
                told = f"--resume takes the run's own settings, --epochs and --track alone; leave out {name}"
                raise ZooError(told) from None
            known = [opt for param in self.get_params(ctx) for opt in param.opts if opt.startswith("--")]
            same = [opt for opt in known if opt.rpartition(".")[2] == name.lstrip("-")]
            if len(same) > 1:
                raise ZooError(f"{name} is ambiguous; write {' or '.join(same)}") from None
            raise click.NoSuchOption(name, possibilities=known, ctx=ctx) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings, the model's own first."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            heading = param.section if isinstance(param, OptionFlag) else "Run"
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                sections.setdefault(heading, []).append(record)
        last: list[str] = [heading for heading in ("Run", "Training", "Images") if heading in sections]
        last += [heading for heading in sections if heading.startswith("Tracker ")]
        for heading in [*(heading for heading in sections if heading not in last), *last]:
            with formatter.section(heading):
                formatter.write_dl(sections[heading])


class ModelCommand(TrainerCommand):
    """A command whose flags depend on the model among its arguments.

    `zoo train conv-vae --help` shows that model's flags, and unknown ones are met with the nearest.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the model, then parse with its flags."""
        try:
            ctx.meta["zoo.flags"] = self._flags_for(session(ctx).registry, args)
        except ZooError:
            # While the shell completes a word, the others may not make sense yet.
            if not ctx.resilient_parsing:
                raise
        return super().parse_args(ctx, args)

    def _flags_for(self, registry: Registry, args: list[str]) -> list[OptionFlag]:
        layers = _config_layers(args)
        name = self._model_among(registry, args) or next((model for model, _ in layers if model), None)
        if name is None:
            return list(training_flags())
        typed = Layer("command line", _roles_among(registry, name, args))
        settings = resolve(registry, name, [*(layer for _, layer in layers), typed])
        spec = settings.model
        vocabulary = Vocabulary(registry, spec.composition, spec.parts)
        return [
            *model_flags(settings, vocabulary),
            *role_flags(settings, vocabulary, registry),
            *training_flags(settings),
        ]

    def _model_among(self, registry: Registry, args: list[str]) -> str | None:
        """Return the argument that is a model, or else looks like one, so that a typo is told as such."""
        options = [param for param in self.params if isinstance(param, click.Option)]
        valued = {name for option in options if not option.is_flag for name in option.opts}
        bare = {name for option in options if option.is_flag for name in option.opts}
        for field in (*describe(TrainOptions), *describe(DataOptions)):
            if field.kind is bool:
                bare |= {f"--{field.flag}", f"--no-{field.flag}"}
            else:
                valued.add(f"--{field.flag}")
        words: list[str] = []
        perhaps: list[str] = []
        for before, word in zip(["", *args], args, strict=False):
            if word.startswith("-") or before in valued:
                continue
            # What follows a flag that only some model has may be its value, or the model.
            is_value = before.startswith("-") and "=" not in before and before not in bare
            (perhaps if is_value else words).append(word)
        for word in (*words, *perhaps):
            if split_recipe(registry, word)[0] in registry.models:
                return word
        return words[0] if words else None


class FittedPriorCommand(TrainerCommand):
    """A command whose flags depend on the prior that `--prior` names."""

    def flags(self, ctx: click.Context) -> list[OptionFlag]:
        """Return the flags of the prior's options."""
        flags: list[OptionFlag] = ctx.meta.get("zoo.flags", [])
        return flags

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the prior, then parse with its flags."""
        name = _value_of("--prior", args)
        if name is not None:
            try:
                ctx.meta["zoo.flags"] = self._flags_of(session(ctx).registry, name)
            except ZooError:
                # While the shell completes a word, the others may not make sense yet.
                if not ctx.resilient_parsing:
                    raise
        return super().parse_args(ctx, args)

    def _flags_of(self, registry: Registry, name: str) -> list[OptionFlag]:
        entry = registry.part(FITTED_PRIOR, name)
        fields = describe(options_class(entry, FITTED_PRIOR))
        return [
            field_flag(field, field.name, f"Options of {entry.name}", [f"--{field.flag}"], field.default)
            for field in fields
        ]


def _roles_among(registry: Registry, name: str, args: list[str]) -> dict[str, str]:
    """Return the parts that the arguments swap: they decide which flags there are."""
    composition = registry.model(split_recipe(registry, name)[0]).composition
    roles = registry.composition(composition).roles
    typed = {role.name: _value_of(f"--{role.name}", args) for role in roles}
    return {role: part for role, part in typed.items() if part is not None}


def _config_layers(args: list[str]) -> Iterable[tuple[str | None, Layer]]:
    path = _value_of("--config", args)
    return [config_layer(Path(path))] if path is not None else []


def _value_of(flag: str, args: list[str]) -> str | None:
    """Return the last value of a flag, as the parser will find it."""
    found = None
    for word, after in zip(args, [*args, None][1:], strict=True):
        if word == flag:
            found = after
        elif word.startswith(f"{flag}="):
            found = word.partition("=")[2]
    return found
