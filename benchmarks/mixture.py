"""Cost of the density of a mixture of normals in one training step: products of matrices against pairs.

    python benchmarks/mixture.py [--rounds 7] [--repeats 20] [--components 500] [--units 20]

Both give log p(z) of 128 codes and its gradients to the components: once as the zoo computes it, once as a log-density
of every pair of code and component, unit by unit. Rounds alternate; the median is what counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch
from torch import Tensor

from zoo.distributions import Factorised, Normal


def products(q: Normal, z: Tensor) -> Tensor:
    """As the zoo does it."""
    return q.log_prob_of_each(z)


def pairs(q: Normal, z: Tensor) -> Tensor:
    """Unit by unit, for every pair."""
    return Factorised.log_prob_of_each(q, z)


def milliseconds(log_prob: object, components: int, units: int, repeats: int) -> float:
    """Time one step and its gradients."""
    assert callable(log_prob)
    loc, logvar = torch.randn(components, units, requires_grad=True), torch.zeros(components, units, requires_grad=True)
    z = torch.randn(128, units)
    started = time.perf_counter()
    for _ in range(repeats):
        loss = log_prob(Normal(loc, torch.exp(0.5 * logvar)), z).logsumexp(-1).mean()
        torch.autograd.grad(loss, (loc, logvar))
    return 1e3 * (time.perf_counter() - started) / repeats


def main() -> None:
    """Take the figures in turn, and print them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--components", type=int, default=500)
    parser.add_argument("--units", type=int, default=20)
    options = parser.parse_args()
    figures: dict[str, list[float]] = {"products": [], "pairs": []}
    for _ in range(options.rounds):
        for name, log_prob in (("products", products), ("pairs", pairs)):
            figures[name].append(milliseconds(log_prob, options.components, options.units, options.repeats))
    median = {name: statistics.median(values) for name, values in figures.items()}
    print(json.dumps({"milliseconds a step": figures, "median": median, "torch": torch.__version__}, indent=2))


if __name__ == "__main__":
    main()
