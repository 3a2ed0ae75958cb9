"""A scene encoder: one small network per kind of token, mixed by two attention layers. Small, but complete.

The ego's token holds its speed, and of its other states only now and then: a network that sees how it
accelerates repeats that instead of looking around.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from roadcraft.core import EgoColumn, FeatureSpec, LightState, ObjectKind, SceneEncoding, TokenKind

from __PACKAGE__.plugin import __CLASS__Config

Features = Mapping[str, Tensor]

STATE_DROPOUT = 0.75  # of the ego's states but its speed, in training
LIGHTS = len(LightState) + 1  # and none
SEEN = [EgoColumn.VX, EgoColumn.AX, EgoColumn.STOPPED_TIME_S]  # of the ego's states


def mlp(inputs: int, dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, dim), nn.GELU(), nn.Linear(dim, dim))


class __CLASS__(nn.Module):
    def __init__(self, config: __CLASS__Config) -> None:
        super().__init__()
        self.dim = dim = config.dim
        self.spec = FeatureSpec(
            agents=16,
            static=6,
            lanes=24,
            lane_points=10,
            route_lanes=0,
            crosswalks=4,
            reference_lines=0,
            radius_m=80.0,
        )
        self.ego, self.agent, self.static = mlp(len(SEEN) + 4, dim), mlp(8, dim), mlp(6, dim)
        self.lane_point, self.lane_info, self.crosswalk_point = mlp(6, dim), mlp(4, dim), mlp(2, dim)
        self.object_kind, self.light = nn.Embedding(len(ObjectKind), dim), nn.Embedding(LIGHTS, dim)
        self.kind = nn.Embedding(len(TokenKind), dim)
        layer = nn.TransformerEncoderLayer(dim, 4, 2 * dim, batch_first=True, dropout=0.0, norm_first=True)
        self.mix = nn.TransformerEncoder(layer, 2, nn.LayerNorm(dim), enable_nested_tensor=False)

    def features(self) -> FeatureSpec:
        return self.spec

    def encode(self, features: Features, cache: Any = None) -> tuple[SceneEncoding, Any]:
        f = features
        now, lane, crosswalk = f["agent"][:, :, -1], f["lane"], f["crosswalk"]
        place = now.new_tensor([1 / 50, 1 / 50, 1, 1])
        parts = {
            TokenKind.EGO: self._ego(f)[:, None],
            TokenKind.AGENT: self.agent(
                torch.cat([now[..., :4] * place, now[..., 4:] / 10, f["agent_size"] / 5], -1)
            )
            + self.object_kind(f["agent_kind"]),
            TokenKind.STATIC: self.static(torch.cat([f["static"][..., :4] * place, f["static"][..., 4:] / 5], -1))
            + self.object_kind(f["static_kind"]),
            TokenKind.LANE: self.lane_point(lane / 50).amax(2)
            + self.lane_info(f["lane_info"] / now.new_tensor([15, 1, 1, 1]))
            + self.light(f["lane_light"]),
            TokenKind.CROSSWALK: self.crosswalk_point(crosswalk / 50).amax(2),
        }
        ones = torch.ones_like(f["agent_valid"][:, :1, -1])
        mask = torch.cat(
            [ones, f["agent_valid"][:, :, -1], f["static_mask"], f["lane_mask"], f["crosswalk_mask"]], 1
        )
        origin = now.new_zeros(len(now), 1, 3)
        rows = [now, f["static"], _middle(lane), _middle(crosswalk)]
        pose = torch.cat([origin, *map(_pose, rows)], 1)
        kind = torch.cat([torch.full(x.shape[:2], int(k), device=now.device) for k, x in parts.items()], 1)
        tokens = self.mix(torch.cat(list(parts.values()), 1) + self.kind(kind), src_key_padding_mask=~mask)
        return SceneEncoding(tokens * mask[..., None], mask, pose, kind, torch.zeros_like(kind[:, 0])), cache

    def _ego(self, f: Features) -> Tensor:
        """Speed, acceleration, seconds for which it has just stood; and the vehicle's size."""
        state = f["ego"][:, SEEN] / 10
        if self.training:
            state = state * torch.cat(
                [torch.ones_like(state[:, :1]), (torch.rand_like(state[:, 1:]) >= STATE_DROPOUT) * 1.0], -1
            )
        ego: Tensor = self.ego(torch.cat([state, f["vehicle"] / 5], -1))
        return ego


def _pose(rows: Tensor) -> Tensor:
    """x, y, heading of rows x, y, cos, sin, ..."""
    return torch.cat([rows[..., :2], torch.atan2(rows[..., 3:4], rows[..., 2:3])], -1)


def _middle(line: Tensor) -> Tensor:
    """Middle of lines (B, N, P, ...) and the direction there: x, y, cos, sin (not scaled)."""
    k = line.shape[2] // 2
    return torch.cat([line[:, :, k, :2], line[:, :, k, :2] - line[:, :, k - 1, :2]], -1)
