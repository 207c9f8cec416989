"""How codes lie on a sphere: great circles between them, and a map of equal areas."""

from __future__ import annotations

__all__ = ["SphereGeometry"]

from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo import Chart, Geometry


@final
class SphereGeometry(Geometry):
    """The unit sphere of R^d."""

    def between(self, start: Tensor, end: Tensor, share: Tensor) -> Tensor:
        """Go along the great circle; between opposite ends, along any one."""
        angle = 2 * torch.atan2((start - end).norm(), (start + end).norm())
        across = F.normalize(end - (end * start).sum() * start, dim=-1)
        turned = share.unsqueeze(-1) * angle
        return torch.cos(turned) * start + torch.sin(turned) * across

    def nearest(self, z: Tensor) -> Tensor:
        return F.normalize(z, dim=-1)

    def chart(self, d: int) -> Chart | None:
        """Map the sphere of R^3 by longitude and height, in which areas are those of the sphere (Archimedes)."""
        if d != 3:
            return None
        return Chart(("longitude / 180°", "height z3"), (-1.0, -1.0), (1.0, 1.0), _places, _codes)


def _places(z: Tensor) -> Tensor:
    return torch.stack([torch.atan2(z[:, 1], z[:, 0]) / torch.pi, z[:, 2]], dim=-1)


def _codes(xy: Tensor) -> Tensor:
    longitude, height = torch.pi * xy[:, 0], xy[:, 1]
    radius = torch.sqrt((1 - height**2).clamp(min=0))
    return torch.stack([radius * torch.cos(longitude), radius * torch.sin(longitude), height], dim=-1)
