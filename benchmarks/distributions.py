"""Cost of the distributions in one training step: ours against torch.distributions.

    python benchmarks/distributions.py [--rounds 7] [--repeats 300]

A step here is what the ELBO asks of a normal posterior, a normal prior and a pixel likelihood: a reparameterised
sample, a closed-form KL, a log-likelihood, and their gradients, for 128 latents of 16 units and 784 pixels. No network
is in it, so the figures are the distributions alone. Rounds alternate; the median is what counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch import distributions as td

from zoo.distributions import Bernoulli, Normal, kl


def ours(mean: Tensor, logvar: Tensor, logits: Tensor, x: Tensor) -> Tensor:
    """One step with the zoo's classes."""
    q = Normal(mean, torch.exp(0.5 * logvar))
    p = Normal(torch.zeros(16), torch.ones(16))
    z = q.rsample()
    return (kl(q, p, z) - Bernoulli(logits).log_prob(x) + z.sum(-1)).mean()


def torchs(mean: Tensor, logvar: Tensor, logits: Tensor, x: Tensor) -> Tensor:
    """One step with torch's, arguments not validated."""
    q = td.Independent(td.Normal(mean, torch.exp(0.5 * logvar), validate_args=False), 1, validate_args=False)
    p = td.Independent(td.Normal(torch.zeros(16), torch.ones(16), validate_args=False), 1, validate_args=False)
    z = q.rsample()
    likelihood = td.Independent(td.Bernoulli(logits=logits, validate_args=False), 3, validate_args=False)
    return (td.kl_divergence(q, p) - likelihood.log_prob(x) + z.sum(-1)).mean()


def microseconds(step: Callable[..., Tensor], repeats: int) -> float:
    """Time one step and its gradients."""
    mean, logvar = torch.randn(128, 16, requires_grad=True), torch.zeros(128, 16, requires_grad=True)
    logits, x = torch.randn(128, 1, 28, 28, requires_grad=True), torch.rand(128, 1, 28, 28)
    started = time.perf_counter()
    for _ in range(repeats):
        torch.autograd.grad(step(mean, logvar, logits, x), (mean, logvar, logits))
    return 1e6 * (time.perf_counter() - started) / repeats


def main() -> None:
    """Take the figures in turn, and print them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=300)
    arguments = parser.parse_args()
    figures: dict[str, list[float]] = {"zoo": [], "torch.distributions": []}
    for _ in range(arguments.rounds):
        figures["zoo"].append(microseconds(ours, arguments.repeats))
        figures["torch.distributions"].append(microseconds(torchs, arguments.repeats))
    median = {name: statistics.median(values) for name, values in figures.items()}
    print(json.dumps({"microseconds a step": figures, "median": median, "torch": torch.__version__}, indent=2))


if __name__ == "__main__":
    main()
