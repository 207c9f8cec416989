"""Flags made from options: ranges, choices, defaults and checks are those of the dataclass."""

from __future__ import annotations

__all__ = ["OptionFlag", "field_flag", "model_flags", "training_flags"]

from collections.abc import Iterator
from typing import Any

import click

from zoo.data.options import DataOptions
from zoo.errors import ZooError
from zoo.options import Field, describe
from zoo.schedules import Schedule
from zoo.settings import Settings, Vocabulary
from zoo.training.options import TrainOptions


class Value(click.ParamType):
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
            raise click.ClickException(f"--{error}") from None
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Offer the choices."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(choice) for choice in self.field.choices if choice.startswith(incomplete)]


class OptionFlag(click.Option):
    """A flag that sets an option; `key` is the option's full name in settings."""

    def __init__(self, names: list[str], key: str, **attributes: Any) -> None:
        super().__init__(names, **attributes)
        self.key = key


def field_flag(field: Field, key: str, names: list[str], default: Any) -> OptionFlag:
    """Return the flag of an option.

    Arguments:
        field: What is known of the option.
        key: Its full name in settings.
        names: The spellings, such as `--loss.beta` and `--beta`.
        default: The value without the flag, for help.
    """
    variable = "option_" + "".join(c if c.isalnum() else "_" for c in key)
    notes = "; ".join(note for note in (f"default: {_text(default)}", "" if field.choices else field.range) if note)
    help_text = f"{field.help}  [{notes}]"
    if field.kind is bool:
        both = [f"{name}/--no-{name[2:]}" for name in names]
        return OptionFlag([*both, variable], key, default=None, help=help_text, is_flag=True)
    return OptionFlag([*names, variable], key, type=Value(field), default=None, help=help_text)


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
    for owner in (trainer, images):
        for field in describe(type(owner)):
            yield field_flag(field, field.name, [f"--{field.flag}"], getattr(owner, field.name))


def model_flags(settings: Settings, vocabulary: Vocabulary) -> Iterator[OptionFlag]:
    """Yield the flags of a model's own options: dotted always, flat while unique."""
    for dotted, field in vocabulary.fields.items():
        role, _, name = dotted.partition(".")
        flat = vocabulary.flat(dotted)
        names = [f"--{dotted.replace('_', '-')}", *([f"--{flat.replace('_', '-')}"] if flat else [])]
        yield field_flag(field, dotted, names, getattr(settings.options[role], name))
