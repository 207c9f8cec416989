"""`zoo explain`: the objective as an equation, what the numbers mean, and other libraries' scales."""

from __future__ import annotations

__all__ = ["explain"]

from dataclasses import asdict
from typing import Any

import click

from zoo.cli.completion import complete_model
from zoo.cli.flags import flag_values
from zoo.cli.model_command import ModelCommand
from zoo.cli.session import session
from zoo.cli.terminal import JSON, print_json
from zoo.settings import Layer, resolve


@click.command(cls=ModelCommand)
@click.argument("model", metavar="MODEL[.RECIPE]", shell_complete=complete_model)
@click.option("--pixels", type=click.IntRange(1), default=784, show_default=True, help="Values in one image.")
@JSON
@click.pass_context
def explain(ctx: click.Context, /, model: str, pixels: int, as_json: bool, **flags: Any) -> None:
    """Explain what a model minimises: zoo explain conv-vae --beta 0.11."""
    from zoo import explanation

    registry = session(ctx).registry
    settings = resolve(registry, model, [Layer("command line", flag_values(ctx))])
    found = explanation.explain(registry, settings, pixels)
    if as_json:
        print_json({"model": model, "parts": dict(settings.model.parts), **asdict(found)})
        return
    click.echo(f"{settings.model.name}: {settings.model.summary}\n")
    for role, equation in found.equations.items():
        click.echo(f"  {role:11}{equation}")
    for name, value in found.values.items():
        click.echo(f"  {name:11}= {value}")
    click.echo("\nWhat the numbers mean")
    for line in found.meaning:
        click.echo(f"  {line}")
    for word, meaning in found.glossary.items():
        click.echo(f"  {word:11}{meaning}")
    if found.scales:
        click.echo("\nThe same setting elsewhere")
        for library, text in found.scales.items():
            click.echo(f"  {library:21}{text}")
