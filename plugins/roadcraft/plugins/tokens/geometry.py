"""Poses (..., 4) as x, y, cos, sin: put together and taken apart."""

from __future__ import annotations

import torch
from torch import Tensor


def compose(a: Tensor, b: Tensor) -> Tensor:
    """Pose b, which is seen from pose a, in the frame of a."""
    x, y, c, s = a.unbind(-1)
    u, v, d, t = b.unbind(-1)
    return torch.stack([x + c * u - s * v, y + s * u + c * v, c * d - s * t, s * d + c * t], -1)


def relative(a: Tensor, b: Tensor) -> Tensor:
    """Pose b as seen from pose a."""
    x, y, c, s = a.unbind(-1)
    u, v, d, t = b.unbind(-1)
    dx, dy = u - x, v - y
    return torch.stack([c * dx + s * dy, c * dy - s * dx, c * d + s * t, c * t - s * d], -1)


def corner_distance(a: Tensor, b: Tensor, size: Tensor) -> Tensor:
    """Mean distance (...) of the corners of boxes of size (..., 2) at two poses (..., 4)."""
    d, turn = a[..., :2] - b[..., :2], a[..., 2:] - b[..., 2:]
    front = 0.5 * size[..., :1] * turn
    side = 0.5 * size[..., 1:] * torch.stack([-turn[..., 1], turn[..., 0]], -1)
    corners = torch.stack([d + front + side, d + front - side, d - front + side, d - front - side], -2)
    return corners.norm(dim=-1).mean(-1)
