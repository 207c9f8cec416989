"""The flags of commands that train many runs."""

from __future__ import annotations

__all__ = ["SIDE_BY_SIDE"]

import click

from zoo.many.choice import WAYS

SIDE_BY_SIDE = click.option(
    "--side-by-side",
    type=click.Choice(WAYS),
    default="auto",
    help="How several runs are trained: what is faster, one after another, in processes of their own, or all in one "
    "vectorised step.  [default: auto]",
)
