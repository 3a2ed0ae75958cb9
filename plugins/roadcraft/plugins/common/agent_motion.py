"""What an agent did, in its own frame."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from roadcraft.plugins.common.ego import SPEED_SCALE
from roadcraft.plugins.common.kernels import agents_into, array, compiled
from roadcraft.plugins.common.layers import into_frame


def agent_size(past_steps: int) -> int:
    """Columns of ``describe_agents``."""
    return (past_steps - 1) * 6 + 5


def describe_agents(f: Mapping[str, Tensor]) -> Tensor:
    """(B, A, agent_size): what changed from step to step, velocity, speed and size, in the frame of the agent as it
    stands now."""
    agent, valid, size = f["agent"], f["agent_valid"], f["agent_size"]
    if not compiled(agent):
        return described(agent, valid, size)
    out = torch.empty(*agent.shape[:2], agent_size(agent.shape[2]))
    agents_into(*map(array, (agent, valid, size)), SPEED_SCALE, out.numpy())
    return out


def described(a: Tensor, valid: Tensor, size: Tensor) -> Tensor:
    """``describe_agents`` in torch."""
    now = a[:, :, -1]
    both = (valid[..., 1:] & valid[..., :-1])[..., None]
    moved = into_frame(a[:, :, 1:, :2] - a[:, :, :-1, :2], now) * both
    turned = (a[:, :, 1:, 2:4] - a[:, :, :-1, 2:4]) * both
    faster = (a[:, :, 1:, 4:].norm(dim=-1) - a[:, :, :-1, 4:].norm(dim=-1))[..., None] * both
    steps = torch.cat([moved, turned, faster, both.to(a.dtype)], -1).flatten(2)
    velocity = into_frame(now[..., 4:], now) / SPEED_SCALE
    speed = velocity.norm(dim=-1, keepdim=True)
    return torch.cat([steps, velocity, speed, size / 5.0], -1)
