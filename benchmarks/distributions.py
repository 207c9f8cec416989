"""Cost of the distributions in one training step: ours against torch.distributions.

    python benchmarks/distributions.py [--rounds 7] [--repeats 300]

A step here is what the ELBO asks of a normal posterior, a normal prior and a pixel likelihood: a reparameterised
sample, a closed-form KL, a log-likelihood, and their gradients, for 128 latents of 16 units and 784 pixels. No network
is in it, so the figures are the distributions alone. Rounds alternate; the median is what counts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from measuring import in_turn, parser, prepare, save, spread, timed
from torch import Tensor
from torch import distributions as td

from zoo.distributions import Bernoulli, Normal, kl


def ours(mean: Tensor, logvar: Tensor, logits: Tensor, x: Tensor) -> Tensor:
    """One step with the zoo's classes."""
    q = Normal(mean, torch.exp(0.5 * logvar))
    p = Normal(torch.zeros(16, device=x.device), torch.ones(16, device=x.device))
    z = q.rsample()
    return (kl(q, p, z) - Bernoulli(logits).log_prob(x) + z.sum(-1)).mean()


def torchs(mean: Tensor, logvar: Tensor, logits: Tensor, x: Tensor) -> Tensor:
    """One step with torch's, arguments not validated."""
    q = td.Independent(td.Normal(mean, torch.exp(0.5 * logvar), validate_args=False), 1, validate_args=False)
    zeros, ones = torch.zeros(16, device=x.device), torch.ones(16, device=x.device)
    p = td.Independent(td.Normal(zeros, ones, validate_args=False), 1, validate_args=False)
    z = q.rsample()
    likelihood = td.Independent(td.Bernoulli(logits=logits, validate_args=False), 3, validate_args=False)
    return (td.kl_divergence(q, p) - likelihood.log_prob(x) + z.sum(-1)).mean()


def microseconds(step: Callable[..., Tensor], repeats: int, device: str) -> float:
    """Time one step and its gradients."""
    with torch.device(device):
        mean, logvar = torch.randn(128, 16, requires_grad=True), torch.zeros(128, 16, requires_grad=True)
        logits, x = torch.randn(128, 1, 28, 28, requires_grad=True), torch.rand(128, 1, 28, 28)

    def repeat() -> None:
        for _ in range(repeats):
            torch.autograd.grad(step(mean, logvar, logits, x), (mean, logvar, logits))

    return 1e6 * timed(repeat, device) / repeats


def main() -> None:
    """Take the figures in turn, and write them."""
    made = parser(__doc__, rounds=7)
    made.add_argument("--repeats", type=int, default=300, help="steps of a round (default 300)")
    options = made.parse_args()
    prepare(options)
    steps = {"zoo": ours, "torch.distributions": torchs}
    size = (options.repeats, options.device)
    turns = {name: partial(microseconds, step, *size) for name, step in steps.items()}
    found = in_turn(turns, options.rounds, warm_up=1)
    save("distributions", options, {"microseconds_of_a_step": {name: spread(each) for name, each in found.items()}})


if __name__ == "__main__":
    main()
