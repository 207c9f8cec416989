"""Flags made from options: ranges, choices, defaults and checks are those of the dataclass."""

from __future__ import annotations

__all__ = [
    "OptionFlag",
    "TrackerFlag",
    "Value",
    "field_flag",
    "flag_name",
    "flag_values",
    "flags_of_registry",
    "model_flags",
    "role_flags",
    "training_flags",
]

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from zoo.catalogue import Catalogue
from zoo.cli.completion import Complete, names
from zoo.cli.session import Session
from zoo.data.options import DataOptions
from zoo.errors import ZooError
from zoo.options import Field, describe
from zoo.schedules import Schedule
from zoo.settings import Settings, Vocabulary
from zoo.training.options import TrainOptions

if TYPE_CHECKING:
    from zoo.registry import Registry


class Value(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """A value that an option's own rules check."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.name = field.kind.__name__

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what stands for the value in help."""
        if self.field.choices:
            return f"[{'|'.join(self.field.choices)}]"
        noun = {int: "INTEGER", float: "FLOAT", str: "TEXT"}[self.field.kind]
        return f"{noun},…" if self.field.many else f"{noun} or SCHEDULE" if self.field.scheduled else noun

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a value; keep it as it was typed, because the options dataclass reads it again."""
        try:
            self.field.check(value)
        except ZooError as error:
            name = param.opts[-1] if param is not None else f"--{self.field.flag}"
            raise ZooError(f"{name}{str(error).removeprefix(self.field.flag)}") from None
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Offer the choices."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(choice) for choice in self.field.choices if choice.startswith(incomplete)]


class OptionFlag(click.Option):
    """A flag that sets an option; `key` is the option's full name in settings, `section` its heading in help."""

    def __init__(self, names: list[str], key: str, section: str, **attributes: Any) -> None:
        super().__init__(names, default=None, **attributes)
        self.key = key
        self.section = section


class TrackerFlag(OptionFlag):
    """A flag that sets an option of a tracker, which is no setting of the run."""


def flag_name(key: str) -> str:
    """Return an option's full name as users type it: `--posterior.latent-dim`."""
    return f"--{key.replace('_', '-')}"


def field_flag(
    field: Field, key: str, section: str, names: list[str], default: Any, kind: type[OptionFlag] = OptionFlag
) -> OptionFlag:
    """Return the flag of an option.

    Arguments:
        field: What is known of the option.
        key: Its full name in settings.
        section: Its heading in help.
        names: The spellings, such as `--loss.beta` and `--beta`.
        default: The value without the flag, for help.
        kind: Which flags it is one of.
    """
    variable = "option_" + "".join(c if c.isalnum() else "_" for c in key)
    notes = "; ".join(note for note in (f"default: {_text(default)}", "" if field.choices else field.range) if note)
    help_text = f"{field.help}  [{notes}]"
    if field.kind is bool:
        both = [f"{name}/--no-{name[2:]}" for name in names]
        return kind([*both, variable], key, section, help=help_text, is_flag=True)
    return kind([*names, variable], key, section, type=Value(field), help=help_text)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return ",".join(map(str, value)) or "none"
    return value.text if isinstance(value, Schedule) else str(value)


def training_flags(settings: Settings | None = None) -> Iterator[OptionFlag]:
    """Yield the flags of the trainer and of the images, which are the same for every model."""
    trainer = settings.training if settings else TrainOptions()
    images = settings.data_options if settings else DataOptions()
    for section, owner in (("Training", trainer), ("Images", images)):
        for field in describe(type(owner)):
            yield field_flag(field, field.name, section, [f"--{field.flag}"], getattr(owner, field.name))


def model_flags(settings: Settings, vocabulary: Vocabulary) -> Iterator[OptionFlag]:
    """Yield the flags of a model's own options: dotted always, flat while unique."""
    for dotted, field in vocabulary.fields.items():
        role, _, name = dotted.partition(".")
        flat = vocabulary.flat(dotted)
        spellings = [flag_name(dotted), *([flag_name(flat)] if flat else [])]
        section = f"Options of {settings.model.name}"
        yield field_flag(field, dotted, section, spellings, getattr(settings.options[role], name))


def role_flags(settings: Settings, vocabulary: Vocabulary, registry: Registry) -> Iterator[OptionFlag]:
    """Yield the flags that swap a model's parts."""
    for role in vocabulary.roles.values():
        parts = registry.parts.get(role.kind, Catalogue(role.kind))
        text = f"{', '.join(parts.names())}  [default: {settings.model.parts.get(role.name, 'none')}]"
        section = f"Parts of {settings.model.name}"
        complete = _complete_parts(role.kind)
        spellings = [f"--{role.name}", f"role_{role.name}"]
        yield OptionFlag(spellings, role.name, section, metavar="NAME", help=text, shell_complete=complete)


def _complete_parts(kind: str) -> Complete:
    return names(lambda registry: [(entry.name, entry.item.summary) for entry in registry.parts[kind].entries()])


def flags_of_registry(
    ctx: click.Context, key: str, make: Callable[[Registry], Iterable[OptionFlag]]
) -> list[OptionFlag]:
    """Return flags that depend on what is registered, made once for a call of the command.

    There are none where there is no session, as when the pages of the docs are written.
    """
    found = ctx.find_object(Session)
    if key not in ctx.meta:
        try:
            ctx.meta[key] = list(make(found.registry)) if found is not None else []
        except ZooError:
            # While the shell completes a word, a registry that is broken is no reason to speak.
            if not ctx.resilient_parsing:
                raise
            ctx.meta[key] = []
    flags: list[OptionFlag] = ctx.meta[key]
    return flags


def flag_values(ctx: click.Context, kind: type[OptionFlag] = OptionFlag) -> dict[str, Any]:
    """Return the options that were typed, by full name: settings, or those that another kind of flags sets."""
    flags = [param for param in ctx.command.get_params(ctx) if type(param) is kind]
    typed = {flag.key: ctx.params.get(flag.name) for flag in flags if flag.name is not None}
    return {key: value for key, value in typed.items() if value is not None}
