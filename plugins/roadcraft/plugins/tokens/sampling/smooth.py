"""Smooths the ego's way. Tokens are coarse: a vehicle that followed them as they are would jerk along.

The smoothed path p minimises the squared distance to the path of the tokens plus smoothing_s^6 times the squared third
derivative (jerk), and it starts with the ego's present position, speed and acceleration. That is a linear problem with
one matrix for all (Whittaker-Henderson smoothing of third order).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from roadcraft.plugins.tokens.vocabulary import POSE_S

SLOW_MPS, FAST_MPS = 0.5, 1.5  # below the first the heading is the tokens', above the second that of the path


class Smoother(nn.Module):
    """A fixed linear operator over ``steps`` poses 0.1 s apart."""

    def __init__(self, steps: int, smoothing_s: float) -> None:
        super().__init__()
        third = np.zeros((steps, steps + 3))  # differences of the three poses before the first step, then of the steps
        for i in range(steps):
            third[i, i : i + 4] = (-1.0, 3.0, -3.0, 1.0)
        third /= POSE_S**3
        own, before = third[:, 3:], third[:, :3]
        inverse = np.linalg.inv(np.eye(steps) + smoothing_s**6 * own.T @ own)
        t = POSE_S * np.array([-2.0, -1.0, 0.0])
        speed, force = before @ t, before @ (0.5 * t * t)
        pull = -(smoothing_s**6) * inverse @ own.T
        self.of_path: Tensor
        self.of_speed: Tensor
        self.of_force: Tensor
        self.register_buffer("of_path", torch.tensor(inverse, dtype=torch.float32), persistent=False)
        self.register_buffer("of_speed", torch.tensor(pull @ speed, dtype=torch.float32), persistent=False)
        self.register_buffer("of_force", torch.tensor(pull @ force, dtype=torch.float32), persistent=False)

    def forward(self, path: Tensor, speed: Tensor, force: Tensor) -> Tensor:
        """path (B, K, T, 4) x, y, cos, sin of the rear axle in the ego frame; speed, force (B,) m/s, m/s2 along x now
        -> (B, K, T, 5), with the speed."""
        x = torch.einsum("ts,bks->bkt", self.of_path, path[..., 0])
        x = x + (speed[:, None] * self.of_speed + force[:, None] * self.of_force)[:, None]
        y = torch.einsum("ts,bks->bkt", self.of_path, path[..., 1])
        place = torch.stack([x, y], -1)
        step = torch.diff(place, dim=2, prepend=torch.zeros_like(place[:, :, :1])) / POSE_S
        pace = step.norm(dim=-1)
        forward = ((pace - SLOW_MPS) / (FAST_MPS - SLOW_MPS)).clamp(0.0, 1.0)[..., None]
        ahead = forward * step / pace.clamp_min(1e-3)[..., None] + (1.0 - forward) * path[..., 2:]
        ahead = ahead / ahead.norm(dim=-1, keepdim=True).clamp_min(1e-3)
        along = (step * ahead).sum(-1, keepdim=True)
        return torch.cat([place, ahead, along], -1)
