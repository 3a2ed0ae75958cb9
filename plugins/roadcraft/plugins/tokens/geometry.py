"""Poses (..., 4) as x, y, cos, sin: put together and taken apart. Calculated as complex numbers, place and direction, which takes few operations."""

from __future__ import annotations

import torch
from torch import Tensor


def as_complex(pose: Tensor) -> Tensor:
    """(..., 4) -> complex (..., 2): place, direction."""
    return torch.view_as_complex(pose.float().contiguous().unflatten(-1, (2, 2)))


def _as_pose(place: Tensor, direction: Tensor) -> Tensor:
    return torch.view_as_real(torch.stack([place, direction], -1)).flatten(-2)


def compose(a: Tensor, b: Tensor) -> Tensor:
    """Pose b, which is seen from pose a, in the frame of a."""
    here, there = as_complex(a), as_complex(b)
    turn = here[..., 1]
    return _as_pose(here[..., 0] + turn * there[..., 0], turn * there[..., 1])


def relative(a: Tensor, b: Tensor) -> Tensor:
    """Pose b as seen from pose a."""
    here, there = as_complex(a), as_complex(b)
    turn = here[..., 1].conj()
    return _as_pose(turn * (there[..., 0] - here[..., 0]), turn * there[..., 1])


def corner_distance(a: Tensor, b: Tensor, size: Tensor) -> Tensor:
    """Mean distance (...) of the corners of boxes of size (..., 2) at two poses (..., 4)."""
    d, turn = a[..., :2] - b[..., :2], a[..., 2:] - b[..., 2:]
    front = 0.5 * size[..., :1] * turn
    side = 0.5 * size[..., 1:] * torch.stack([-turn[..., 1], turn[..., 0]], -1)
    corners = torch.stack([d + front + side, d + front - side, d - front + side, d - front - side], -2)
    return corners.norm(dim=-1).mean(-1)
