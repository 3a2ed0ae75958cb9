"""The vocabulary: every reference line, driven at every speed profile, from where the ego stands. Nothing here is
learned."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from roadcraft_anchors.plugin import AnchorsConfig

STEPS, DT_S = 80, 0.1
NEAREST_M = 8.0  # a slow car still needs so many meters to come onto a line


class Vocabulary(nn.Module):
    """Trajectories of R lines times M profiles. ``profiles`` (M, 2): acceleration m/s2 and for how many seconds."""

    def __init__(self, config: AnchorsConfig, interval_m: float) -> None:
        super().__init__()
        self.interval_m, self.merge_s = interval_m, config.merge_s
        pairs = [(a, h) for a in config.accelerations_mps2 for h in (config.hold_s if a else config.hold_s[:1])]
        self.profiles: Tensor
        self.held: Tensor
        self.register_buffer("profiles", torch.tensor(pairs), persistent=False)
        times = DT_S * torch.arange(STEPS + 1)
        self.register_buffer("held", torch.minimum(times, self.profiles[:, 1:]), persistent=False)

    def speeds(self, now: Tensor) -> tuple[Tensor, Tensor]:
        """Speed m/s and way m (B, M, T) of every profile from the present speeds (B,); nobody drives backwards."""
        speed = (now[:, None, None] + self.profiles[:, :1] * self.held).clamp_min(0.0)
        way = DT_S * torch.cumulative_trapezoid(speed)
        return speed[..., 1:], way

    def forward(self, line: Tensor, lateral: Tensor, slope: Tensor, now: Tensor) -> Tensor:
        """Trajectories (B, R, M, T, 5): x, y, cos, sin, speed in the ego frame.

        line (B, R, P, 4): x, y, cos, sin of the reference lines, from the foot of the ego on; lateral (B, R), m, and
        slope (B, R) of the ego beside them; now (B,), m/s.
        """
        speed, way = self.speeds(now)
        index = (way / self.interval_m).clamp(0, line.shape[2] - 1.001)
        low = index.floor().long()
        share = (index - low)[:, None, ..., None]
        rows = low.flatten(1)[:, None, :, None].expand(-1, line.shape[1], -1, line.shape[3])
        a, b = (line.gather(2, r).view(*line.shape[:2], *low.shape[1:], line.shape[3]) for r in (rows, rows + 1))
        on_line = torch.lerp(a, b, share)
        ahead = functional.normalize(on_line[..., 2:], dim=-1, eps=1e-6)
        over = (way - (line.shape[2] - 1) * self.interval_m).clamp_min(0.0)[:, None, ..., None]
        offset, drift = self._merge(way, lateral, slope, now)
        left = torch.stack([-ahead[..., 1], ahead[..., 0]], -1)
        place = on_line[..., :2] + ahead * over + left * offset[..., None]
        heading = functional.normalize(ahead + left * drift[..., None], dim=-1, eps=1e-6)
        pace = speed[:, None, ..., None].expand(*place.shape[:-1], 1)
        return torch.cat([place, heading, pace], -1)

    def _merge(self, way: Tensor, lateral: Tensor, slope: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
        """Offset from the line, m, and its slope (B, R, M, T): a cubic of the way that starts as the ego stands and
        ends on the line."""
        length = (now * self.merge_s).clamp_min(NEAREST_M)[:, None, None, None]
        u = (way[:, None] / length).clamp_max(1.0)
        d, s = lateral[..., None, None], slope[..., None, None] * length
        offset = d * (1 - 3 * u**2 + 2 * u**3) + s * u * (1 - u) ** 2
        return offset, (d * 6 * u * (u - 1) + s * (1 - u) * (1 - 3 * u)) / length
