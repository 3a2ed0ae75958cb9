"""What a line's embedding is made of, in torch: the rules along it and the objects beside it as numbers that mean
something to a driver."""

from __future__ import annotations

import torch
from torch import Tensor

from roadcraft.core.driving.features.reference_lines import (
    HEADING_COS,
    HEADING_SIN,
    LATERAL,
    LIMIT_HERE,
    TO_RED,
    TO_ROUTE_END,
    TO_STOP,
    TO_YELLOW,
)

INFO_COLUMNS = 4 + 4 * 5 + 3  # of ``describe_info``
IN_WAY_M = 0.2  # nearer to the ego's way than this is in it
FAR_M = 200.0
STAND_M, HEADWAY_S, BRAKING_MPS2 = 1.5, 1.2, 3.0  # a usual driver's; they only scale an input
FRONT_M = 4.0  # rear axle to front end of a usual car: likewise


def describe_info(info: Tensor, speed: Tensor, stood: Tensor) -> Tensor:
    """The ego's place on each line and what lies ahead on it (B, R, INFO_COLUMNS), of info (B, R, 8), speed (B, 1) and
    how long it has stood, stood (B, 1) s."""
    pose = torch.stack(
        [info[..., LATERAL] / 3.0, info[..., HEADING_SIN], info[..., HEADING_COS], info[..., LIMIT_HERE] / 15.0], -1
    )
    far = [_distance(info[..., k], speed) for k in (TO_RED, TO_YELLOW, TO_STOP, TO_ROUTE_END)]
    stood = stood[:, None].expand(-1, info.shape[1], -1)
    waited = torch.cat([stood / 10.0, torch.exp(-stood), torch.exp(-stood / 3.0)], -1)
    return torch.cat([pose, *far, waited], -1)


def describe_beside(beside: Tensor, real: Tensor, speed: Tensor, vehicle: Tensor) -> tuple[Tensor, Tensor]:
    """Objects beside the lines (B, R, N, 17): gap ahead, clearance, closing speed, and when and how close they meet the
    ego's way if all go on as they do; and the nearest in the way (B, R, 8). beside (B, R, N, 6), real (B, N), speed (B,
    1), vehicle (B, 4)."""
    s, d, vs, vd, half_s, half_d = beside.unbind(-1)
    v = speed[..., None]
    front = (vehicle[:, :1] + 0.5 * vehicle[:, 1:2])[..., None]
    half_width = (0.5 * vehicle[:, 2:3])[..., None]
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
        s / 50.0, d / 5.0, vs / 10.0, vd / 3.0, half_s / 5.0, half_d / 2.0, gap / 20.0, torch.exp(-gap.abs() / 8.0),
        clear / 3.0, blocks,
        blocks * ahead * torch.exp(-gap.clamp_min(0.0) / 20.0), closing / 10.0, _urge(gap, v, closing) * blocks * ahead,
        torch.exp(-meet / 3.0) * ahead, torch.exp(-enter / 3.0),
        at_entry / 20.0, braking * blocks * ahead,
    ]  # fmt: skip
    lead = _lead(gap, vs, v, real[:, None] & (clear < IN_WAY_M) & (s > 0.0))
    return torch.stack(rows, -1), lead


def _distance(s: Tensor, speed: Tensor) -> Tensor:
    """What a distance means to a driver (..., 5): how far, how near, whether within sight, the braking that would stop
    there, how pressing it is."""
    near = s.clamp_min(1.0)
    braking = (speed * speed / (2.0 * near) / 4.0).clamp_max(3.0)
    urge = _urge(s - FRONT_M, speed, speed)
    return torch.stack(
        [s / 50.0, torch.exp(-s.clamp_min(-5.0) / 10.0), (s < FAR_M - 1.0).to(s.dtype), braking, urge], -1
    )


def _urge(gap: Tensor, speed: Tensor, closing: Tensor) -> Tensor:
    """How pressing a gap is: wanted over actual gap, at most 3. The wanted one is the intelligent driver model's
    (Treiber et al. 2000)."""
    wanted = STAND_M + HEADWAY_S * speed + speed * closing / BRAKING_MPS2
    return (wanted.clamp_min(0.0) / gap.clamp_min(0.5)).clamp_max(3.0)


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
