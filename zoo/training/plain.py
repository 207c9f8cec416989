"""Torch's optimisers without torch's compiler, which they would import when they are made and when they first step."""

from __future__ import annotations

__all__ = ["compiler_spared", "step_plainly"]

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.optim import Optimizer

_MARK = "__dynamo_disable"
"""Where torch keeps, with a method, the one that its compiler looks away from."""


@contextmanager
def compiler_spared() -> Iterator[None]:
    """Make optimisers inside the `with`, and leave torch's compiler where it is.

    Torch wraps one of their methods in what tells its compiler to look away, and imports the compiler for it, which
    takes about as long as torch itself. Where none is loaded there is none to be told.
    """
    method = inspect.unwrap(Optimizer.add_param_group)
    spared = "torch._dynamo" not in sys.modules and _MARK not in vars(method)
    if spared:
        vars(method)[_MARK] = method
    try:
        yield
    finally:
        if spared:
            del vars(method)[_MARK]


@torch.no_grad()
def step_plainly(optimiser: Optimizer) -> None:
    """Take an optimiser's step by its own method, without what torch wraps it in: its compiler, and hooks of nobody."""
    inspect.unwrap(type(optimiser).step)(optimiser)
