"""From the name that somebody types to those of a distribution, a package and classes, or why it cannot be."""

from __future__ import annotations

__all__ = ["LONGEST", "Names", "check_free", "read_name"]

import importlib.util
import keyword
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import zoo
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.catalogue import Catalogue
    from zoo.registry import Registry

LONGEST = 35
"""The longest name, so that no line of what is written is longer than 120 characters."""

_MEANT = ("all", "none")
"""Words that mean something else where names stand."""


@dataclass(frozen=True)
class Names:
    """What everything is called that a plugin consists of.

    Arguments:
        name: What users type, in kebab-case: a model's name, and its new part's.

    Example:
        >>> names = Names("my-vae")
        >>> names.distribution, names.package, names.class_name("Loss")
        ('zoo-my-vae', 'zoo_my_vae', 'MyVaeLoss')
    """

    name: str

    @property
    def distribution(self) -> str:
        """The name of the distribution, `zoo-my-vae`."""
        return f"zoo-{self.name}"

    @property
    def package(self) -> str:
        """The import package, `zoo_my_vae`."""
        return f"zoo_{self.module}"

    @property
    def module(self) -> str:
        """The module of a single file, `my_vae`."""
        return self.name.replace("-", "_")

    def class_name(self, suffix: str) -> str:
        """Return the name of a class, `MyVaeLoss`; `my-loss` makes `MyLoss`."""
        stem = "".join(word.capitalize() for word in self.name.split("-"))
        return stem if stem.endswith(suffix) and stem != suffix else stem + suffix


def read_name(text: str) -> Names:
    """Return the names that follow from one.

    Raises:
        ZooError: If it cannot be a name; a near one that can is offered.
    """
    if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text) is None:
        path = "; --out says where to write" if {"/", "\\"} & set(text) else ""
        raise ZooError(f"'{text}' is no name: names are lower-case words with dashes{_suggested(text)}{path}")
    if text[0].isdigit():
        raise ZooError(f"'{text}' starts with a digit, as no class may; write a letter first, such as 'my-{text}'")
    if keyword.iskeyword(text) or text in _MEANT:
        owner = "Python" if keyword.iskeyword(text) else "the command line"
        raise ZooError(f"'{text}' means something else to {owner}; choose another name, such as 'my-{text}'")
    if text == "zoo" or text.startswith("zoo-"):
        rest = text.removeprefix("zoo").removeprefix("-")
        raise ZooError(f"'zoo-' is put before the name by itself; write 'zoo new {rest or 'my-vae'}'")
    if len(text) > LONGEST:
        raise ZooError(f"'{text}' has {len(text)} characters; {LONGEST} are the most")
    return Names(text)


def _suggested(text: str) -> str:
    # Before each capital that begins a word: MyVAE and VAEPrior have two.
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", text)
    near = "-".join(re.findall(r"[a-z0-9]+", parted.lower()))
    return f"; did you mean '{near}'?" if near and near != text and text.isascii() else ""


def check_free(registry: Registry, names: Names, module: str, classes: Iterable[str]) -> None:
    """Check that nobody has the names that a plugin is to have; what another plugin has is `name@distribution`.

    Arguments:
        registry: What is here.
        names: The plugin's names.
        module: The package or module that it is to be.
        classes: The classes that it is to have.

    Raises:
        ZooError: If the zoo or an installed package has one of them.
    """
    another = f"choose another name, such as 'my-{names.name}'"
    catalogues: list[Catalogue[Any]] = [registry.models, registry.compositions, registry.datasets, registry.metrics]
    for catalogue in (*catalogues, *registry.parts.values()):
        if any(entry.source.ours and entry.name == names.name for entry in catalogue.entries()):
            raise ZooError(f"the zoo has a {catalogue.noun} '{names.name}' already; {another}")
    for name in classes:
        if name in zoo.__all__:
            raise ZooError(f"'{names.name}' would need a class {name}, which the zoo has; {another}")
    if module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None:
        raise ZooError(f"a module '{module}' is installed already; {another}, or uninstall that one first")
