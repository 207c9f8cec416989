"""Checks of every part: that it fits and learns; and of networks: what comes out of them."""

from __future__ import annotations

__all__ = [
    "eval_mode_is_deterministic",
    "fits_a_model",
    "gradients_reach_parameters",
    "gradients_reach_the_input",
    "images_are_mapped_alone",
    "out_shape_is_what_comes_out",
]

import torch
from torch import Tensor

from zoo.distributions import Distribution
from zoo.errors import ZooError, one_line
from zoo.interfaces import Likelihood, Network, Step
from zoo.testing.check import Failed, NotApplicable, require
from zoo.testing.parts.home import PartHome
from zoo.testing.parts.places import Home, Placed, handed

_SHAPES = ((1, 13, 9), (3, 16, 11))


def fits_a_model(case: PartHome) -> None:
    """It is what its kind asks for, and can be put into a model."""
    case.build(case.settings)


def gradients_reach_parameters(case: Home) -> None:
    """Every parameter of the part gets a finite gradient from the loss of a model, or from an adversary's."""
    placed = case.placed()
    placed.model.train()
    batch = placed.batch(8)
    with torch.no_grad():
        placed.model.prepare(batch)
    own = {name: weight for name, weight in placed.part.named_parameters() if weight.requires_grad}
    if not own:
        raise NotApplicable("it has no parameters")
    terms = placed.model.loss(batch, Step.of(1000, 10, 1))
    slopes: dict[str, list[Tensor]] = {name: [] for name in own}
    for value in (terms.loss, *terms.adversaries.values()):
        found = torch.autograd.grad(value, list(own.values()), allow_unused=True, retain_graph=True)
        for name, slope in zip(own, found, strict=True):
            slopes[name] += [slope] if slope is not None else []
    idle = [name for name, each in slopes.items() if not each]
    require(not idle, f"no gradient reaches {', '.join(idle)}; use them, or keep them as buffers")
    broken = [name for name, each in slopes.items() if not all(bool(slope.isfinite().all()) for slope in each)]
    require(not broken, f"the gradient of {', '.join(broken)} is not finite")


@torch.no_grad()
def eval_mode_is_deterministic(case: Home) -> None:
    """In eval mode the part gives the same for the same, and moves none of its buffers."""
    placed = case.placed()
    given = _input(placed)
    before = {name: value.clone() for name, value in placed.part.state_dict().items()}
    first, second = (_tensors(placed.part(*given)) for _ in range(2))
    if not first:
        raise NotApplicable("it returns no tensors")
    require(
        all(one.equal(other) for one, other in zip(first, second, strict=True)),
        "in eval mode it gives something else the second time",
    )
    moved = [name for name, value in placed.part.state_dict().items() if not value.equal(before[name])]
    require(not moved, f"in eval mode it moves {', '.join(moved)}")


@torch.no_grad()
def out_shape_is_what_comes_out(case: Home) -> None:
    """`out_shape` is the shape that comes out, for images of any size, grey and in colour."""
    for shape in ((1, 12, 12), *_SHAPES):
        words = "×".join(map(str, shape))
        try:
            placed = case.placed(shape=shape)
        except NotApplicable:
            raise
        except Exception as error:
            told = error if isinstance(error, ZooError) else one_line(error)
            raise Failed(f"does not take images of {words}: {told}") from error
        network = placed.part
        assert isinstance(network, Network), "the check fits-a-model tells of others"
        if case.kind == "decoder":
            likelihood = placed.of_kind("likelihood")
            values = likelihood.values_per_pixel if isinstance(likelihood, Likelihood) else 1
            said, right = tuple(network.out_shape), (values * shape[0], *shape[1:])
            require(said == right, f"its out_shape is {said}, not {right}")
        for count in (1, 4):
            (x,) = _input(placed, count)
            found = tuple(network(x).shape)
            wanted = (count, *network.out_shape)
            require(found == wanted, f"gives {found} for {count} images of {words}, where out_shape says {wanted}")


@torch.no_grad()
def images_are_mapped_alone(case: Home) -> None:
    """In eval mode what comes out for an image does not depend on the others of its batch."""
    placed = case.placed(rough=True)
    (x,) = _input(placed, 5)
    together, alone = placed.part(x), torch.cat([placed.part(one) for one in torch.split(x, 1)])
    require(
        torch.allclose(alone, together, rtol=1e-6, atol=1e-8),
        "in eval mode what it gives for an image depends on the others of its batch",
    )


def gradients_reach_the_input(case: Home) -> None:
    """Gradients go through the network to what it is handed."""
    placed = case.placed(rough=True)
    (x,) = _input(placed, 4)
    x = x.detach().requires_grad_()
    values = placed.part(x)
    (slope,) = torch.autograd.grad((values * torch.randn_like(values)).sum(), x, allow_unused=True)
    require(slope is not None and bool(slope.any()), "no gradient reaches what it is handed")
    require(bool(slope.isfinite().all()), "the gradient of what it is handed is not finite")


def _input(placed: Placed, count: int = 4) -> tuple[Tensor, ...]:
    """Return what the part is handed when its model looks at images."""
    batch = placed.batch(count)
    step = Step.of(1000, 10, 1)
    return handed(placed.part, lambda: placed.model.loss(batch, step))


def _tensors(value: object) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Distribution):
        return [value.point]
    return [each for each in value if isinstance(each, Tensor)] if isinstance(value, tuple) else []
