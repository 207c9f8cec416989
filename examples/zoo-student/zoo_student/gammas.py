"""What the degrees of freedom enter by: log-gamma and digamma functions half a step apart."""

__all__ = ["digamma_step", "lgamma_step"]

import torch
from torch import Tensor

FAR = 16.0
"""From here on the series are exact to double precision; below, the differences lose no digits."""


def lgamma_step(a: Tensor) -> Tensor:
    """Return log Gamma(a + 1/2) - log Gamma(a), for a above 0.

    The two are large where their difference is not: at a = 5e5 single precision would leave no digit of it.

    Example:
        >>> lgamma_step(torch.tensor([0.5, 5e5]))
        tensor([-0.5724,  6.5612])
    """
    b = 1 / a.clamp(min=FAR)
    series = -0.5 * b.log() - b / 8 + b**3 / 192 - b**5 / 640 + 17 * b**7 / 14336
    near = a.clamp(max=FAR)
    return torch.where(a > FAR, series, torch.lgamma(near + 0.5) - torch.lgamma(near))


def digamma_step(a: Tensor) -> Tensor:
    """Return psi(a + 1/2) - psi(a), the derivative of `lgamma_step`, for a above 0.

    Example:
        >>> digamma_step(torch.tensor([0.5, 5e5]))
        tensor([1.3863e+00, 1.0000e-06])
    """
    b = 1 / a.clamp(min=FAR)
    series = b / 2 + b**2 / 8 - b**4 / 64 + b**6 / 128 - 17 * b**8 / 2048
    near = a.clamp(max=FAR)
    return torch.where(a > FAR, series, torch.digamma(near + 0.5) - torch.digamma(near))
