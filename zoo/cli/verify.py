"""`zoo verify`: what the registry says was verified, trained again."""

from __future__ import annotations

__all__ = ["verify"]

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.completion import complete_model
from zoo.cli.flags import flag_values
from zoo.cli.session import Session, session
from zoo.cli.terminal import DASH, JSON, counted, number, print_json, print_table, say
from zoo.cli.train import name_and_layers, train
from zoo.errors import Interrupted, ZooError
from zoo.settings import Settings, resolve
from zoo.training.options import TrainOptions, parse_duration

if TYPE_CHECKING:
    from zoo.registry import Registry
    from zoo.verification import Outcome
    from zoo.verified import Verified

QUICK = "5m"
Claim = tuple[str, "Verified"]


@click.command()
@click.argument("model", metavar="[MODEL]", required=False, shell_complete=complete_model)
@click.option("--list", "listed", is_flag=True, help="Show what there is, with its cost, and train nothing.")
@click.option("--quick", is_flag=True, help=f"The same as --max-cost {QUICK}.")
@click.option("--max-cost", metavar="TIME", help="Leave out what is known to take longer, or whose cost is not known.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder; what was begun there goes on.  [default: verify/<N>]"
)
@JSON
@click.pass_context
def verify(
    ctx: click.Context,
    /,
    model: str | None,
    listed: bool,
    quick: bool,
    max_cost: str | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Train again what the registry says was verified, of all models or of one, and tell what is as it says.

    The exit code is 1 if a score is outside its tolerance. What cannot be run here is skipped and counted.

    \b
      zoo verify --list
      zoo verify linear-ae
      zoo verify --max-cost 10m
    """
    registry = session(ctx).registry
    claims = _claims(registry, model)
    if listed:
        _list(claims, as_json)
        return 0
    limit = _limit(quick, max_cost)
    folder = out if out is not None else _new_folder()
    try:
        outcomes = [_run_one(session(ctx), name, verified, folder, limit) for name, verified in claims]
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted and saved in {folder}; go on with 'zoo verify --out {folder}'") from None
    if as_json:
        print_json([_document(*claim, outcome) for claim, outcome in zip(claims, outcomes, strict=True)])
    else:
        _show(claims, outcomes)
    return 1 if any(outcome.verdict == "fail" for outcome in outcomes) else 0


def _claims(registry: Registry, model: str | None) -> list[Claim]:
    """Return what was verified, of every model or of one."""
    if model is not None:
        found = [(model, one) for one in registry.model(model).results.values()]
        if not found:
            raise ZooError(f"nothing of '{model}' was verified; 'zoo verify --list' shows what was")
        return found
    return [(entry.name, one) for entry in registry.models.entries() for one in entry.item.results.values()]


def _limit(quick: bool, max_cost: str | None) -> float | None:
    if quick and max_cost is not None:
        raise ZooError(f"--quick is --max-cost {QUICK}; leave one of them out")
    text = QUICK if quick else max_cost
    try:
        return parse_duration(text) if text is not None else None
    except ZooError:
        raise ZooError(f"--max-cost must be a time such as 90s, 5m or 2h, got '{text}'") from None


def _new_folder() -> Path:
    number = 1
    while (path := Path("verify") / str(number)).exists():
        number += 1
    return path


def settings_of(found: Session, command: str) -> Settings:
    """Return what a `zoo train` command means, read as the command line reads it.

    Raises:
        ZooError: If the command line would refuse it, or it takes a run that this machine need not have.
    """
    parent = click.Context(click.Group("zoo"), obj=found)
    try:
        words = shlex.split(command)[2:]
        context = train.make_context("train", words, parent=parent)
    except click.ClickException as error:
        raise ZooError(error.format_message()) from None
    except ValueError as error:
        raise ZooError(f"'{command}' is no command: {error}") from None
    given = context.params
    if given["resume"] is not None or given["config"] is not None or len(given["models"]) != 1:
        raise ZooError(f"'{command}' must name one model, and its settings by flags alone")
    values = {**flag_values(context), **({"data": given["data"]} if given["data"] is not None else {})}
    return resolve(found.registry, *name_and_layers(found.registry, given["models"][0], None, values))


def _run_one(found: Session, name: str, verified: Verified, folder: Path, limit: float | None) -> Outcome:
    from zoo.cli.progress import watch
    from zoo.verification import Outcome, verify_one

    if limit is not None and (verified.seconds is None or verified.seconds > limit):
        cost = "its cost is not known" if verified.seconds is None else f"it takes about {_cost(verified)}"
        return Outcome(skipped=cost)
    say(f"{name} on {verified.name}: {verified.command}")
    try:
        settings = settings_of(found, verified.command)
        if settings.training.seed not in (TrainOptions().seed, verified.seed):
            raise ZooError(f"its command has seed {settings.training.seed}, and its seed is {verified.seed}")
    except ZooError as error:
        return Outcome(error=str(error))
    where = folder / f"{name}-{verified.name}"
    return verify_one(found.registry, verified, settings, where, watch(), verified.command)


def _cost(verified: Verified) -> str:
    if verified.seconds is None:
        return DASH
    return f"{verified.seconds:.0f} s" if verified.seconds < 100 else f"{verified.seconds / 60:.0f} min"


def _list(claims: list[Claim], as_json: bool) -> None:
    if as_json:
        print_json([{"model": name, **verified.to_dict()} for name, verified in claims])
        return
    rows = [
        [
            name,
            verified.name,
            ", ".join(f"{score} {stated}" for score, stated in verified.scores.items()),
            _cost(verified),
            "yes" if verified.gpu else "",
            verified.command,
        ]
        for name, verified in claims
    ]
    print_table(("model", "on", "scores", "cost", "GPU", "command"), rows, right=(3,))


def _document(name: str, verified: Verified, outcome: Outcome) -> dict[str, Any]:
    return {
        "model": name,
        "name": verified.name,
        "command": verified.command,
        "seed": verified.seed,
        "verdict": outcome.verdict,
        "scores": {
            check.score: {
                "stated": check.stated.aim,
                "tolerance": check.stated.tolerance,
                "measured": check.measured,
                "passed": check.passed,
            }
            for check in outcome.checks
        },
        "run": str(outcome.run.path) if outcome.run is not None else None,
        "seconds": round(outcome.seconds, 1),
        "skipped": outcome.skipped,
        "error": outcome.error,
    }


def _show(claims: list[Claim], outcomes: list[Outcome]) -> None:
    rows = [
        [
            name,
            verified.name,
            check.score,
            str(check.stated),
            number(check.measured),
            "pass" if check.passed else "FAIL",
        ]
        for (name, verified), outcome in zip(claims, outcomes, strict=True)
        for check in outcome.checks
    ]
    if rows:
        print_table(("model", "on", "score", "stated", "measured", "verdict"), rows, right=(3, 4))
    for (name, verified), outcome in zip(claims, outcomes, strict=True):
        if outcome.skipped:
            say(f"{name} on {verified.name}: skipped, {outcome.skipped}")
        if outcome.error:
            say(f"{name} on {verified.name}: FAIL, {outcome.error}")
    verdicts = [outcome.verdict for outcome in outcomes]
    say(
        f"{counted(verdicts.count('pass'), 'result')} passed, {verdicts.count('fail')} failed, "
        f"{verdicts.count('skipped')} skipped"
    )
