"""Who moves in a scene: the ego first, then the agents of the features; and how they have moved until now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from roadcraft.plugins.tokens.geometry import as_pose, relative
from roadcraft.plugins.tokens.vocabulary import TOKEN_S

CLASSES = 3  # vehicle, pedestrian, bicycle


@dataclass
class Actors:
    """A actors of B scenes, poses complex in the ego frame. pose (B, A, 2) of the box centers now; size (B, A, 2); kind
    (B, A) int64 class; valid (B, A) bool; moved (B, A, P, 2): the last half-second motions, oldest first, and
    moved_valid (B, A, P); where nothing is known they are steady at the present speed."""

    pose: Tensor
    size: Tensor
    kind: Tensor
    valid: Tensor
    moved: Tensor
    moved_valid: Tensor


@dataclass
class Goals:
    """What the actors did: pose (B, A, S + 1, 2) every half second from now on, valid (B, A, S + 1)."""

    pose: Tensor
    valid: Tensor

    def first(self, steps: int) -> Goals:
        """The first so many half seconds of them."""
        return Goals(self.pose[:, :, : steps + 1], self.valid[:, :, : steps + 1])


def actors_of(f: Mapping[str, Tensor], past: int, stride: int) -> Actors:
    """Actors of the features. past: half-second motions told; stride: frames of the history per half second. Kinds
    other than the classes count as vehicles."""
    agent, seen = as_pose(f["agent"][..., :4]), f["agent_valid"]
    b, a, h = seen.shape
    here = ego_center(as_pose(f["ego"].new_tensor([0.0, 0.0, 1.0, 0.0])).expand(b, 1, 2), f["vehicle"])
    pose = torch.cat([here, agent[:, :, -1]], 1)
    valid = torch.cat([seen.new_ones(b, 1), seen[:, :, -1]], 1)
    kind = torch.where(f["agent_kind"] < CLASSES, f["agent_kind"], 0).clamp_min(0)
    size = torch.cat([f["vehicle"][:, None, 1:3], f["agent_size"]], 1)
    now = f["agent"][:, :, -1]
    speed = torch.cat([f["ego"][:, :1], now[..., 2] * now[..., 4] + now[..., 3] * now[..., 5]], 1)
    still = torch.zeros_like(speed)
    steady = as_pose(torch.stack([speed * TOKEN_S, still, still + 1.0, still], -1))
    moved = steady[:, :, None].repeat(1, 1, past, 1)
    known = valid.new_zeros(b, a + 1, past)
    for p in range(min(past, (h - 1) // stride)):
        now_at, then_at = h - 1 - p * stride, h - 1 - (p + 1) * stride
        both = seen[:, :, now_at] & seen[:, :, then_at]
        step = relative(agent[:, :, then_at], agent[:, :, now_at])
        moved[:, 1:, past - 1 - p] = torch.where(both[..., None], step, moved[:, 1:, past - 1 - p])
        known[:, 1:, past - 1 - p] = both
    return Actors(pose, size, torch.cat([kind.new_zeros(b, 1), kind], 1), valid, moved, known)


def goals_of(actors: Actors, t: Mapping[str, Tensor], stride: int) -> Goals:
    """Where the actors went. stride: steps of the targets between two poses."""
    ego = ego_center(as_pose(t["ego_future"][:, None, stride - 1 :: stride, :4]), t["vehicle"])
    future = torch.cat([ego, as_pose(t["agent_future"][:, :, stride - 1 :: stride])], 1)
    seen = torch.cat([t["ego_future_valid"][:, None], t["agent_future_valid"]], 1)[:, :, stride - 1 :: stride]
    pose = torch.cat([actors.pose[:, :, None], future], 2)
    return Goals(pose, torch.cat([actors.valid[:, :, None], seen & actors.valid[:, :, None]], 2))


def ego_center(rear: Tensor, vehicle: Tensor) -> Tensor:
    """Box centers of poses (B, ..., 2) of the ego's rear axle. vehicle (B, 4), as in the features."""
    return _shift(rear, vehicle[:, 0])


def ego_rear(center: Tensor, vehicle: Tensor) -> Tensor:
    """The inverse of ``ego_center``."""
    return _shift(center, -vehicle[:, 0])


def _shift(pose: Tensor, by: Tensor) -> Tensor:
    ahead = by.view(-1, *([1] * (pose.dim() - 2)))
    return torch.stack([pose[..., 0] + ahead * pose[..., 1], pose[..., 1]], -1)
