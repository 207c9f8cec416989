"""Flows: posteriors whose density comes with the draw, and models that tell the density of pixels exactly."""

from __future__ import annotations

__all__: list[str] = []

from collections.abc import Iterator

from zoo import CompositionSpec, PartSpec, Role, hookimpl


@hookimpl
def zoo_parts() -> Iterator[PartSpec]:
    """Posteriors, and the parts of a density over pixels."""
    yield from _posteriors()
    yield PartSpec(
        kind="pixels",
        name="logit",
        summary="Dequantised pixels on the real line, by the logit.",
        part="zoo_flows.pixels:Logit",
        options="zoo_flows.options:LogitOptions",
        equation="h = logit(alpha + (1 - 2 alpha) (255 x + u) / 256),  u ~ U(0, 1)",
        paper="Papamakarios, Pavlakou & Murray (2017), arXiv:1705.07057",
    )
    yield PartSpec(
        kind="flow",
        name="realnvp",
        summary="A triangular linear map, then affine couplings that move one half of the values each.",
        part="zoo_flows.realnvp:RealNvp",
        options="zoo_flows.options:RealNvpOptions",
        equation="loss = -log p(x) = -log N(f(h); 0, 1) - log |det df/dh| - log |det dh/dx|",
        paper="Dinh, Sohl-Dickstein & Bengio (2017), arXiv:1605.08803",
    )


@hookimpl
def zoo_compositions() -> list[CompositionSpec]:
    """The density."""
    return [
        CompositionSpec(
            name="density",
            summary="A map from pixels to real numbers, and a flow: an exact likelihood.",
            model="zoo_flows.density:Density",
            roles=(
                Role(name="pixels", kind="pixels", default="logit"),
                Role(name="flow", kind="flow", needs=("pixels",)),
            ),
        )
    ]


def _posteriors() -> Iterator[PartSpec]:
    yield PartSpec(
        kind="posterior",
        name="iaf",
        summary="A normal pushed through autoregressive steps that read the image.",
        part="zoo_flows.iaf:IafPosterior",
        options="zoo_flows.options:IafOptions",
        equation="z_i <- scale_i(z_<i, x) z_i + shift_i(z_<i, x);  "
        "log q(z|x) = log q0(z0|x) - sum_steps sum_i log scale_i",
        paper="Kingma et al. (2016), arXiv:1606.04934",
    )
    yield PartSpec(
        kind="posterior",
        name="planar",
        summary="A normal pushed through steps along one direction each.",
        part="zoo_flows.planar:PlanarPosterior",
        options="zoo_flows.options:PlanarOptions",
        equation="z <- z + v(x) tanh(w(x)'z + b(x));  log q(z|x) = log q0(z0|x) - sum_steps log |1 + (1 - tanh^2) w'v|",
        paper="Rezende & Mohamed (2015), arXiv:1505.05770",
    )
    yield PartSpec(
        kind="posterior",
        name="sylvester",
        summary="A normal pushed through steps along as many directions as the code has, by Householder reflections.",
        part="zoo_flows.sylvester:SylvesterPosterior",
        options="zoo_flows.options:SylvesterOptions",
        equation="z <- z + Q(x) R(x) tanh(R~(x) Q(x)'z + b(x));  "
        "log q(z|x) = log q0(z0|x) - sum_steps sum_i log(1 + (1 - tanh_i^2) R_ii R~_ii)",
        paper="van den Berg et al. (2018), arXiv:1803.05649",
    )
