"""Slower copies of trajectories along their own path."""

from __future__ import annotations

import torch
from torch import Tensor


def slower_copies(
    trajectories: Tensor, time_s: Tensor, now: Tensor, shares: tuple[float, ...], deceleration: float, jerk: float
) -> Tensor:
    """Copies (B, F, K, T, S) of trajectories (B, K, T, S), columns x, y, cos, sin and perhaps speed (S 4 or 5), in the
    ego frame.

    A copy keeps to the path of its trajectory, at ``shares[f]`` of its speed and never faster, but slows down from the
    present speed by ``deceleration`` m/s2 at most, which it takes on from the present one by ``jerk`` m/s3.

    Arguments:
        trajectories: x, y in m.
        time_s: (T,) from now.
        now: (B, 2), the ego's speed in m/s and acceleration in m/s2.
        shares: F of them.
        deceleration: positive.
        jerk: positive.
    """
    b, k = trajectories.shape[:2]
    start = trajectories.new_tensor([0.0, 0.0, 1.0, 0.0]).expand(b, k, 1, 4)
    path = torch.cat([start, trajectories[..., :4]], 2)
    step = torch.diff(time_s, prepend=time_s.new_zeros(1))
    moved = (path[:, :, 1:, :2] - path[:, :, :-1, :2]).norm(dim=-1)
    speed, along = moved / step, torch.nn.functional.pad(moved.cumsum(-1), (1, 0))
    least = _braking(now, time_s, deceleration, jerk)[:, None, None]  # (B, 1, 1, T)
    share = time_s.new_tensor(shares)[:, None, None]
    wanted = torch.minimum(speed[:, None], torch.maximum(share * speed[:, None], least))  # (B, F, K, T)
    place = torch.minimum((wanted * step).cumsum(-1), along[:, None, :, -1:])
    f = len(shares)
    ways = along[:, None].expand(b, f, k, -1).contiguous()
    after = torch.searchsorted(ways, place.contiguous()).clamp(1, path.shape[2] - 1)
    low, high = (ways.gather(-1, i) for i in (after - 1, after))
    part = ((place - low) / (high - low).clamp_min(1e-6)).clamp(0.0, 1.0)[..., None]
    paths = path[:, None].expand(b, f, k, -1, 4)
    first, last = (paths.gather(3, i[..., None].expand(*i.shape, 4)) for i in (after - 1, after))
    poses = first + part * (last - first)
    heading = torch.nn.functional.normalize(poses[..., 2:], dim=-1)
    columns = [poses[..., :2], heading, wanted[..., None]]
    return torch.cat(columns[: 3 if trajectories.shape[-1] > 4 else 2], -1)


def _braking(now: Tensor, time_s: Tensor, deceleration: float, jerk: float) -> Tensor:
    """(B, T): speed at each time of one that brakes from now (B, 2) on, speed and acceleration, down to 0."""
    speed, accel = now[:, :1], now[:, 1:].clamp(-deceleration, 0.0)
    ramp = torch.minimum(time_s.expand(len(now), -1), (accel + deceleration) / jerk)
    lost = -accel * ramp + 0.5 * jerk * ramp.square() + deceleration * (time_s - ramp)
    return (speed - lost).clamp_min(0.0)
