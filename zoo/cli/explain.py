"""`zoo explain`: the objective as an equation, what the numbers mean, and other libraries' scales."""

from __future__ import annotations

__all__ = ["explain"]

from dataclasses import asdict
from typing import Any

import click

from zoo.cli.terminal import print_json
from zoo.cli.train import ModelCommand, flag_values
from zoo.errors import ZooError
from zoo.settings import Layer, resolve


@click.command(cls=ModelCommand)
@click.argument("model", metavar="MODEL[.RECIPE]")
@click.option("--pixels", type=click.IntRange(1), default=784, show_default=True, help="Values in one image.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def explain(ctx: click.Context, model: str, pixels: int, as_json: bool, **flags: Any) -> None:
    """Explain what a model minimises: zoo explain conv-vae --beta 0.11."""
    from zoo import explanation

    if not model:
        raise ZooError("which model? Name one, such as 'zoo explain conv-vae'")
    settings = resolve(ctx.obj.registry, model, [Layer("command line", flag_values(ctx))])
    found = explanation.explain(ctx.obj.registry, settings, pixels)
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
    for word, meaning in explanation.GLOSSARY.items():
        click.echo(f"  {word:11}{meaning}")
    if found.scales:
        click.echo("\nThe same setting elsewhere")
        for library, text in found.scales.items():
            click.echo(f"  {library:21}{text}")
