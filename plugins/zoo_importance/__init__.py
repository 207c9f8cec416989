"""Importance-weighted bounds and their gradient estimators."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import PartSpec, hookimpl

_TIGHTER = "Rainforth et al. (2018), arXiv:1802.04537"


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """The losses."""
    for name, summary, options, equation, paper in (
        (
            "iwae",
            "The importance-weighted bound of k codes of each image.",
            "IwaeOptions",
            "loss = -L_k = -E_q log 1/k sum_i w_i, w_i = p(x|z_i) p(z_i) / q(z_i|x)",
            "Burda, Grosse & Salakhutdinov (2016), arXiv:1509.00519",
        ),
        (
            "miwae",
            "The mean of the importance-weighted bounds of several groups of codes.",
            "MiwaeOptions",
            "loss = -1/groups sum_g log 1/k sum_i w_gi",
            _TIGHTER,
        ),
        (
            "ciwae",
            "A convex combination of the ELBO and the importance-weighted bound.",
            "CiwaeOptions",
            "loss = -elbo_share * L_1 - (1 - elbo_share) * L_k",
            _TIGHTER,
        ),
        (
            "piwae",
            "Decoder and prior by the bound of all codes, the encoder by that of groups.",
            "MiwaeOptions",
            "loss = -L_(groups * k); the encoder's gradient is that of miwae",
            _TIGHTER,
        ),
    ):
        yield PartSpec(
            kind="loss",
            name=name,
            summary=summary,
            part=f"zoo_importance.bounds:{name.title()}",
            options=f"zoo_importance.options:{options}",
            equation=equation,
            paper=paper,
        )
