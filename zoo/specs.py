"""What plugins declare: names, summaries and strings that say where the code is. Imports nothing heavy."""

from __future__ import annotations

__all__ = [
    "ABILITIES",
    "API",
    "FITTED_PRIOR",
    "GROUPS",
    "CompositionSpec",
    "DatasetSpec",
    "MetricSpec",
    "PartSpec",
    "Role",
    "TrackerSpec",
    "import_or_tell",
    "import_reference",
]

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from zoo.errors import ZooError, one_line

API = 1
"""The level of the plugin interface that this engine speaks; a spec that names none was written for the first."""

FITTED_PRIOR = "fitted-prior"
"""The kind of the parts that `zoo fit` fits to a trained model's codes; no role of a model."""


ABILITIES = ("Model", "LatentModel", "Reconstructs", "Embeds", "DecodesLatents", "Conditional", "ExactLikelihood")
"""What a metric may need of a model, by the names of base classes in `zoo`."""


GROUPS = ("reconstruction", "likelihood", "latent use", "samples", "representation", "cost", "other")
"""What metrics are about, in the order of tables."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PartSpec:
    """A part that models can be composed of.

    Arguments:
        kind: What it is: `encoder`, `posterior`, `decoder`, `likelihood`, `prior`, `loss`, `fitted-prior`,
            or a kind that another composition declares.
        name: What users type, in kebab-case.
        summary: One sentence with a full stop.
        part: The class, as `"package.module:Name"`; built as `Name(options, site)`.
        options: Its options dataclass, as `"package.module:Name"`; must not import torch.
        equation: What it computes, in the project's symbols, for `zoo explain` and the docs.
        paper: Authors (year), arXiv number.
        api: The level of the plugin interface that it was written for; the first, unless it says otherwise.

    Example:
        >>> PartSpec(kind="prior", name="cauchy", summary="A heavy-tailed prior.", part="mine.parts:Cauchy").name
        'cauchy'
    """

    kind: str
    name: str
    summary: str
    part: str
    options: str = "zoo.options:Options"
    equation: str = ""
    paper: str = ""
    api: int = 1


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Role:
    """A place in a composition that a part fills.

    Arguments:
        name: The registry key and the flag, such as `posterior` in `--posterior gamma`.
        kind: The kind of part that fits.
        needs: The roles whose parts must be built first, and are handed to this one.
        default: The part that fills it where a model names none.
        optional: Whether it may stay empty.
    """

    name: str
    kind: str
    needs: tuple[str, ...] = ()
    default: str | None = None
    optional: bool = False


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CompositionSpec:
    """A kind of model: which roles it has, and the class that puts their parts together.

    Arguments:
        name: What `model = "..."` in a registry says.
        summary: One sentence with a full stop.
        model: The class, as `"package.module:Name"`; built as `Name(parts, site)`.
        roles: Its roles; flags, build order and registry keys follow from them.
        api: The level of the plugin interface that it was written for; the first, unless it says otherwise.
    """

    name: str
    summary: str
    model: str
    roles: tuple[Role, ...]
    api: int = 1

    def role(self, name: str) -> Role:
        """Return the role of that name."""
        return next(role for role in self.roles if role.name == name)

    def filled(self, parts: Mapping[str, str]) -> tuple[Role, ...]:
        """Return the roles that a choice of parts fills."""
        return tuple(role for role in self.roles if role.name in parts)

    def build_order(self) -> tuple[Role, ...]:
        """Return the roles so that each comes after the ones it needs.

        Raises:
            ValueError: If roles need each other in a circle, or one that does not exist.
        """
        ordered: list[Role] = []
        waiting = list(self.roles)
        while waiting:
            built = {role.name for role in ordered}
            ready = [role for role in waiting if built.issuperset(role.needs)]
            if not ready:
                raise ValueError(f"composition '{self.name}': {waiting[0].name} needs a role that never comes")
            ordered += ready
            waiting = [role for role in waiting if role not in ready]
        return tuple(ordered)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DatasetSpec:
    """A data set that `--data` can name.

    Arguments:
        name: What users type, in kebab-case; for `folder:PATH` the part before the colon.
        summary: One sentence with a full stop.
        load: The function, as `"package.module:name"`, called as `load(argument, options)`.
        argument: What follows the colon, such as `"PATH"`; empty if nothing does.
        size: Numbers of images and their shape, for `zoo data`.
        location: Where it lies below the data folder, for `zoo data`; empty if nowhere.
        api: The level of the plugin interface that it was written for; the first, unless it says otherwise.
    """

    name: str
    summary: str
    load: str
    argument: str = ""
    size: str = ""
    location: str = ""
    api: int = 1


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MetricSpec:
    """A score that `zoo evaluate --metrics NAME` computes.

    Arguments:
        name: What users type, in kebab-case; its options are `--NAME.option`. Files have underscores in its place.
        summary: One sentence with a full stop.
        metric: The class, as `"package.module:Name"`; built as `Name(options, subject)`.
        options: Its options dataclass, as `"package.module:Name"`; must not import torch.
        group: What it is about, one of `GROUPS`.
        needs: The ability that a model must have, by the name of its base class in `zoo`, such as `"LatentModel"`.
        unit: What one of it is, such as `"nats per image"`; empty for a plain number.
        better: Which way is better, if one is.
        estimator: How the number is estimated: of how many images, samples and draws.
        equation: What it computes, in the project's symbols.
        paper: Authors (year), arXiv number.
        usual: Whether it is computed whenever a run is scored, without being asked for.
        api: The level of the plugin interface that it was written for; the first, unless it says otherwise.
    """

    name: str
    summary: str
    metric: str
    options: str = "zoo.options:Options"
    group: str = "other"
    needs: str = "Model"
    unit: str = ""
    better: Literal["higher", "lower", ""] = ""
    estimator: str = ""
    equation: str = ""
    paper: str = ""
    usual: bool = False
    api: int = 1


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TrackerSpec:
    """What follows a run where `--track NAME` asks for it, and writes it where people look.

    Arguments:
        name: What users type, in kebab-case; its options are `--NAME.option`.
        summary: One sentence with a full stop.
        tracker: The class, as `"package.module:Name"`; built as `Name(options, run)` for each run. Its methods that are
            marked by `zoo.hookimpl` are hooks of that run's life.
        options: Its options dataclass, as `"package.module:Name"`; must not import torch.
        requires: A module that must be there to use it, such as `"tensorboard"`; empty if none.
        extra: The extra of its distribution that brings that module.
        api: The level of the plugin interface that it was written for; the first, unless it says otherwise.
    """

    name: str
    summary: str
    tracker: str
    options: str = "zoo.options:Options"
    requires: str = ""
    extra: str = ""
    api: int = 1


def import_reference(reference: str) -> Any:
    """Import what `"package.module:Name"` names.

    Raises:
        ImportError: If there is no such module, or no such name in it.
    """
    module, _, name = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError:
        raise ImportError(f"module '{module}' has no '{name}'") from None


def import_or_tell(reference: str, what: str) -> Any:
    """Import what a plugin's spec names, to use it.

    Raises:
        ZooError: If its code does not import; `what` says whose it is.
    """
    try:
        return import_reference(reference)
    except Exception as error:
        raise ZooError(f"{what} does not import: {one_line(error)}") from error
