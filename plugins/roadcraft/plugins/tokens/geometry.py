"""Poses as complex numbers (..., 2): place x + iy and direction cos + i sin. Turning is multiplying, which takes few
operations."""

from __future__ import annotations

import torch
from torch import Tensor


def as_pose(real: Tensor) -> Tensor:
    """From x, y, cos, sin (..., 4)."""
    return torch.view_as_complex(real.float().contiguous().unflatten(-1, (2, 2)))


def as_real(pose: Tensor) -> Tensor:
    """To x, y, cos, sin (..., 4)."""
    return torch.view_as_real(pose.resolve_conj()).flatten(-2)


def compose(a: Tensor, b: Tensor) -> Tensor:
    """Pose b, which is seen from pose a, in the frame of a."""
    out = a[..., 1:] * b
    out[..., 0] += a[..., 0]
    return out


def relative(a: Tensor, b: Tensor) -> Tensor:
    """Pose b as seen from pose a."""
    place = b[..., 0] - a[..., 0]
    return torch.stack([place, b[..., 1].expand_as(place)], -1) * a[..., 1:].conj()


def corner_distance(a: Tensor, b: Tensor, size: Tensor) -> Tensor:
    """Mean distance (...) of the corners of boxes of size (..., 2) at two poses."""
    away, turn = a[..., 0] - b[..., 0], 0.5 * (a[..., 1] - b[..., 1])
    front, left = turn * size[..., 0], 1j * turn * size[..., 1]
    corners = torch.stack([away + front + left, away + front - left, away - front + left, away - front - left], -1)
    return corners.abs().mean(-1)
