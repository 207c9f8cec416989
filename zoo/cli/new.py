"""`zoo new`: a plugin to begin with, that works as it stands."""

from __future__ import annotations

__all__ = ["new"]

import shlex
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from zoo.cli.session import session
from zoo.cli.terminal import counted, say
from zoo.errors import ZooError
from zoo.scaffold import kinds, licenses

if TYPE_CHECKING:
    from zoo.scaffold.names import Names


@click.command()
@click.argument("name")
@click.option(
    "--part",
    type=click.Choice(list(kinds.KINDS)),
    default=kinds.DEFAULT,
    show_default=True,
    help="What it brings; with most, a model that has it.",
)
@click.option("--one-file", is_flag=True, help="Write one file for 'zoo --plugin' instead of a package.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write into.  [default: zoo-<NAME>; the file goes here]"
)
@click.option(
    "--license", type=click.Choice(list(licenses.LICENSES)), help=f"Its licence.  [default: {licenses.DEFAULT}]"
)
@click.option("--author", metavar="TEXT", help="Whose it is.  [default: git's user.name]")
@click.pass_context
def new(
    ctx: click.Context,
    /,
    name: str,
    part: str,
    one_file: bool,
    out: Path | None,
    license: str | None,
    author: str | None,
) -> None:
    """Write a plugin that works as it stands, to be changed: a package with tests, or one file.

    \b
      zoo new my-vae
      zoo new my-prior --part prior --license mit
      zoo new my-vae --one-file
    """
    from zoo.scaffold.names import check_free, read_name
    from zoo.scaffold.place import check_empty, write_files

    names, kind = read_name(name), kinds.KINDS[part]
    if one_file and (license or author):
        raise ZooError("--one-file writes no licence and no author; leave --license and --author out")
    folder = out or Path("." if one_file else names.distribution)
    files = _one_file(names, kind) if one_file else _package(names, kind, author, license or licenses.DEFAULT)
    check_empty(folder, files, alone=not one_file)
    classes = [names.class_name(suffix) for suffix in kind.classes]
    check_free(session(ctx).registry, names, names.module if one_file else names.package, classes)
    write_files(folder, files)
    say(f"wrote {folder / min(files)}" if one_file else f"wrote {counted(len(files), 'file')} into {folder}; next:")
    for command in _next(names, kind, folder, one_file):
        click.echo(command)


def _one_file(names: Names, kind: kinds.Kind) -> Mapping[PurePosixPath, str]:
    from zoo.scaffold.render import single_file

    return single_file(names, kind)


def _package(names: Names, kind: kinds.Kind, author: str | None, license: str) -> Mapping[PurePosixPath, str]:
    from zoo.scaffold.author import PLACEHOLDER, find_author
    from zoo.scaffold.render import package_files

    found = find_author(author)
    if found == PLACEHOLDER and license != licenses.NONE:
        say(f"NOTE: neither --author nor git's user.name says whose it is; put it where '{PLACEHOLDER}' stands")
    return package_files(names, kind, found, license)


def _next(names: Names, kind: kinds.Kind, folder: Path, one_file: bool) -> list[str]:
    """Return three commands to go on with."""
    if one_file:
        path = shlex.quote(str(folder / f"{names.module}.py"))
        return [f"zoo --plugin {path} plugins", kind.command(names, f"zoo --plugin {path}"), f"zoo check {path}"]
    # With a dot, or pip takes it for the name of a distribution.
    where = str(folder) if folder.is_absolute() else f"./{folder}"
    return [
        f"pip install --editable {shlex.quote(f'{where}[test]')}",
        kind.command(names),
        f"pytest {shlex.quote(str(folder))}",
    ]
