"""That contestants compute the same: loss, mean images and gradients on one batch, from one set of weights."""

from __future__ import annotations

__all__ = ["TOLERANCE", "Reference", "check", "read_reference", "reference_of", "write_reference"]

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from nets import NETS, Vae
from safetensors.torch import load_file, save_file
from torch import Tensor

TOLERANCE = 1e-4
"""The largest relative difference of a loss, of mean images, or of the gradient of one weight, by their norms."""

SEED = 7
"""Of the noise of z, which everyone draws as one normal tensor `(B, d)`."""


@dataclass(frozen=True)
class Reference:
    """What the zoo's own net gives on a batch.

    Arguments:
        weights: The parameters, in the order of data flow.
        x: The batch.
        loss: Its loss at noise of a seed.
        mean_images: The mean images at the posterior mean.
        gradients: The gradient of each parameter.
    """

    weights: Sequence[Tensor]
    x: Tensor
    loss: Tensor
    mean_images: Tensor
    gradients: Sequence[Tensor]

    def load_into(self, parameters: Sequence[Tensor]) -> None:
        """Copy the weights into parameters of the same shapes in the same order.

        Raises:
            SystemExit: If a shape differs.
        """
        with torch.no_grad():
            for parameter, weight in zip(parameters, self.weights, strict=True):
                if parameter.shape != weight.shape:
                    raise SystemExit(f"a weight is {tuple(parameter.shape)} and should be {tuple(weight.shape)}")
                parameter.copy_(weight)


def reference_of(model: str, batch_size: int = 32) -> Reference:
    """Take a reference from the registry's model, freshly built, on noise for images.

    Arguments:
        model: Its name.
        batch_size: Images in the batch.
    """
    import zoo

    torch.manual_seed(0)
    built: Any = zoo.build(model, (1, 28, 28))
    x = torch.rand(batch_size, 1, 28, 28)
    parameters = [*built.encoder.parameters(), *built.decoder.parameters()]
    built.train()
    torch.manual_seed(SEED)
    batch = zoo.Batch(x.contiguous(memory_format=torch.channels_last), {}, torch.arange(batch_size))
    loss = built.loss(batch, zoo.Step.of(0, 0, 0)).loss
    gradients = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        mean_images = built.reconstruct(x)
    plain = [value.detach().contiguous().clone() for value in parameters]
    return Reference(plain, x, loss.detach(), mean_images, [value.contiguous() for value in gradients])


def write_reference(reference: Reference, path: Path) -> None:
    """Write a reference for another process, which may not have the zoo."""
    many = {"weights": reference.weights, "gradients": reference.gradients}
    tensors = {f"{name}.{i}": value for name, values in many.items() for i, value in enumerate(values)}
    save_file(
        {"x": reference.x, "loss": reference.loss, "mean_images": reference.mean_images.contiguous(), **tensors}, path
    )


def read_reference(path: Path) -> Reference:
    """Read what `write_reference` wrote."""
    tensors = load_file(path)
    count = sum(name.startswith("weights.") for name in tensors)
    weights, gradients = ([tensors[f"{name}.{i}"] for i in range(count)] for name in ("weights", "gradients"))
    return Reference(weights, tensors["x"], tensors["loss"], tensors["mean_images"], gradients)


def check(
    reference: Reference,
    loss: Tensor,
    parameters: Sequence[Tensor],
    mean_images: Tensor | None = None,
    scale: float = 1.0,
) -> float:
    """Return the largest relative difference of a contestant from the reference.

    Arguments:
        reference: What should come out.
        loss: The contestant's loss on the reference's batch, from its weights and noise.
        parameters: Its parameters, in the order of data flow.
        mean_images: Its mean images, where it has them at hand.
        scale: What its loss is multiplied by to be the zoo's; an optimiser that divides by the size of gradients does
            not see it.

    Raises:
        SystemExit: If the difference is above the tolerance.
    """
    gradients = torch.autograd.grad(loss, parameters)
    pairs = [(scale * loss.detach(), reference.loss)]
    pairs += [(scale * found, wanted) for found, wanted in zip(gradients, reference.gradients, strict=True)]
    if mean_images is not None:
        pairs.append((mean_images, reference.mean_images))
    worst = max(float((found - wanted).norm() / wanted.norm()) for found, wanted in pairs)
    if not worst <= TOLERANCE:
        raise SystemExit(f"it does not compute the same: a relative difference of {worst:.1e}")
    return worst


def check_plain(net: Vae, reference: Reference) -> float:
    """Load the reference's weights into a plain net, and return how far it is from the reference."""
    parameters = [*net.encoder.parameters(), *net.head.parameters(), *net.decoder.parameters()]
    reference.load_into(parameters)
    net.train()
    torch.manual_seed(SEED)
    loss = net.loss(reference.x)
    return check(reference, loss, parameters, net.reconstruct(reference.x).detach())


def checked_net(model: str, reference: Reference) -> Vae:
    """Return the plain net of a model, which has been seen to compute the same."""
    net = NETS[model]()
    check_plain(net, reference)
    return net
