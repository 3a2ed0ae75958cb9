"""Encodes a scene as vectors: one token each for the ego, agents, static objects, pieces of lanes and crosswalks, mixed
by a transformer.

In the manner of PlanTF (Cheng et al. 2023) and VectorNet (Gao et al. 2020): objects and polylines are described in
their own frame, and where they are is told by an embedding of their pose in the ego frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from roadcraft.core.data.scenario import LightState, ObjectKind
from roadcraft.core.types import FeatureSpec, SceneEncoding, TokenKind
from roadcraft.plugins.common.agent_motion import agent_size, describe_agents
from roadcraft.plugins.common.ego import SPEED_SCALE, EgoStates
from roadcraft.plugins.common.layers import TransformerLayer, into_frame, mlp, pose_of_line
from roadcraft.plugins.vector_transformer.config import VectorTransformerConfig

LIGHTS = len(LightState) + 1  # and none


class VectorTransformer(nn.Module):
    """See the module's docstring. Tokens stand in the order of ``TokenKind``."""

    def __init__(self, config: VectorTransformerConfig) -> None:
        super().__init__()
        self.config = config
        dim = self.dim = config.dim
        self.ego = EgoStates(config)
        self.agent = mlp(agent_size(config.past_steps), dim, dim)
        self.object_kind = nn.Embedding(len(ObjectKind), dim)
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
        return self.config.features()

    def encode(self, features: Mapping[str, Tensor], cache: Any = None) -> tuple[SceneEncoding, Any]:
        """The scene's tokens. The map is described in the moving ego frame, so nothing is kept in ``cache``."""
        f = features
        ego = self.ego(f)[:, None]
        agent = self.agent(describe_agents(f)) + self.object_kind(f["agent_kind"])
        agent_pose = f["agent"][:, :, -1, :4]
        static_pose = f["static"][..., :4]
        static = self.static(f["static"][..., 4:6]) + self.object_kind(f["static_kind"])
        lane, lane_pose = self._lanes(f)
        crosswalk, crosswalk_pose = self._crosswalks(f)
        here = ego.new_tensor([0.0, 0.0, 1.0, 0.0]).expand(len(ego), 1, 4)
        parts = [ego, agent, static, lane, crosswalk]
        pose = torch.cat([here, agent_pose, static_pose, lane_pose, crosswalk_pose], 1)
        real = torch.ones(len(ego), 1, dtype=torch.bool, device=ego.device)
        mask = torch.cat([real, f["agent_valid"][..., -1], f["static_mask"], f["lane_mask"], f["crosswalk_mask"]], 1)
        kind = torch.cat([torch.full((p.shape[1],), k, device=ego.device) for k, p in enumerate(parts)])
        scaled = torch.cat([pose[..., :2] / 50.0, pose[..., 2:]], -1)
        x = torch.cat(parts, 1) + self.place(scaled) + self.kind(kind)
        for layer in self.layers:
            x = layer(x, mask)
        tokens = self.norm(x) * mask[..., None]
        heading = torch.atan2(pose[..., 3], pose[..., 2])
        where = torch.cat([pose[..., :2], heading[..., None]], -1)
        first = torch.zeros(len(ego), dtype=torch.int64, device=ego.device)
        return SceneEncoding(tokens, mask, where, kind.expand(len(ego), -1), first), None

    def _lanes(self, f: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        lane, info = f["lane"], f["lane_info"]
        middle = lane.shape[2] // 2
        pose = pose_of_line(lane[..., :2])
        center = lane[..., :2]
        forward = torch.cat([center[:, :, 1:] - center[:, :, :-1], center[:, :, -1:] - center[:, :, -2:-1]], 2)
        ahead, left, right = forward / 2.0, (lane[..., 2:4] - center) / 2.0, (lane[..., 4:6] - center) / 2.0
        local = torch.stack([(center - center[:, :, middle : middle + 1]) / 20.0, ahead, left, right], 3)
        points = into_frame(local, pose).flatten(3)
        token = self.lane(self.lane_point(points).amax(2))
        known = (info[..., :1] > 0).to(info.dtype)
        about = torch.cat([info[..., :1] / SPEED_SCALE, 1.0 - known, info[..., 1:]], -1)
        return token + self.lane_info(about) + self.light(f["lane_light"]), pose

    def _crosswalks(self, f: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        outline = f["crosswalk"]
        center = outline.mean(2)
        pose = torch.cat([center, torch.ones_like(center[..., :1]), torch.zeros_like(center[..., :1])], -1)
        return self.crosswalk(self.crosswalk_point((outline - center[:, :, None]) / 5.0).amax(2)), pose
