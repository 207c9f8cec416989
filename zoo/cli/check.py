"""`zoo check`: the conformance kit with a report for people."""

from __future__ import annotations

__all__ = ["check"]

import sys
from collections import Counter
from contextlib import redirect_stdout
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.session import session
from zoo.cli.terminal import JSON, counted, print_json
from zoo.errors import ZooError, did_you_mean

if TYPE_CHECKING:
    from zoo.registry import Registry
    from zoo.testing.check import Outcome, Trial

_SIGNS = {"passed": "✓", "failed": "✗", "expected": "✓", "not-applicable": "–"}
_COLOURS = {"passed": "green", "failed": "red", "expected": "yellow", "not-applicable": None}


@click.command()
@click.argument("what", metavar="NAME|PATH|all")
@click.option("--only", metavar="CHECK", multiple=True, help="Make this check alone; may be given more than once.")
@JSON
@click.pass_context
def check(ctx: click.Context, /, what: str, only: tuple[str, ...], as_json: bool) -> int:
    """Check that a model or a plugin keeps what the zoo promises of it.

    NAME is a model, a plugin or a distribution, PATH a one-file plugin or a folder with a pyproject.toml.

    \b
      zoo check conv-vae
      zoo check ./my_model.py
      zoo check ./zoo-my-vae --only loss-falls
    """
    trials = _chosen(_trials(session(ctx).registry, what), only)
    if not trials:
        raise ZooError(f"{what} brings nothing to check; see 'zoo plugins'")
    outcomes = []
    for thing, group in groupby(trials, key=lambda trial: trial.thing):
        if not as_json:
            click.echo(thing)
        for trial in group:
            # What a plugin prints must not mix with the report.
            with redirect_stdout(sys.stderr):
                outcome = trial.run()
            outcomes.append(outcome)
            if not as_json:
                _print(outcome)
    count = Counter[str](outcome.status for outcome in outcomes)
    passed = not count["failed"]
    line = _line(outcomes) if passed and not only else ""
    if as_json:
        print_json({"passed": passed, "readme": line or None, "checks": [_row(outcome) for outcome in outcomes]})
    else:
        _print_end(count, sum(outcome.seconds for outcome in outcomes), line)
    return 0 if passed else 1


def _trials(registry: Registry, what: str) -> list[Trial]:
    from zoo.testing.collection import collect
    from zoo.testing.models.checks import trials_of_model
    from zoo.testing.selection import select, select_all

    if what == "all":
        return collect(select_all(registry), {})
    path = Path(what)
    if "/" in what or path.suffix == ".py":
        if not path.exists():
            raise ZooError(f"{what}: there is no such file or folder")
        return collect(select(path), {})
    if what in registry.models:
        return list(trials_of_model(registry, what))
    try:
        return collect(select(what, registry), {})
    except ZooError as error:
        near = did_you_mean(what, registry.models.names())
        raise ZooError(f"no model is called '{what}'{near}, and {error}") from None


def _chosen(trials: list[Trial], only: tuple[str, ...]) -> list[Trial]:
    names = {trial.name for trial in trials}
    for name in only:
        if name not in names:
            raise ZooError(f"--only {name}: no check is called so{did_you_mean(name, names)}")
    return [trial for trial in trials if not only or trial.name in only]


def _print(outcome: Outcome) -> None:
    sign = click.style(_SIGNS[outcome.status], fg=_COLOURS[outcome.status])
    told = outcome.sentence.removeprefix(f"{outcome.trial.thing}: ")
    time = f"  {outcome.seconds:.1f} s" if outcome.seconds >= 0.1 else ""
    click.echo(f"  {sign} {outcome.trial.name}{': ' if told else ''}{told}{time}")


def _print_end(count: Counter[str], seconds: float, line: str) -> None:
    others = f", {count['not-applicable']} do not apply" if count["not-applicable"] else ""
    told = f"{counted(sum(count.values()), 'check')}: {count['passed']} passed, {count['failed']} failed{others}"
    click.echo(f"\n{told}, in {seconds:.1f} s")
    if line:
        click.echo(f"\nFor the README:\n\n{line}")


def _line(outcomes: list[Outcome]) -> str:
    """Return what a plugin whose checks all passed may say of itself."""
    from zoo import __version__
    from zoo.specs import API

    made = sum(outcome.status == "passed" for outcome in outcomes)
    return f"Conforms to plugin API {API} of `generative-zoo`: {counted(made, 'check')} of zoo {__version__} passed."


def _row(outcome: Outcome) -> dict[str, Any]:
    trial = outcome.trial
    return {
        "thing": trial.thing,
        "group": trial.group,
        "check": trial.name,
        "status": outcome.status,
        "sentence": outcome.sentence,
        "seconds": round(outcome.seconds, 3),
    }
