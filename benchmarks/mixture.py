"""Cost of the density of a mixture of normals in one training step: products of matrices against pairs.

    python benchmarks/mixture.py [--rounds 7] [--repeats 20] [--components 500] [--units 20]

Both give log p(z) of 128 codes and its gradients to the components: once as the zoo computes it, once as a log-density
of every pair of code and component, unit by unit. Rounds alternate; the median is what counts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from measuring import in_turn, parser, prepare, save, spread, timed
from torch import Tensor

from zoo.distributions import Factorised, Normal

LogProb = Callable[[Normal, Tensor], Tensor]


def products(q: Normal, z: Tensor) -> Tensor:
    """As the zoo does it."""
    return q.log_prob_of_each(z)


def pairs(q: Normal, z: Tensor) -> Tensor:
    """Unit by unit, for every pair."""
    return Factorised.log_prob_of_each(q, z)


def milliseconds(log_prob: LogProb, components: int, units: int, repeats: int, device: str) -> float:
    """Time one step and its gradients."""
    with torch.device(device):
        loc = torch.randn(components, units, requires_grad=True)
        logvar = torch.zeros(components, units, requires_grad=True)
        z = torch.randn(128, units)

    def repeat() -> None:
        for _ in range(repeats):
            loss = log_prob(Normal(loc, torch.exp(0.5 * logvar)), z).logsumexp(-1).mean()
            torch.autograd.grad(loss, (loc, logvar))

    return 1e3 * timed(repeat, device) / repeats


def main() -> None:
    """Take the figures in turn, and write them."""
    made = parser(__doc__, rounds=7)
    made.add_argument("--repeats", type=int, default=20, help="steps of a round (default 20)")
    made.add_argument("--components", type=int, default=500, help="of the mixture (default 500)")
    made.add_argument("--units", type=int, default=20, help="of a code (default 20)")
    options = made.parse_args()
    prepare(options)
    sizes = (options.components, options.units, options.repeats, options.device)
    ways = {"products": products, "pairs": pairs}
    found = in_turn({name: partial(milliseconds, way, *sizes) for name, way in ways.items()}, options.rounds, 1)
    save("mixture", options, {"milliseconds_of_a_step": {name: spread(each) for name, each in found.items()}})


if __name__ == "__main__":
    main()
