"""Encodes a scene as vectors: one token each for the ego, agents, static objects, pieces of lanes and crosswalks, mixed by a transformer.

In the manner of PlanTF (Cheng et al. 2023) and VectorNet (Gao et al. 2020): objects and polylines are described in their own frame, and where they are
is told by an embedding of their pose in the ego frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from roadcraft.core.interfaces import FeatureSpec, SceneEncoding
from roadcraft.plugins.common.ego import SPEED_SCALE, EgoStates
from roadcraft.plugins.common.layers import TransformerLayer, into_frame, masked_max, mlp
from roadcraft.plugins.common.tokens import TokenKind
from roadcraft.plugins.vector_transformer.config import VectorTransformerConfig

KINDS = 7  # of ObjectKind
LIGHTS = 5  # LightState and none


class VectorTransformer(nn.Module):
    """See the module's docstring. Tokens stand in the order of ``TokenKind``."""

    def __init__(self, config: VectorTransformerConfig) -> None:
        super().__init__()
        self.config = config
        dim = self.dim = config.dim
        self.ego = EgoStates(dim, config.heads, config.ego_channels, config.kept_channels, config.state_dropout)
        self.agent = mlp((config.past_steps - 1) * 6 + 5, dim, dim)
        self.object_kind = nn.Embedding(KINDS, dim)
        self.static = mlp(2, dim, dim)
        self.lane_point, self.lane = mlp(8, dim // 2, dim // 2), mlp(dim // 2, dim, dim)
        self.lane_info, self.light = mlp(5, dim), nn.Embedding(LIGHTS, dim)
        self.crosswalk_point, self.crosswalk = mlp(2, dim // 2, dim // 2), mlp(dim // 2, dim)
        self.place = mlp(4, dim, dim)
        self.kind = nn.Embedding(len(TokenKind), dim)
        self.layers = nn.ModuleList(
            TransformerLayer(dim, config.heads, config.feed_forward, config.dropout) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(dim)

    def features(self) -> FeatureSpec:
        c = self.config
        return FeatureSpec(
            agents=c.agents,
            past_steps=c.past_steps,
            static=c.static,
            lanes=c.lanes,
            lane_points=c.lane_points,
            crosswalks=c.crosswalks,
            radius_m=c.radius_m,
            route_lanes=0,
            reference_lines=0,
            reference_points=0,
            future_agents=0,
        )

    def encode(self, features: Mapping[str, Tensor], cache: Any = None) -> tuple[SceneEncoding, Any]:
        """The scene's tokens. The map is described in the moving ego frame, so nothing is kept in ``cache``."""
        f = features
        ego = self.ego(f["ego"], f["vehicle"])[:, None]
        agent, agent_pose = self._agents(f)
        static_pose = f["static"][..., :4]
        static = self.static(f["static"][..., 4:6]) + self.object_kind(f["static_kind"])
        lane, lane_pose = self._lanes(f)
        crosswalk, crosswalk_pose = self._crosswalks(f)
        here = ego.new_tensor([0.0, 0.0, 1.0, 0.0]).expand(len(ego), 1, 4)
        parts = [ego, agent, static, lane, crosswalk]
        pose = torch.cat([here, agent_pose, static_pose, lane_pose, crosswalk_pose], 1)
        real = torch.ones(len(ego), 1, dtype=torch.bool, device=ego.device)
        mask = torch.cat([real, f["agent_valid"][..., -1], f["static_mask"], f["lane_mask"], f["crosswalk_mask"]], 1)
        codes = [torch.full((p.shape[1],), k, device=ego.device) for k, p in enumerate(parts)]
        kind = torch.cat(codes).expand(len(ego), -1)
        scaled = torch.cat([pose[..., :2] / 50.0, pose[..., 2:]], -1)
        x = torch.cat(parts, 1) + self.place(scaled) + self.kind(kind)
        for layer in self.layers:
            x = layer(x, mask)
        tokens = self.norm(x) * mask[..., None]
        heading = torch.atan2(pose[..., 3], pose[..., 2])
        where = torch.cat([pose[..., :2], heading[..., None]], -1)
        return SceneEncoding(
            tokens, mask, where, kind, torch.zeros(len(ego), dtype=torch.int64, device=ego.device)
        ), None

    def _agents(self, f: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Tokens and poses of agents: what changed from step to step, in the frame of the agent as it stands now."""
        a, valid = f["agent"], f["agent_valid"]
        now = a[:, :, -1]
        both = (valid[..., 1:] & valid[..., :-1])[..., None]
        moved = into_frame(a[:, :, 1:, :2] - a[:, :, :-1, :2], now) * both
        turned = (a[:, :, 1:, 2:4] - a[:, :, :-1, 2:4]) * both
        faster = (a[:, :, 1:, 4:].norm(dim=-1) - a[:, :, :-1, 4:].norm(dim=-1))[..., None] * both
        steps = torch.cat([moved, turned, faster, both.to(a.dtype)], -1).flatten(2)
        velocity = into_frame(now[..., 4:], now) / SPEED_SCALE
        speed = velocity.norm(dim=-1, keepdim=True)
        token = self.agent(torch.cat([steps, velocity, speed, f["agent_size"] / 5.0], -1))
        return token + self.object_kind(f["agent_kind"]), now[..., :4]

    def _lanes(self, f: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        lane, info = f["lane"], f["lane_info"]
        middle = lane.shape[2] // 2
        pose = _pose(lane[..., :2], middle)
        center = lane[..., :2]
        forward = torch.cat([center[:, :, 1:] - center[:, :, :-1], center[:, :, -1:] - center[:, :, -2:-1]], 2)
        local = [center - center[:, :, middle : middle + 1], forward, lane[..., 2:4] - center, lane[..., 4:6] - center]
        points = torch.cat([into_frame(v, pose) / s for v, s in zip(local, (20.0, 2.0, 2.0, 2.0), strict=True)], -1)
        token = self.lane(self.lane_point(points).amax(2))
        known = (info[..., :1] > 0).to(info.dtype)
        about = torch.cat([info[..., :1] / SPEED_SCALE, 1.0 - known, info[..., 1:]], -1)
        return token + self.lane_info(about) + self.light(f["lane_light"]), pose

    def _crosswalks(self, f: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        outline = f["crosswalk"]
        center = outline.mean(2)
        pose = torch.cat([center, torch.ones_like(center[..., :1]), torch.zeros_like(center[..., :1])], -1)
        mask = torch.ones(outline.shape[:3], dtype=torch.bool, device=outline.device)
        return self.crosswalk(masked_max(self.crosswalk_point((outline - center[:, :, None]) / 5.0), mask)), pose


def _pose(line: Tensor, middle: int) -> Tensor:
    """Pose (B, N, 4) x, y, cos, sin of polylines (B, N, P, 2) at their middle; zero lines look along x."""
    along = line[:, :, min(middle + 1, line.shape[2] - 1)] - line[:, :, middle - 1]
    length = along.norm(dim=-1, keepdim=True)
    ahead = torch.where(length > 1e-6, along / length.clamp_min(1e-6), along.new_tensor([1.0, 0.0]))
    return torch.cat([line[:, :, middle], ahead], -1)
