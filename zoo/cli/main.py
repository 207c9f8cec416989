"""The command `zoo`: finds the command, shows errors as one line, sets the exit code."""

from __future__ import annotations

__all__ = ["main"]

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.errors import ZooError, did_you_mean

if TYPE_CHECKING:
    from zoo.registry import Registry

# What each command is, and where: nothing is imported before it is needed.
COMMANDS = {
    "list": ("zoo.cli.listing:list_models", "List the models."),
    "show": ("zoo.cli.listing:show", "Show a model, a run or a weights file."),
    "explain": ("zoo.cli.explain:explain", "Explain what a model minimises, and what its numbers mean."),
    "plugins": ("zoo.cli.listing:plugins", "List the plugins and their faults."),
    "train": ("zoo.cli.train:train", "Train a model."),
    "evaluate": ("zoo.cli.use:evaluate", "Score a run on the test images."),
    "compare": ("zoo.cli.compare:compare", "Compare models or runs side by side."),
    "sample": ("zoo.cli.use:sample", "Draw images from a run."),
    "reconstruct": ("zoo.cli.use:reconstruct", "Encode and decode images with a run."),
    "interpolate": ("zoo.cli.use:interpolate", "Go from one test image to another through the latent space."),
    "embed": ("zoo.cli.use:embed", "Write the codes of images."),
    "runs": ("zoo.cli.runs:runs", "List runs, and remove them."),
    "data": ("zoo.cli.runs:data", "List the data sets, and where they lie."),
}


class Commands(click.Group):
    """A group whose commands are imported when they are asked for; help comes from the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find a command, or offer the nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise ZooError(f"unknown command '{args[0]}'{did_you_mean(args[0], COMMANDS)} (see 'zoo --help')")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Offer commands without importing them."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(n, help=text) for n, (_, text) in COMMANDS.items() if n.startswith(incomplete)]
        return found or super().shell_complete(ctx, incomplete)


class Session:
    """What the options before the command ask for; the registry is read once, when it is first needed."""

    def __init__(self, no_plugins: bool, plugins: tuple[Path, ...], registries: tuple[Path, ...]) -> None:
        self._no_plugins = no_plugins
        self._plugins = plugins
        self._registries = registries
        self._registry: Registry | None = None

    @property
    def registry(self) -> Registry:
        """The registry; faults are shown the first time."""
        if self._registry is None:
            from zoo.registry import load_registry

            self._registry = load_registry(
                third_party=not self._no_plugins, plugin_files=self._plugins, registry_files=self._registries
            )
            for fault in self._registry.plugins.faults:
                click.echo(f"zoo: {fault}", err=True)
        return self._registry


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(package_name="generative-zoo", prog_name="zoo")
@click.option("--no-plugins", is_flag=True, help="Load none but the bundled plugins.")
@click.option("--plugin", "plugins", type=click.Path(path_type=Path), multiple=True, help="Load a one-file plugin too.")
@click.option(
    "--registry",
    "registries",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Read models from this file instead of ./zoo.toml.",
)
@click.pass_context
def zoo(ctx: click.Context, no_plugins: bool, plugins: tuple[Path, ...], registries: tuple[Path, ...]) -> None:
    """The generative model zoo: train, understand, compare and extend generative models.

    \b
      zoo list
      zoo train conv-vae --beta 0.11
      zoo compare ae conv-vae
    """
    ctx.obj = Session(no_plugins, plugins, registries)


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line; return 0 done, 1 ran but the answer is no, 2 a mistake, 130 interrupted."""
    try:
        code = zoo.main(arguments, prog_name="zoo", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except ZooError as error:
        return _fail(str(error), error.exit_code)
    except click.ClickException as error:
        return _fail(_without_breaks(error.format_message()), error.exit_code if error.exit_code > 1 else 2)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader of our output, such as `head`, has gone; that is no mistake of anyone's.
        sys.stderr.close()
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", 2)


def _fail(message: str, code: int) -> int:
    click.echo(f"zoo: {message}", err=True)
    return code


def _without_breaks(message: str) -> str:
    return " ".join(message.split())
