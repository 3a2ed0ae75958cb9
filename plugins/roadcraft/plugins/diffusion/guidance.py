"""Guidance: energies of sampled drives whose gradients bend a sample while it is drawn (Diffusion Planner,
Zheng et al. 2025). Ego frame, SI units.

Energies are means over the drive, each about 1 for a fault that matters; they add up by the scales of the config.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from roadcraft.core.driving.features.reference_lines import LIMIT_HERE
from roadcraft.core.driving.geometry.frames import to_frame
from roadcraft.plugins.common.frenet import INTERVAL_S
from roadcraft.plugins.diffusion.config import GuidanceConfig

EVERY = 4  # poses that are looked at: every 0.4 s
MARGIN_M = 0.5  # kept to others
HALF_LANE_M = 1.75
ALONG_MPS2, ACROSS_MPS2, JERK_MPS3 = 2.0, 3.0, 4.0  # what passengers bear
EGO_CIRCLES = (-0.36, 0.0, 0.36)  # centers of the circles that stand for the ego, in lengths from the middle of its box

Decode = Callable[[Tensor, Mapping[str, Tensor]], Tensor]  # values (B, K, E), features -> drives (B, K, T, 5)


def collision(ego: Tensor, agents: Tensor, f: Mapping[str, Tensor]) -> Tensor:
    """How deep the ego's circles reach into the agents' boxes (B, K). ego (B, K, T, 5), agents (B, K, A, T, 4)."""
    count = agents.shape[2]
    if count == 0:
        return ego.new_zeros(ego.shape[:2])
    vehicle = f["vehicle"][:, None, None]
    shift = vehicle[..., :1] + vehicle[..., 1:2] * ego.new_tensor(EGO_CIRCLES)
    circles = ego[..., None, :2] + shift[..., None] * ego[..., None, 2:4]  # (B, K, T, 3, 2)
    gap = circles[:, :, None] - agents[..., None, :2]
    c, s = agents[..., None, 2], agents[..., None, 3]
    local = torch.stack(to_frame(gap[..., 0], gap[..., 1], c, s), -1)
    over = local.abs() - 0.5 * f["agent_size"][:, None, :count, None, None]
    outside = (over.clamp_min(0.0).square().sum(-1) + 1e-6).sqrt()
    distance = outside + over.amax(-1).clamp_max(0.0)
    reach = 0.5 * vehicle[..., 2:3, None] + MARGIN_M
    deep = (reach - distance).clamp_min(0.0).square() * f["agent_valid"][:, None, :count, -1, None, None]
    return deep.amax(-1).sum(2).mean(-1)


def drivable(ego: Tensor, f: Mapping[str, Tensor]) -> Tensor:
    """How far the middle of the ego's box comes off the lanes ahead, less what its lane leaves free (B, K)."""
    line = f["reference"][:, :, ::2, :4]
    middle = ego[..., :2] + f["vehicle"][:, None, None, :1] * ego[..., 2:4]
    gap = middle[:, :, :, None, None] - line[:, None, None, ..., :2]  # (B, K, T, R, P, 2)
    near = gap.square().sum(-1).argmin(-1)[..., None]
    normal = torch.stack([-line[..., 3], line[..., 2]], -1)[:, None, None]
    across = (gap * normal).sum(-1).gather(-1, near)[..., 0].abs()
    across = across.masked_fill(~f["reference_valid"][:, None, None], torch.inf).amin(-1)
    free = (HALF_LANE_M - 0.5 * f["vehicle"][:, None, None, 2]).clamp_min(0.2)
    return (across - free).clamp_min(0.0).square().mean(-1)


def speed(ego: Tensor, f: Mapping[str, Tensor]) -> Tensor:
    """Speed above the limit of the ego's lane, and off the target that is told, as it should be reached at 1 m/s2 (B,
    K)."""
    pace = ego[..., 4]
    limit = f["reference_info"][:, :1, LIMIT_HERE, None]
    above = (pace - limit).clamp_min(0.0) * (limit > 0.0)
    energy = above.square().mean(-1)
    if "target_speed" in f:
        target, now = f["target_speed"][:, None], f["ego"][:, None, :1]
        t = EVERY * INTERVAL_S * torch.arange(1, pace.shape[-1] + 1, device=pace.device)
        wanted = now + (target - now).clamp(-t, t)
        energy = energy + ((pace - wanted).square() * f["target_speed_valid"][:, None, None]).mean(-1)
    return energy / 4.0


def comfort(ego: Tensor) -> Tensor:
    """Accelerations along and across and jerk beyond what passengers bear (B, K)."""
    dt = EVERY * INTERVAL_S
    along = ego[..., 4].diff(dim=-1) / dt
    jerk = along.diff(dim=-1) / dt
    c, s = ego[..., 2], ego[..., 3]
    sine = c[..., :-1] * s[..., 1:] - s[..., :-1] * c[..., 1:]
    across = sine / dt * ego[..., 1:, 4]
    parts = ((along, ALONG_MPS2), (jerk, JERK_MPS3), (across, ACROSS_MPS2))
    return torch.stack([(v.abs() - bound).clamp_min(0.0).square().mean(-1) for v, bound in parts]).sum(0)


def energy(config: GuidanceConfig, ego: Tensor, agents: Tensor, f: Mapping[str, Tensor]) -> Tensor:
    """The weighted sum (B, K) of drives (B, K, T, 5) among agents (B, K, A, T, 4)."""
    ego, agents = ego[:, :, EVERY - 1 :: EVERY], agents[..., EVERY - 1 :: EVERY, :]
    total = ego.new_zeros(ego.shape[:2])
    if config.collision:
        total = total + config.collision * collision(ego, agents, f)
    if config.drivable:
        total = total + config.drivable * drivable(ego, f)
    if config.speed:
        total = total + config.speed * speed(ego, f)
    if config.comfort:
        total = total + config.comfort * comfort(ego)
    return total


def apply_guidance(
    config: GuidanceConfig, values: Tensor, decode: Decode, agents: Tensor, f: Mapping[str, Tensor]
) -> Tensor:
    """Values (B, K, E) moved down their energy's gradient, each sample by at most ``config.limit``.

    Planners run in inference mode, whose tensors know no gradients: what takes part is copied out of it.
    """
    with torch.inference_mode(False), torch.enable_grad():
        own = {k: v.clone() for k, v in f.items()}
        x = values.clone().requires_grad_()
        total = energy(config, decode(x, own), agents.clone(), own).sum()
        slope = torch.autograd.grad(total, x)[0]
    size = slope.norm(dim=-1, keepdim=True)
    return values - slope * (config.limit / size.clamp_min(1e-6)).clamp_max(1.0)
