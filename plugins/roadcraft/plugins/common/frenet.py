"""Trajectories from splines along a reference line: smooth, drivable and continuous with the present state whatever a network says.

A trajectory is a path (the line shifted sideways by a cubic spline of the way ahead) driven at a speed (a cubic spline of time that is never negative). The
first control values are the ego's own offset, heading error and speed, so that plans join the present state; a network decides the others. With zeros
from the network the ego keeps its speed and comes onto the line.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor, nn
from torch.nn import functional

INTERVAL_S = 0.1
TABLE_S = 0.05  # grid of the tabulated lateral basis
SPEED_SCALE = 4.0
OFFSET_SCALE = 2.0
SHARPNESS = 4.0  # of the bend that keeps speeds positive


def _basis(knots: tuple[float, ...], end: float, at: np.ndarray) -> tuple[np.ndarray, float]:
    """Clamped cubic B-spline basis (len(at), knots + 4) over [0, end], and the first knot's time."""
    t = np.concatenate([np.zeros(4), knots, np.full(4, end)])
    inside = np.clip(at, 0.0, end * (1.0 - 1e-12))
    return BSpline.design_matrix(inside, t, 3).toarray(), float(t[4])


class FrenetDecoder(nn.Module):
    """Turns raw network outputs into trajectories. ``speed_size`` and ``offset_size`` are the numbers of free values per trajectory."""

    def __init__(
        self,
        speed_knots_s: tuple[float, ...],
        offset_knots_s: tuple[float, ...],
        steps: int,
        interval_m: float,
        slow_mps: float,
    ) -> None:
        super().__init__()
        horizon = steps * INTERVAL_S
        fine = np.arange(steps * 10 + 1) * INTERVAL_S / 10
        speed, _ = _basis(speed_knots_s, horizon, fine)
        way = np.zeros_like(speed)
        way[1:] = np.cumsum(0.5 * (speed[1:] + speed[:-1]) * (INTERVAL_S / 10), axis=0)
        end = offset_knots_s[-1] + 2.0
        self.table_size = round(end / TABLE_S) + 1
        offset, self.first_knot = _basis(offset_knots_s, end, np.arange(self.table_size) * TABLE_S)
        self.speed_size, self.offset_size = speed.shape[1] - 1, offset.shape[1] - 2
        self.interval_m, self.slow_mps = interval_m, slow_mps
        self.speed_basis: Tensor
        self.way_basis: Tensor
        self.offset_table: Tensor
        self.register_buffer("speed_basis", torch.tensor(speed[::10][1:], dtype=torch.float32), persistent=False)
        self.register_buffer("way_basis", torch.tensor(way[::10][1:], dtype=torch.float32), persistent=False)
        self.register_buffer("offset_table", torch.tensor(offset, dtype=torch.float32), persistent=False)

    def forward(
        self, speed: Tensor, offset: Tensor, line: Tensor, lateral: Tensor, slope: Tensor, now: Tensor
    ) -> Tensor:
        """Trajectories (B, K, T, 5): x, y, cos, sin, speed in the ego frame.

        speed (B, K, speed_size), offset (B, K, offset_size): raw; line (B, K, P, 4): x, y, cos, sin of the reference; lateral (B, K) m, slope (B, K) of
        the ego beside it; now (B,) m/s.
        """
        start = now.clamp_min(0.0)[:, None, None].expand(-1, speed.shape[1], 1)
        later = functional.softplus(start + SPEED_SCALE * speed, beta=SHARPNESS)
        control = torch.cat([start, later], -1)
        pace, way = control @ self.speed_basis.T, control @ self.way_basis.T
        path = self._path(offset, line, lateral, slope, now)
        return torch.cat([_along(path, way), pace[..., None]], -1)

    def _path(self, offset: Tensor, line: Tensor, lateral: Tensor, slope: Tensor, now: Tensor) -> Tensor:
        """Points (B, K, P, 2) of the shifted line; the first is the ego's own place."""
        count = line.shape[2]
        scale = now.clamp_min(self.slow_mps)
        at = torch.arange(count, device=now.device) * self.interval_m / scale[:, None] / TABLE_S
        at = at.clamp_max(self.table_size - 1.001)
        row = at.floor().long()
        share = (at - row)[..., None]
        basis = self.offset_table[row] * (1.0 - share) + self.offset_table[row + 1] * share
        second = lateral + slope * scale[:, None] * (self.first_knot / 3.0)
        control = torch.cat([lateral[..., None], second[..., None], OFFSET_SCALE * offset], -1)
        shift = control @ basis.transpose(1, 2)
        normal = torch.stack([-line[..., 3], line[..., 2]], -1)
        path = line[..., :2] + normal * shift[..., None]
        return torch.cat([torch.zeros_like(path[:, :, :1]), path[:, :, 1:]], 2)


def _along(path: Tensor, way: Tensor) -> Tensor:
    """Places (B, K, T, 4) x, y, cos, sin at the given ways (B, K, T) along paths (B, K, P, 2): cubic Hermite, straight on beyond the end."""
    step = path[:, :, 1:] - path[:, :, :-1]
    length = step.norm(dim=-1).clamp_min(1e-3)
    arc = torch.cat([torch.zeros_like(length[..., :1]), length.cumsum(-1)], -1)
    middle = path[:, :, 2:] - path[:, :, :-2]
    ahead = torch.zeros_like(path[:, :, :1])
    ahead[..., 0] = 1.0
    tangent = torch.cat(
        [
            ahead,
            functional.normalize(middle, dim=-1, eps=1e-6),
            functional.normalize(step[:, :, -1:], dim=-1, eps=1e-6),
        ],
        2,
    )
    index = (torch.searchsorted(arc.detach(), way.detach().contiguous(), right=True) - 1).clamp(0, path.shape[2] - 2)
    table = torch.cat([path, tangent, arc[..., None]], -1)
    a = table.gather(2, index[..., None].expand(-1, -1, -1, 5))
    b = table.gather(2, (index + 1)[..., None].expand(-1, -1, -1, 5))
    size = (b[..., 4] - a[..., 4])[..., None]
    over = (way - a[..., 4])[..., None]
    u = (over / size).clamp(0.0, 1.0)
    p0, t0, p1, t1 = a[..., :2], a[..., 2:4] * size, b[..., :2], b[..., 2:4] * size
    u2 = u * u
    u3 = u2 * u
    place = (2 * u3 - 3 * u2 + 1) * p0 + (u3 - 2 * u2 + u) * t0 + (3 * u2 - 2 * u3) * p1 + (u3 - u2) * t1
    slope = (6 * u2 - 6 * u) * (p0 - p1) + (3 * u2 - 4 * u + 1) * t0 + (3 * u2 - 2 * u) * t1
    heading = functional.normalize(slope, dim=-1, eps=1e-6)
    return torch.cat([place + heading * (over - size).clamp_min(0.0), heading], -1)
