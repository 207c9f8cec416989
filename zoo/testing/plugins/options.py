"""Checks of options: of the dataclass that a part or a metric declares them by."""

from __future__ import annotations

__all__ = ["OPTION_CHECKS", "OptionsCase", "option_trials"]

import dataclasses
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from zoo.catalogue import Source
from zoo.errors import ZooError, one_line
from zoo.options import Field, Options, describe
from zoo.registry import Registry
from zoo.specs import PartSpec, import_reference
from zoo.testing.check import Check, Failed, NotApplicable, Trial, require, trials
from zoo.testing.plugins.bounds import inside, outside, refused
from zoo.testing.wording import some

_BARE = PartSpec.options
"""What a spec names where there are no options."""


@dataclass(frozen=True)
class OptionsCase:
    """An options dataclass, as `"package.module:Name"`."""

    reference: str

    def load(self) -> type[Options]:
        """Import it.

        Raises:
            Failed: If it is no options dataclass.
        """
        try:
            found = import_reference(self.reference)
        except Exception as error:
            raise Failed(f"its options {self.reference} do not import: {one_line(error)}") from error
        ours = isinstance(found, type) and issubclass(found, Options)
        require(ours, f"its options {self.reference} are no dataclass below zoo.Options")
        kept: type[Options] = found
        return kept

    def usable(self) -> type[Options]:
        """Return it where it can be made at all.

        Raises:
            NotApplicable: If it is wrong in a way that another check tells, or has no options.
        """
        self.fields  # noqa: B018  # not applicable without any
        cls = self.load()
        if refused(cls, {}):
            raise NotApplicable("its own defaults are refused")
        return cls

    @property
    def fields(self) -> tuple[Field, ...]:
        """What is known of each option.

        Raises:
            NotApplicable: If there are none.
        """
        try:
            found = describe(self.load())
        except (Failed, TypeError):
            raise NotApplicable("its options do not load") from None
        if not found:
            raise NotApplicable("it has no options")
        return found


def options_are_declared(case: OptionsCase) -> None:
    """Its options are a frozen dataclass below `zoo.Options`, each declared by `option` with a type that a flag has."""
    cls = case.load()
    own = "__dataclass_fields__" in vars(cls)
    require(own, f"{cls.__name__} is no dataclass, so that its options are not seen; decorate it with @dataclass")
    try:
        describe(cls)
    except TypeError as error:
        raise Failed(f"{cls.__name__}: {error}") from error
    frozen = cls.__dataclass_params__.frozen  # type: ignore[attr-defined]  # typeshed leaves it out
    require(frozen, f"{cls.__name__} can be changed after its checks; decorate it with @dataclass(frozen=True)")
    known = {field.name for field in dataclasses.fields(cls)}
    bare = [name for name in get_type_hints(cls) if name not in known]
    require(not bare, f"{cls.__name__} has a type for {some(bare)} but no option(default, help)")


def options_have_help_and_default(case: OptionsCase) -> None:
    """Every option has a default and a help line that is a sentence."""
    for field in case.fields:
        require(field.default is not dataclasses.MISSING, f"option '{field.name}' has no default")
        text = field.help.strip()
        sentence = text[:1] == text[:1].upper() and text.endswith(".") and "\n" not in text
        require(text and sentence, f"the help of option '{field.name}' is no sentence with a full stop: '{field.help}'")


def defaults_lie_within_bounds(case: OptionsCase) -> None:
    """Its defaults pass its own checks."""
    case.fields  # noqa: B018  # not applicable without any
    try:
        case.load()()
    except ZooError as error:
        raise Failed(f"its own defaults are refused: {error}") from error


def options_survive_json_and_toml(case: OptionsCase) -> None:
    """Defaults, and values at the bounds, are the same after they were written as JSON and as TOML."""
    cls = case.usable()
    for values in ({}, *({field.name: value} for field in case.fields for value in inside(field))):
        made = _make(cls, values)
        table = made.to_dict()
        for form, again in (("JSON", json.loads(json.dumps(table))), ("TOML", _through_toml(table))):
            same = _make(cls, again) == made
            require(same, f"{some(values) or 'the defaults'} are not the same after they were written as {form}")


def bounds_are_enforced(case: OptionsCase) -> None:
    """A value beyond the bounds of an option, of another type or none of its choices is refused."""
    cls = case.usable()
    for field in case.fields:
        for value in outside(field):
            told = f"option '{field.name}' ({field.range or field.kind.__name__}) takes {value!r}"
            require(refused(cls, {field.name: value}), f"{told}; leave the checks to Options.__post_init__")


def unknown_options_are_refused(case: OptionsCase) -> None:
    """A name that is no option is refused, and the nearest one offered."""
    cls = case.usable()
    longest = max(case.fields, key=lambda field: len(field.name))
    wrong = f"{longest.name}_x"
    told = refused(cls, {wrong: longest.default})
    require(told, f"takes an option '{wrong}' that it does not have")
    # Nothing is near to a name of a letter or two.
    near = "did you mean" in told or len(longest.name) <= 2
    require(wrong in told and near, f"refuses '{wrong}' without the nearest name: {told}")


def schedules_where_they_are_read(case: OptionsCase) -> None:
    """An option that is read at each step takes a schedule, and no other does."""
    cls = case.usable()
    for field in case.fields:
        if field.kind is not float or field.many:
            continue
        value = next(iter(inside(field)), 1.0)
        text = f"linear:{value:g}..{value:g}@10"
        told = refused(cls, {field.name: text})
        if field.scheduled:
            require(not told, f"option '{field.name}' takes no schedule: {told}")
        else:
            require(told, f"option '{field.name}' takes the schedule {text}, and is no `Scheduled`")


def _make(cls: type[Options], values: Mapping[str, Any]) -> Options:
    try:
        return cls.from_dict(values)
    except ZooError as error:
        raise Failed(f"a value within its own bounds is refused: {error}") from error


def _through_toml(table: Mapping[str, Any]) -> dict[str, Any]:
    import tomli_w

    # TOML has no empty value; options take the word `none` for it, and files of runs write it.
    return tomllib.loads(tomli_w.dumps({name: "none" if value is None else value for name, value in table.items()}))


OPTION_CHECKS: Mapping[str, tuple[Check, ...]] = {
    "options": (
        options_are_declared,
        options_have_help_and_default,
        defaults_lie_within_bounds,
        options_survive_json_and_toml,
        bounds_are_enforced,
        unknown_options_are_refused,
        schedules_where_they_are_read,
    )
}


def option_trials(registry: Registry, source: Source) -> Iterator[Trial]:
    """Yield the trials of the options of the parts and metrics that a plugin brings."""
    for kind, catalogue in registry.parts.items():
        for entry in catalogue.entries():
            if entry.source == source and entry.item.options != _BARE:
                yield from trials(f"{kind} {entry.name}", OPTION_CHECKS, OptionsCase(entry.item.options))
    for metric in registry.metrics.entries():
        if metric.source == source and metric.item.options != _BARE:
            yield from trials(f"metric {metric.name}", OPTION_CHECKS, OptionsCase(metric.item.options))
