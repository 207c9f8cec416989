"""What a check must leave as it was: generators, gradients' state, default dtype."""

from __future__ import annotations

__all__ = ["kept_state"]

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_state(seed: int = 0) -> Iterator[None]:
    """Seed the generators of Python, NumPy and torch; put them, and torch's switches, back in the end."""
    import numpy as np
    import torch

    python, numbers = random.getstate(), np.random.get_state()
    dtype, grad, deterministic = (
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        torch.set_grad_enabled(True)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(grad)
            torch.use_deterministic_algorithms(deterministic)
            np.random.set_state(numbers)
            random.setstate(python)
