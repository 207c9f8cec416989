"""The products of matrices and the convolutions of a step, and nothing else of it."""

from __future__ import annotations

__all__ = ["products_of"]

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from nets import Vae
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_PRODUCTS = {"mm", "addmm", "convolution", "convolution_backward"}
"""By the names of torch's operations, once a step is taken apart into them."""


class _Listening(TorchDispatchMode):
    """Keeps each product that is computed inside the `with`, to be computed again."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Callable[[], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in _PRODUCTS:
            kept = [value.detach() if isinstance(value, Tensor) else value for value in args]
            self.found.append(partial(func, *kept, **(kwargs or {})))
        return func(*args, **(kwargs or {}))


def products_of(net: Vae, x: Tensor) -> Callable[[], None]:
    """Return what computes the products of one step on a batch, forwards and backwards, with images channels-last."""
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch leaves the format out
    listening = _Listening()
    with listening:
        net.loss(x.contiguous(memory_format=torch.channels_last)).backward()  # type: ignore[no-untyped-call]  # torch's

    @torch.no_grad()
    def again() -> None:
        for product in listening.found:
            product()

    return again
