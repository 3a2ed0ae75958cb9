"""Embeds reference lines: their shape, the rules along them, and the objects beside them in the line's own coordinates."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from roadcraft.core.driving.reference_lines import (
    HEADING_COS,
    HEADING_SIN,
    LATERAL,
    LIMIT_HERE,
    TO_RED,
    TO_ROUTE_END,
    TO_STOP,
    TO_YELLOW,
)
from roadcraft.plugins.common.layers import masked_max, mlp

KINDS = 7
IN_WAY_M = 0.2  # nearer to the ego's way than this is in it
POINT_STRIDE = 4  # points that are embedded: every 8 m is enough to tell a bend
FAR_M = 200.0
STAND_M, HEADWAY_S, BRAKING_MPS2 = 1.5, 1.2, 3.0  # a usual driver's; they only scale an input
FRONT_M = 4.0  # rear axle to front end of a usual car: likewise


def _distance(s: Tensor, speed: Tensor) -> Tensor:
    """What a distance means to a driver (..., 5): how far, how near, whether within sight, the braking that would stop there, how pressing it is."""
    near = s.clamp_min(1.0)
    braking = (speed * speed / (2.0 * near) / 4.0).clamp_max(3.0)
    urge = _urge(s - FRONT_M, speed, speed)
    return torch.stack(
        [s / 50.0, torch.exp(-s.clamp_min(-5.0) / 10.0), (s < FAR_M - 1.0).to(s.dtype), braking, urge], -1
    )


def _urge(gap: Tensor, speed: Tensor, closing: Tensor) -> Tensor:
    """How pressing a gap is: wanted over actual gap, at most 3. The wanted one is the intelligent driver model's (Treiber et al. 2000)."""
    wanted = STAND_M + HEADWAY_S * speed + speed * closing / BRAKING_MPS2
    return (wanted.clamp_min(0.0) / gap.clamp_min(0.5)).clamp_max(3.0)


class LineEncoder(nn.Module):
    """One embedding per reference line."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.point, self.shape = mlp(11, dim, dim), nn.Linear(dim, dim)
        self.info = mlp(4 + 4 * 5 + 3, dim, dim)
        self.lead = mlp(8, dim, dim)
        self.beside, self.kind = mlp(17, dim, dim), nn.Embedding(KINDS, dim)
        self.object = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, f: Mapping[str, Tensor]) -> Tensor:
        """(B, R, D)."""
        speed = f["ego"][:, :1].clamp_min(0.0)
        return self.norm(self._shape(f) + self._info(f, speed) + self._objects(f, speed))

    def _shape(self, f: Mapping[str, Tensor]) -> Tensor:
        line, mask = f["reference"][:, :, ::POINT_STRIDE], f["reference_mask"][:, :, ::POINT_STRIDE]
        scale = line.new_tensor([1 / 50, 1 / 50, 1, 1, 1 / 15, 1, 1, 1, 1, 1])
        points = torch.cat([line * scale, mask[..., None].to(line.dtype)], -1)
        return self.shape(self.point(points).amax(2))

    def _info(self, f: Mapping[str, Tensor], speed: Tensor) -> Tensor:
        info = f["reference_info"]
        pose = torch.stack(
            [info[..., LATERAL] / 3.0, info[..., HEADING_SIN], info[..., HEADING_COS], info[..., LIMIT_HERE] / 15.0], -1
        )
        far = [_distance(info[..., k], speed) for k in (TO_RED, TO_YELLOW, TO_STOP, TO_ROUTE_END)]
        stood = f["ego"][:, None, 6:].expand(-1, info.shape[1], -1)
        waited = torch.cat([stood / 10.0, torch.exp(-stood), torch.exp(-stood / 3.0)], -1)
        return self.info(torch.cat([pose, *far, waited], -1))

    def _objects(self, f: Mapping[str, Tensor], speed: Tensor) -> Tensor:
        """Objects beside the line: gap ahead, clearance, closing speed, and when and how close they meet the ego's way if all go on as they do."""
        beside = torch.cat([f["reference_agent"], f["reference_static"]], 2)
        kind = torch.cat([f["agent_kind"], f["static_kind"]], 1)
        mask = torch.cat([f["agent_valid"][..., -1], f["static_mask"]], 1)
        s, d, vs, vd, half_s, half_d = beside.unbind(-1)
        v = speed[..., None]
        front = (f["vehicle"][:, :1] + 0.5 * f["vehicle"][:, 1:2])[..., None]
        half_width = (0.5 * f["vehicle"][:, 2:3])[..., None]
        gap = s - half_s - front
        clear = d.abs() - half_d - half_width
        closing = v - vs
        meet = gap.clamp_min(0.0) / closing.clamp_min(0.5)
        inward = -d.sign() * vd
        enter = clear.clamp_min(0.0) / inward.clamp_min(0.2)
        at_entry = s + vs * enter.clamp_max(8.0) - v * enter.clamp_max(8.0)
        braking = (closing.clamp_min(0.0) ** 2 / (2.0 * gap.clamp_min(1.0)) / 4.0).clamp_max(3.0)
        blocks = torch.sigmoid(-4.0 * clear)
        ahead = torch.sigmoid(s)
        rows = [
            s / 50.0, d / 5.0, vs / 10.0, vd / 3.0, half_s / 5.0, half_d / 2.0, gap / 20.0, torch.exp(-gap.abs() / 8.0), clear / 3.0, blocks,
            blocks * ahead * torch.exp(-gap.clamp_min(0.0) / 20.0), closing / 10.0, _urge(gap, v, closing) * blocks * ahead, torch.exp(-meet / 3.0) * ahead, torch.exp(-enter / 3.0),
            at_entry / 20.0, braking * blocks * ahead,
        ]  # fmt: skip
        tokens = self.beside(torch.stack(rows, -1)) + self.kind(kind)[:, None]
        real = mask[:, None].expand(tokens.shape[:-1])
        return self.object(masked_max(tokens, real)) + self.lead(
            _lead(gap, vs, v, real & (clear < IN_WAY_M) & (s > 0.0))
        )


def nearest_line(targets: Mapping[str, Tensor]) -> Tensor:
    """The reference line (B,) nearest to where the expert was last seen."""
    b = len(targets["ego_future"])
    rows = torch.arange(b, device=targets["ego_future"].device)
    last = (targets["ego_future_valid"].sum(-1) - 1).clamp_min(0)
    end = targets["ego_future"][rows, last, :2]
    line = targets["reference"]
    gap = end[:, None, None] - line[..., :2]
    at = gap.square().sum(-1).argmin(-1)[..., None]
    gap = gap.gather(2, at[..., None].expand(-1, -1, -1, 2))[:, :, 0]
    ahead = line[..., 2:4].gather(2, at[..., None].expand(-1, -1, -1, 2))[:, :, 0]
    across = (ahead[..., 0] * gap[..., 1] - ahead[..., 1] * gap[..., 0]).abs()
    along = (ahead * gap).sum(-1).abs()
    far = (across + (along - 2.0).clamp_min(0.0)).masked_fill(~targets["reference_valid"], torch.inf)
    return far.argmin(-1)


def _lead(gap: Tensor, vs: Tensor, speed: Tensor, in_way: Tensor) -> Tensor:
    """The nearest object in the way (B, R, 8); zeros and a free road where there is none."""
    if gap.shape[-1] == 0:
        return gap.new_zeros(*gap.shape[:2], 8)
    nearest, at = gap.masked_fill(~in_way, FAR_M).min(-1, keepdim=True)
    present = (nearest < FAR_M).to(gap.dtype)
    pace = vs.gather(-1, at)
    closing = speed - pace
    urge = _urge(nearest, speed, closing)
    rows = [
        nearest / 50.0,
        torch.exp(-nearest.clamp_min(-2.0) / 5.0),
        pace / 10.0,
        closing / 5.0,
        urge,
        urge * urge / 3.0,
        speed.expand_as(nearest) / 10.0,
    ]
    return torch.cat([torch.cat(rows, -1) * present, present], -1)
