"""What the options before the command ask for: plugins and registry files."""

from __future__ import annotations

__all__ = ["Session", "session"]

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.terminal import say

if TYPE_CHECKING:
    from zoo.registry import Registry


class Session:
    """One call of the command; the registry is read when it is first needed.

    Arguments:
        arguments: The whole command line, for the model card.
        no_plugins: Whether plugins of others stay out.
        plugins: One-file plugins.
        registries: Registry files instead of `./zoo.toml`.
        quiet: Whether faults are kept to oneself, as shell completion must.
    """

    def __init__(
        self,
        arguments: tuple[str, ...],
        no_plugins: bool,
        plugins: tuple[Path, ...],
        registries: tuple[Path, ...],
        quiet: bool,
    ) -> None:
        self.arguments = arguments
        self._no_plugins = no_plugins
        self._plugins = plugins
        self._registries = registries
        self._quiet = quiet
        self._registry: Registry | None = None

    @property
    def registry(self) -> Registry:
        """The registry; faults are shown the first time."""
        if self._registry is None:
            from zoo.registry import load_registry

            self._registry = load_registry(
                third_party=not self._no_plugins, plugin_files=self._plugins, registry_files=self._registries
            )
            for fault in [] if self._quiet else self._registry.plugins.faults:
                say(f"zoo: {fault}")
        return self._registry


def session(ctx: click.Context) -> Session:
    """Return the session that a command runs in."""
    found = ctx.find_object(Session)
    assert found is not None, "the group makes one before any command"
    return found
