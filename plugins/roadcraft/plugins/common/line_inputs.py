"""Inputs of a line's embedding, in torch: the traffic rules along it and the objects near it."""

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
IN_PATH_M = 0.2  # an object with less clearance than this is on the ego's path
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


def describe_objects(objects: Tensor, real: Tensor, speed: Tensor, vehicle: Tensor) -> tuple[Tensor, Tensor]:
    """Objects near the lines (B, R, N, 17): gap ahead, clearance, closing speed, and when and how close they meet the
    ego's path at constant velocity; and the nearest object on that path (B, R, 8). objects (B, R, N, 6), real (B, N),
    speed (B, 1), vehicle (B, 4)."""
    s, d, vs, vd, half_s, half_d = objects.unbind(-1)
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
        blocks * ahead * torch.exp(-gap.clamp_min(0.0) / 20.0), closing / 10.0,
        _gap_ratio(gap, v, closing) * blocks * ahead,
        torch.exp(-meet / 3.0) * ahead, torch.exp(-enter / 3.0),
        at_entry / 20.0, braking * blocks * ahead,
    ]  # fmt: skip
    lead = _lead(gap, vs, v, real[:, None] & (clear < IN_PATH_M) & (s > 0.0))
    return torch.stack(rows, -1), lead


def _distance(s: Tensor, speed: Tensor) -> Tensor:
    """Inputs of a distance (..., 5): the distance, its decay, whether it is known, the braking that would stop there,
    and the ratio of the desired gap to it."""
    near = s.clamp_min(1.0)
    braking = (speed * speed / (2.0 * near) / 4.0).clamp_max(3.0)
    ratio = _gap_ratio(s - FRONT_M, speed, speed)
    return torch.stack(
        [s / 50.0, torch.exp(-s.clamp_min(-5.0) / 10.0), (s < FAR_M - 1.0).to(s.dtype), braking, ratio], -1
    )


def _gap_ratio(gap: Tensor, speed: Tensor, closing: Tensor) -> Tensor:
    """Ratio of the desired gap of the intelligent driver model (Treiber et al. 2000) to the gap, at most 3."""
    desired = STAND_M + HEADWAY_S * speed + speed * closing / BRAKING_MPS2
    return (desired.clamp_min(0.0) / gap.clamp_min(0.5)).clamp_max(3.0)


def _lead(gap: Tensor, vs: Tensor, speed: Tensor, in_path: Tensor) -> Tensor:
    """The nearest object on the path (B, R, 8); zeros where there is none."""
    if gap.shape[-1] == 0:
        return gap.new_zeros(*gap.shape[:2], 8)
    nearest, at = gap.masked_fill(~in_path, FAR_M).min(-1, keepdim=True)
    present = (nearest < FAR_M).to(gap.dtype)
    lead_speed = vs.gather(-1, at)
    closing = speed - lead_speed
    ratio = _gap_ratio(nearest, speed, closing)
    rows = [
        nearest / 50.0,
        torch.exp(-nearest.clamp_min(-2.0) / 5.0),
        lead_speed / 10.0,
        closing / 5.0,
        ratio,
        ratio * ratio / 3.0,
        speed.expand_as(nearest) / 10.0,
    ]
    return torch.cat([torch.cat(rows, -1) * present, present], -1)
