"""Student-t posteriors and priors, a loss for them, and models with them."""

from collections.abc import Iterator
from pathlib import Path

from zoo import PartSpec, hookimpl

PAPER = "Kim et al. (2024), arXiv:2312.01133"


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """The posterior, the prior and the loss."""
    yield PartSpec(
        kind="posterior",
        name="student-t",
        summary="Independent Student-t units, with degrees of freedom that are fixed or learned.",
        part="zoo_student.parts:StudentTPosterior",
        options="zoo_student.options:PosteriorOptions",
        equation="q(z|x) = prod_i t(z_i; loc_i(x), scale_i(x), df_i)",
        paper=PAPER,
    )
    yield PartSpec(
        kind="prior",
        name="student-t",
        summary="Independent Student-t units, with tails heavier than a normal's.",
        part="zoo_student.parts:StudentTPrior",
        options="zoo_student.options:PriorOptions",
        equation="p(z) = prod_i t(z_i; 0, scale, df)",
        paper=PAPER,
    )
    yield PartSpec(
        kind="loss",
        name="student-elbo",
        summary="Distortion and a divergence from the prior: the KL at samples, or the power divergence exactly.",
        part="zoo_student.losses:StudentElbo",
        options="zoo_student.options:LossOptions",
        equation="loss = distortion + beta(step) * D,  D = mean_k [log q(z_k|x) - log p(z_k)]"
        " or sum_i (|q_i| - integral q_i (p_i / |p_i|)^gamma) / gamma",
        paper=PAPER,
    )


@hookimpl
def zoo_registry() -> Path:
    """The models."""
    return Path(__file__).with_name("registry.toml")
