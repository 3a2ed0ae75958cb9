"""Futures of agents as few numbers: how far they come off constant velocity at each whole second, in their own
frame."""

from __future__ import annotations

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor, nn
from torch.nn import functional

from roadcraft.core.driving.geometry.frames import to_frame
from roadcraft.plugins.common.frenet import INTERVAL_S

KEY_S = 1.0
SPREAD_MPS = 0.6  # a value's scale is this times its time
HOLD_MPS = 0.5  # slower than this an agent keeps its heading


class Neighbors(nn.Module):
    """``size`` values per agent."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        keys = max(round(steps * INTERVAL_S / KEY_S), 1)
        at = np.arange(keys + 1) * (steps * INTERVAL_S / keys)
        self.size = 2 * keys
        still = np.zeros(
            keys + 1
        )  # of the rate at the start, since velocity is known there, and of the apply_guidance at the end
        spline = CubicSpline(at, np.eye(keys + 1), bc_type=((1, still), (2, still)))
        shape = spline(INTERVAL_S * np.arange(1, steps + 1))
        self.index = [round(s / INTERVAL_S) - 1 for s in at[1:]]
        self.shape: Tensor
        self.scale: Tensor
        self.register_buffer("shape", torch.tensor(shape[:, 1:], dtype=torch.float32), persistent=False)
        self.register_buffer("scale", torch.tensor(SPREAD_MPS * at[1:], dtype=torch.float32)[:, None], persistent=False)

    def forward(self, values: Tensor, now: Tensor) -> Tensor:
        """Futures (B, K, A, T, 4) x, y, cos, sin of values (B, K, A, size); now (B, A, 6): x, y, cos, sin, vx, vy."""
        off = self.shape @ (values.unflatten(-1, (-1, 2)) * self.scale)
        c, s = now[:, None, :, None, 2], now[:, None, :, None, 3]
        t = INTERVAL_S * torch.arange(1, len(self.shape) + 1, device=values.device)
        x = now[:, None, :, None, 0] + now[:, None, :, None, 4] * t + c * off[..., 0] - s * off[..., 1]
        y = now[:, None, :, None, 1] + now[:, None, :, None, 5] * t + s * off[..., 0] + c * off[..., 1]
        place = torch.stack([x, y], -1)
        before = torch.cat([now[:, None, :, None, :2].expand_as(place[..., :1, :]), place[..., :-1, :]], -2)
        ahead = torch.stack([c, s], -1) * HOLD_MPS
        heading = functional.normalize((place - before) / INTERVAL_S + ahead, dim=-1, eps=1e-6)
        return torch.cat([place, heading], -1)

    def fit(self, future: Tensor, valid: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
        """Values (B, A, size) of futures (B, A, T, 4) and which of them are known, (B, A, size); 0 where not."""
        t = INTERVAL_S * (1.0 + torch.tensor(self.index, device=future.device))
        c, s = now[:, :, None, 2], now[:, :, None, 3]
        dx = future[:, :, self.index, 0] - now[:, :, None, 0] - now[:, :, None, 4] * t
        dy = future[:, :, self.index, 1] - now[:, :, None, 1] - now[:, :, None, 5] * t
        off = torch.stack(to_frame(dx, dy, c, s), -1) / self.scale
        known = valid[:, :, self.index, None].expand_as(off)
        return (off * known).clamp(-6.0, 6.0).flatten(2), known.flatten(2)
