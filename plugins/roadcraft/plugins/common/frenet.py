"""Trajectories from splines along a reference line: smooth, drivable and continuous with the present state whatever a
network says.

A trajectory is a path (the line shifted sideways by a cubic spline of the distance) driven at a speed (a cubic spline
of time that is never negative). The first control values are the ego's own offset, heading error and speed, so that
plans join the present state; a network decides the others. With zeros from the network the ego keeps its speed and
comes onto the line. ``fit`` finds the values of a trajectory that was driven."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor, nn
from torch.nn import functional

from roadcraft.core.types import FeatureSpec
from roadcraft.plugins.common.kernels import array, compiled, drive_along
from roadcraft.plugins.common.line_model_config import LineModelConfig

INTERVAL_S = 0.1
TABLE_S = 0.05  # grid of the tabulated lateral basis
SPEED_SCALE = 4.0
OFFSET_SCALE = 2.0
SHARPNESS = 4.0  # of the bend that keeps speeds positive
STAND_MPS = 0.01  # the slowest control value that ``fit`` answers
DISTANCE_WEIGHT, OFFSET_RIDGE, NEAR_S = (
    0.3,
    3e-4,
    1.0,
)  # of ``fit``; near poses weigh more across, since what a closed loop drives is near


def features_of_lines(config: LineModelConfig, features: FeatureSpec, agents: int, **more: Any) -> FeatureSpec:
    """An encoder's features with the lines that the model reads and its targets, those of ``agents`` agents included;
    no conditions unless ``more`` asks for them: an encoder that reads commands does so for itself."""
    names = ("reference_lines", "reference_points", "reference_interval_m", "future_steps")
    asked = {n: getattr(config, n) for n in names}
    asked |= {"future_interval_s": INTERVAL_S, "future_agents": agents, "instruction_words": 0, **more}
    return replace(features, **asked)


def _basis(knots: tuple[float, ...], end: float, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clamped cubic B-spline basis (len(at), knots + 4) over [0, end], and the middle (Greville abscissa) of each of
    its functions."""
    t = np.concatenate([np.zeros(4), knots, np.full(4, end)])
    inside = np.clip(at, 0.0, end * (1.0 - 1e-12))
    return BSpline.design_matrix(inside, t, 3).toarray(), (t[1:-3] + t[2:-2] + t[3:-1]) / 3.0


class FrenetDecoder(nn.Module):
    """Turns raw network outputs into trajectories. ``speed_size`` and ``offset_size`` are the numbers of free values
    per trajectory, ``speed_at_s`` and ``offset_at_s`` the times, of driving and of travel at the present speed, that
    each bears on most."""

    def __init__(
        self,
        speed_knots_s: tuple[float, ...],
        offset_knots_s: tuple[float, ...],
        steps: int,
        interval_m: float,
        min_knot_speed_mps: float,
    ) -> None:
        super().__init__()
        horizon = steps * INTERVAL_S
        fine = np.arange(steps * 10 + 1) * INTERVAL_S / 10
        speed, speed_at = _basis(speed_knots_s, horizon, fine)
        distance = np.zeros_like(speed)
        distance[1:] = np.cumsum(0.5 * (speed[1:] + speed[:-1]) * (INTERVAL_S / 10), axis=0)
        end = offset_knots_s[-1] + 2.0
        self.table_size = round(end / TABLE_S) + 1
        offset, offset_at = _basis(offset_knots_s, end, np.arange(self.table_size) * TABLE_S)
        self.first_knot = offset_knots_s[0]
        self.speed_at_s, self.offset_at_s = tuple(speed_at[1:].tolist()), tuple(offset_at[2:].tolist())
        self.speed_size, self.offset_size = speed.shape[1] - 1, offset.shape[1] - 2
        both = np.concatenate([speed[::10][1:, 1:], DISTANCE_WEIGHT * distance[::10][1:, 1:]])
        self.speed_fit: Tensor
        self.register_buffer("speed_fit", torch.tensor(np.linalg.pinv(both), dtype=torch.float32), persistent=False)
        self.interval_m, self.min_knot_speed_mps = interval_m, min_knot_speed_mps
        self.speed_basis: Tensor
        self.distance_basis: Tensor
        self.offset_table: Tensor
        self.register_buffer("speed_basis", torch.tensor(speed[::10][1:], dtype=torch.float32), persistent=False)
        self.register_buffer("distance_basis", torch.tensor(distance[::10][1:], dtype=torch.float32), persistent=False)
        self.register_buffer("offset_table", torch.tensor(offset, dtype=torch.float32), persistent=False)

    def forward(
        self, speed: Tensor, offset: Tensor, line: Tensor, lateral: Tensor, slope: Tensor, now: Tensor
    ) -> Tensor:
        """Trajectories (B, K, T, 5): x, y, cos, sin, speed in the ego frame.

        speed (B, K, speed_size), offset (B, K, offset_size): raw; line (B, K, P, 4): x, y, cos, sin of the reference;
        lateral (B, K) m, slope (B, K) of the ego beside it; now (B,) m/s.
        """
        start = now.clamp_min(0.0)[:, None, None].expand(-1, speed.shape[1], 1)
        later = functional.softplus(start + SPEED_SCALE * speed, beta=SHARPNESS)
        control = torch.cat([start, later], -1)
        pace, distance = control @ self.speed_basis.T, control @ self.distance_basis.T
        shift = self._shift(offset, line.shape[2], lateral, slope, now)
        if compiled(distance):
            out = torch.empty(*distance.shape, 5)
            drive_along(*map(array, (line, shift, distance, pace)), out.numpy())
            return out
        return torch.cat([_along(_shifted(line, shift), distance), pace[..., None]], -1)

    def _shift(self, offset: Tensor, points: int, lateral: Tensor, slope: Tensor, now: Tensor) -> Tensor:
        """Meters (B, K, P) to the left of the line's points."""
        scale = now.clamp_min(self.min_knot_speed_mps)
        basis = self._offset_basis(torch.arange(points, device=now.device) * self.interval_m / scale[:, None])
        second = lateral + slope * scale[:, None] * (self.first_knot / 3.0)
        control = torch.cat([lateral[..., None], second[..., None], OFFSET_SCALE * offset], -1)
        return control @ basis.transpose(1, 2)

    def _offset_basis(self, seconds: Tensor) -> Tensor:
        """Lateral basis (..., offset_size + 2) at seconds of travel at the present speed."""
        at = (seconds / TABLE_S).clamp(0.0, self.table_size - 1.001)
        row = at.floor().long()
        share = (at - row)[..., None]
        return self.offset_table[row] * (1.0 - share) + self.offset_table[row + 1] * share

    @torch.no_grad()
    def fit(
        self, future: Tensor, valid: Tensor, line: Tensor, lateral: Tensor, slope: Tensor, now: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The raw values (B, speed_size), (B, offset_size) whose trajectory comes nearest to a driven one, by least
        squares; the reverse of ``forward``.

        future (B, T, 5) x, y, cos, sin, speed, valid (B, T): a prefix; beyond it the speed is held. line (B, P, 4),
        lateral, slope, now (B,). Where nothing was driven, a ridge brings the path onto the line.
        """
        rows = torch.arange(len(future), device=future.device)
        last = (valid.sum(-1) - 1).clamp_min(0)
        speed = torch.where(valid, future[..., 4], future[rows, last, 4][:, None])
        place = torch.cat([torch.zeros_like(future[:, :1, :2]), future[..., :2]], 1)
        step = (place[:, 1:] - place[:, :-1]).norm(dim=-1)
        distance = torch.where(valid, step, INTERVAL_S * speed).cumsum(-1)
        start = now.clamp_min(0.0)[:, None]
        rest = torch.cat(
            [speed - start * self.speed_basis[:, 0], DISTANCE_WEIGHT * (distance - start * self.distance_basis[:, 0])],
            -1,
        )
        control = (rest @ self.speed_fit.T).clamp_min(STAND_MPS)
        bent = control + torch.log(-torch.expm1(-SHARPNESS * control)) / SHARPNESS  # the reverse of softplus
        scale = now.clamp_min(self.min_knot_speed_mps)
        along, across = self._project(future[..., :2], line)
        basis = self._offset_basis(along / scale[:, None])
        second = lateral + slope * scale * (self.first_knot / 3.0)
        missing = across - basis[..., 0] * lateral[:, None] - basis[..., 1] * second[:, None]
        weight = valid / (1.0 + torch.arange(valid.shape[1], device=future.device) * INTERVAL_S / NEAR_S) ** 2
        part = basis[..., 2:] * (weight / weight.sum(-1, keepdim=True).clamp_min(1e-6))[..., None]
        square = part.transpose(1, 2) @ basis[..., 2:]
        ridge = OFFSET_RIDGE * torch.eye(self.offset_size, device=future.device)
        offset = torch.linalg.solve(square + ridge, (part.transpose(1, 2) @ missing[..., None])[..., 0])
        return (bent - start) / SPEED_SCALE, offset / OFFSET_SCALE

    def _project(self, place: Tensor, line: Tensor) -> tuple[Tensor, Tensor]:
        """Places (B, T, 2) along and across a line (B, P, 4)."""
        at = torch.cdist(place, line[..., :2]).argmin(-1)
        near = line.gather(1, at[..., None].expand(-1, -1, 4))
        gap = place - near[..., :2]
        along = at * self.interval_m + (near[..., 2:] * gap).sum(-1)
        return along, near[..., 2] * gap[..., 1] - near[..., 3] * gap[..., 0]


def _shifted(line: Tensor, shift: Tensor) -> Tensor:
    """Points (B, K, P, 2) of lines (B, K, P, 4) shifted sideways (B, K, P); the first is the ego's own place."""
    normal = torch.stack([-line[..., 3], line[..., 2]], -1)
    path = line[..., :2] + normal * shift[..., None]
    return torch.cat([torch.zeros_like(path[:, :, :1]), path[:, :, 1:]], 2)


def _along(path: Tensor, distance: Tensor) -> Tensor:
    """Places (B, K, T, 4) x, y, cos, sin at distances (B, K, T) along paths (B, K, P, 2): cubic Hermite, straight on
    beyond the end."""
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
    index = (torch.searchsorted(arc.detach(), distance.detach().contiguous(), right=True) - 1).clamp(
        0, path.shape[2] - 2
    )
    table = torch.cat([path, tangent, arc[..., None]], -1)
    a = table.gather(2, index[..., None].expand(-1, -1, -1, 5))
    b = table.gather(2, (index + 1)[..., None].expand(-1, -1, -1, 5))
    size = (b[..., 4] - a[..., 4])[..., None]
    over = (distance - a[..., 4])[..., None]
    u = (over / size).clamp(0.0, 1.0)
    p0, t0, p1, t1 = a[..., :2], a[..., 2:4] * size, b[..., :2], b[..., 2:4] * size
    u2 = u * u
    u3 = u2 * u
    place = (2 * u3 - 3 * u2 + 1) * p0 + (u3 - 2 * u2 + u) * t0 + (3 * u2 - 2 * u3) * p1 + (u3 - u2) * t1
    slope = (6 * u2 - 6 * u) * (p0 - p1) + (3 * u2 - 4 * u + 1) * t0 + (3 * u2 - 2 * u) * t1
    heading = functional.normalize(slope, dim=-1, eps=1e-6)
    return torch.cat([place + heading * (over - size).clamp_min(0.0), heading], -1)
