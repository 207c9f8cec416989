"""The command `zoo`: finds the command, shows errors as one line, sets the exit code."""

from __future__ import annotations

__all__ = ["main", "run"]

import importlib
import io
import os
import sys
from pathlib import Path
from typing import Any

import click

from zoo.cli.session import Session
from zoo.cli.several import let_first_speak, one_voice, silent
from zoo.cli.terminal import say, warnings_told
from zoo.distributed.launch import ProcessLost, refuse_launch
from zoo.errors import ZooError, did_you_mean

# What each command is, and where: nothing is imported before it is needed.
COMMANDS = {
    "list": ("zoo.cli.listing:list_models", "List the models, or the metrics."),
    "show": ("zoo.cli.listing:show", "Show a model, a metric, a run or a weights file."),
    "explain": ("zoo.cli.explain:explain", "Explain what a model minimises, and what its numbers mean."),
    "plugins": ("zoo.cli.plugins:plugins", "List the plugins and their faults."),
    "check": ("zoo.cli.check:check", "Check that a model or a plugin keeps what the zoo promises of it."),
    "train": ("zoo.cli.train:train", "Train a model."),
    "fit": ("zoo.cli.fit:fit", "Fit a better prior to the codes of a run."),
    "evaluate": ("zoo.cli.use:evaluate", "Score a run on the test images."),
    "compare": ("zoo.cli.compare:compare", "Compare models or runs side by side."),
    "sweep": ("zoo.cli.sweep:sweep", "Train along one or more options, and draw the curves."),
    "verify": ("zoo.cli.verify:verify", "Train again what the registry says was verified."),
    "sample": ("zoo.cli.use:sample", "Draw images from a run."),
    "reconstruct": ("zoo.cli.pictures:reconstruct", "Encode and decode images with a run."),
    "interpolate": ("zoo.cli.pictures:interpolate", "Go from one test image to another through the latent space."),
    "embed": ("zoo.cli.pictures:embed", "Write the codes of images."),
    "runs": ("zoo.cli.runs:runs", "List runs, and remove them."),
    "features": ("zoo.cli.features:features", "List the classifiers that samples are looked at with, and train one."),
    "new": ("zoo.cli.new:new", "Write a plugin of your own to begin with."),
    "data": ("zoo.cli.data:data", "List the data sets, and where they lie; pack large ones."),
}


class Commands(click.Group):
    """A group whose commands are imported when they are asked for; help comes from the table."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what stands before the command, and make the session from it; shell completion comes here too."""
        given = tuple(args)
        rest = super().parse_args(ctx, args)
        ctx.obj = Session(given, quiet=ctx.resilient_parsing, **ctx.params)
        return rest

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
        return found or click.Command.shell_complete(self, ctx, incomplete)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(package_name="generative-zoo", prog_name="zoo")
@click.option("--no-plugins", is_flag=True, help="Load none but the bundled plugins.")
@click.option(
    "--plugin",
    "plugins",
    type=click.Path(path_type=Path),
    metavar="FILE|RUN",
    multiple=True,
    help="Load a one-file plugin too, or those that a run keeps.",
)
@click.option(
    "--registry",
    "registries",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Read models from this file instead of ./zoo.toml.",
)
@click.pass_context
def zoo(ctx: click.Context, /, **options: Any) -> None:
    """The generative model zoo: train, understand, compare and extend generative models.

    \b
      zoo list
      zoo train conv-vae --beta 0.11
      zoo compare ae conv-vae
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    elif ctx.invoked_subcommand != "train":
        refuse_launch(f"'zoo {ctx.invoked_subcommand}'")


def main() -> None:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that has no letter for `×`, or a path that is no text, is no reason to stop.
            stream.reconfigure(errors="replace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left goes nowhere, or Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command line; return 0 done, 1 ran but the answer is no, 2 a mistake, 130 interrupted."""
    try:
        with one_voice(), warnings_told():
            code = zoo.main(arguments, prog_name="zoo", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except ProcessLost as error:
        # All that are left found it; one of them tells, and at once, because all of them are about to be ended.
        if error.tells:
            say(f"zoo: {error}")
        return error.exit_code
    except ZooError as error:
        return _fail(str(error), error.exit_code)
    except click.NoSuchOption as error:
        return _fail(_no_such_option(error), 2)
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt) as error:
        if silent():
            return 130
        # click hides the interruption, which may tell how to go on, behind its own.
        return _fail(str(error) or str(error.__cause__ or "") or "interrupted", 130)
    except SystemExit:
        # click exits by itself to complete a word; else, because the reader of our output has gone, such as `head`.
        if "_ZOO_COMPLETE" in os.environ:
            raise
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", 2)
    except (MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        return _fail("not enough memory; take a smaller --batch-size, --limit or model, or another --device", 2)


def _fail(message: str, code: int) -> int:
    let_first_speak()
    say(f"zoo: {' '.join(message.split())}")
    return code


def _no_such_option(error: click.NoSuchOption) -> str:
    name, root = error.option_name, zoo.params
    if error.ctx is not None and error.ctx.parent is not None and any(name in param.opts for param in root):
        return f"{name} goes before the command: zoo {name} … {error.ctx.info_name} …"
    return f"no such option: {name}{did_you_mean(name, error.possibilities or ())}"


def _is_memory(error: Exception) -> bool:
    """Whether an error tells that memory ran out; torch's own are RuntimeErrors, some with no class of their own."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or ("memory" in text and ("out of" in text or "alloc" in text))
