"""`zoo fit`: a prior fitted to the codes of a run; its flags are those of the prior that it is given."""

from __future__ import annotations

__all__ = ["fit"]

from typing import Any

import click

from zoo.cli.flags import flag_values
from zoo.cli.model_command import FittedPriorCommand
from zoo.cli.opening import DEVICE, RUN, complete_prior, open_run
from zoo.cli.session import session
from zoo.cli.terminal import JSON, number, print_json, say
from zoo.errors import ZooError
from zoo.specs import FITTED_PRIOR


@click.command(cls=FittedPriorCommand)
@RUN
@click.option(
    "--prior",
    metavar="NAME",
    shell_complete=complete_prior,
    help="The prior to fit; --help after it shows its options.",
)
@click.option("--limit", type=click.IntRange(2), help="Take N of the run's training images.  [default: all]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the codes and of the fit.")
@DEVICE
@JSON
@click.pass_context
def fit(
    ctx: click.Context,
    /,
    run: str,
    prior: str | None,
    limit: int | None,
    seed: int,
    device: str,
    as_json: bool,
    **flags: Any,
) -> None:
    """Fit a prior to the codes of a run's training images, and write it into the run, in the place of an earlier one.

    \b
      zoo fit runs/ae-mnist-1 --prior gmm --components 20
      zoo fit runs/ae-mnist-1 --prior gmm --help
      zoo sample runs/ae-mnist-1 --prior gmm
      zoo evaluate runs/conv-vae-mnist-1 --prior gmm
    """
    opened = open_run(ctx, run)
    registry = session(ctx).registry
    if prior is None:
        there_are = ", ".join(registry.parts[FITTED_PRIOR].names()) if FITTED_PRIOR in registry.parts else "none here"
        raise ZooError(f"which prior? Add --prior NAME (there are {there_are})")
    registry.part(FITTED_PRIOR, prior)
    replaced = opened.prior_file(prior).is_file()
    # Only now, because it imports torch: mistakes above are told at once.
    from zoo.fitting import fit_prior

    say(f"fitting {prior} to the codes of {opened.path}")
    fitted = fit_prior(registry, opened, prior, flag_values(ctx), limit=limit, seed=seed, device=device)
    path, facts = fitted.prior_file(prior), fitted.priors[prior]
    found = facts["log_likelihood"]
    if replaced:
        say(f"replaced the earlier {path}")
    if as_json:
        document = {key: facts[key] for key in ("options", "seed", "codes", "held_out", "log_likelihood")}
        print_json({"run": str(opened.path), "prior": prior, "path": str(path), "replaced": replaced, **document})
        return
    own = f"{number(found['declared'])} of the declared prior '{opened.metadata['parts'].get('prior', '')}'"
    click.echo(
        f"{path}  held-out log-likelihood {number(found['fitted'])} nats per image, against {own}; "
        f"{facts['codes']:,} codes, {facts['held_out']:,} held out"
    )
