"""How exactly a step is computed: single precision, the shorter products of newer GPUs, or half of the bits."""

from __future__ import annotations

__all__ = ["Precision", "choose_precision", "precise", "shortened"]

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal, TypeAlias

import torch

from zoo.errors import ZooError

Precision: TypeAlias = Literal["auto", "fp32", "tf32", "bf16"]


def choose_precision(name: Precision, device: torch.device) -> Precision:
    """Return what a name stands for on a device: `auto` is `tf32` on NVIDIA's GPUs, else `fp32`.

    Raises:
        ZooError: If the device cannot do it.
    """
    if name == "auto":
        return "tf32" if device.type == "cuda" else "fp32"
    if name == "tf32" and device.type != "cuda":
        raise ZooError(f"--precision tf32 is of NVIDIA's GPUs; on {device.type} leave it out, or try bf16")
    if name == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise ZooError("--precision bf16: this GPU has no such numbers; leave it out")
    return name


@contextmanager
def precise(precision: Precision) -> Iterator[None]:
    """Let matrix products and convolutions in single precision be shortened to TF32 by `tf32` and `bf16`, else not.

    Torch itself shortens convolutions and not products, which is neither; what it was told is put back afterwards.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = precision in ("tf32", "bf16")
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def shortened(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Return what a loss is computed inside: torch's autocast for `bf16`, else nothing.

    Weights, their gradients and the optimiser stay in single precision, and so do densities, whose parameters an
    autoencoder casts back before its heads.
    """
    if precision != "bf16":
        return nullcontext()
    # Casts of weights that are kept for later would be of no use in a captured step, which is one pass alone.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)
