"""Several groups of latents: the ladder VAE and the two-layer model of the importance-weighted autoencoder."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import PartSpec, hookimpl

_LADDER = "Sønderby et al. (2016), arXiv:1602.02282"
_BURDA = "Burda et al. (2016), arXiv:1509.00519"


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """Posteriors and priors."""
    yield PartSpec(
        kind="posterior",
        name="ladder",
        summary="Groups from the top down, the image's word merged with the prior's by precision.",
        part="zoo_hierarchy.posteriors:LadderPosterior",
        options="zoo_hierarchy.options:GroupOptions",
        equation="q(z|x) = q(z_L|x) prod_l q(z_l|z_{l+1}, x), q(z_l|z_{l+1}, x) ~ N(m_l(x), v_l(x)) p(z_l|z_{l+1})",
        paper=_LADDER,
    )
    yield PartSpec(
        kind="posterior",
        name="bottom-up",
        summary="Groups from the image upwards, each given the one below.",
        part="zoo_hierarchy.posteriors:BottomUpPosterior",
        options="zoo_hierarchy.options:GroupOptions",
        equation="q(z|x) = q(z_1|x) prod_l q(z_{l+1}|z_l)",
        paper=_BURDA,
    )
    yield PartSpec(
        kind="prior",
        name="ladder",
        summary="Groups from the top down, by the nets of the ladder posterior.",
        part="zoo_hierarchy.priors:LadderPrior",
        equation="p(z) = N(z_L; 0, 1) prod_l p(z_l|z_{l+1})",
        paper=_LADDER,
    )
    yield PartSpec(
        kind="prior",
        name="top-down",
        summary="Groups from the top down, by nets of its own.",
        part="zoo_hierarchy.priors:TopDownPrior",
        options="zoo_hierarchy.options:BetweenOptions",
        equation="p(z) = N(z_L; 0, 1) prod_l p(z_l|z_{l+1})",
        paper=_BURDA,
    )
