"""What a check must leave as it was: generators, gradients' state, switches of the whole process."""

from __future__ import annotations

__all__ = ["kept_state", "switches"]

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def kept_state(seed: int = 0) -> Iterator[None]:
    """Seed the generators of Python, NumPy and torch; put them, and torch's switches, back in the end."""
    import numpy as np
    import torch

    python, numbers = random.getstate(), np.random.get_state()
    before = {name: (value, put_back) for name, value, put_back in switches()}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        torch.set_grad_enabled(True)
        try:
            yield
        finally:
            for value, put_back in before.values():
                put_back(value)
            np.random.set_state(numbers)
            random.setstate(python)


def switches() -> Iterator[tuple[str, Any, Callable[[Any], object]]]:
    """Yield the switches of torch that hold for a whole process: what each is, how it stands, what sets it."""
    import torch

    yield "whether gradients are kept", torch.is_grad_enabled(), torch.set_grad_enabled
    yield "the default type of numbers", torch.get_default_dtype(), torch.set_default_dtype
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield "whether algorithms are deterministic", deterministic, torch.use_deterministic_algorithms
    yield "the number of threads", torch.get_num_threads(), torch.set_num_threads
    precision = torch.get_float32_matmul_precision()
    yield "the precision of matrix products", precision, torch.set_float32_matmul_precision
    yield "the search for anomalies", torch.is_anomaly_enabled(), torch.autograd.set_detect_anomaly
    cudnn = torch.backends.cudnn
    yield "cuDNN's benchmark", cudnn.benchmark, lambda value: setattr(cudnn, "benchmark", value)
    yield "cuDNN's determinism", cudnn.deterministic, lambda value: setattr(cudnn, "deterministic", value)
