"""Encodes a scene as a graph of ego, agents, static objects, pieces of lanes and crosswalks, by attention along edges
that tell relative poses.

Query-centric (QCNet, Zhou et al. 2023): everything is described in its own frame and sees others in that frame, so the
map's part need not be computed anew at every step (``map_part``). Last of all each token is told where it is in the
frame of the ego, which is what a decoder asks.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from roadcraft.core.data.scenario import LightState, ObjectKind
from roadcraft.core.types import FeatureSpec, SceneEncoding, TokenKind
from roadcraft.plugins.common.agent_motion import agent_size, describe_agents
from roadcraft.plugins.common.ego import EgoStates
from roadcraft.plugins.common.layers import mlp, pose_of_line
from roadcraft.plugins.hetero_gnn.config import HeteroGnnConfig
from roadcraft.plugins.hetero_gnn.edges import Edges, RelativePose, make_edges, nearest, relative
from roadcraft.plugins.hetero_gnn.layers import GraphLayer, Relation, name_of
from roadcraft.plugins.hetero_gnn.map_part import MapPart

LIGHTS = len(LightState) + 1  # and none
RELATIONS: tuple[Relation, ...] = (("lane", "agent"), ("agent", "agent"), ("static", "agent"), ("agent", "lane"))


class HeteroGnn(nn.Module):
    """See the module's docstring. Tokens stand in the order of ``TokenKind``. In the graph the ego is the first of the
    agents."""

    def __init__(self, config: HeteroGnnConfig) -> None:
        super().__init__()
        self.config = c = config
        dim = self.dim = config.dim
        self.ego = EgoStates(c)
        self.agent = mlp(agent_size(c.past_steps), dim, dim)
        self.object_kind = nn.Embedding(len(ObjectKind), dim)
        self.static = mlp(2, dim, dim)
        self.map = MapPart(config)
        self.light, self.route = nn.Embedding(LIGHTS, dim), nn.Embedding(2, dim)
        self.edge = nn.ModuleDict({name_of(r): RelativePose(c.edge_dim) for r in RELATIONS})
        self.layers = nn.ModuleList(
            GraphLayer(RELATIONS, dim, c.edge_dim, c.heads, c.feed_forward, c.dropout) for _ in range(c.layers)
        )
        self.place, self.kind = RelativePose(dim), nn.Embedding(len(TokenKind), dim)
        self.norm = nn.LayerNorm(dim)

    def features(self) -> FeatureSpec:
        return self.config.features(lane_links=self.config.lane_successors)

    def encode(
        self, features: Mapping[str, Tensor], cache: Mapping[str, Tensor] | None = None
    ) -> tuple[SceneEncoding, dict[str, Tensor] | None]:
        """The scene's tokens. cache: ids (B, N + C) int64 of the lanes and crosswalks in view, tokens (B, N + C, D) of
        the map part. An answer from the cache is the one computed anew, bit for bit. Where gradients are recorded
        nothing is kept.
        """
        f = features
        lanes, kept = f["lane_id"].shape[1], None
        if torch.is_grad_enabled():
            known = self.map(f)
        else:
            known, kept = self.map.recall(f, cache)
        lane, crosswalk = self._in_view(f, known[:, :lanes]), _reorder(known[:, lanes:], f["crosswalk_id"])
        agent = self.agent(describe_agents(f)) + self.object_kind(f["agent_kind"])
        x = {
            "agent": torch.cat([self.ego(f)[:, None], agent], 1),
            "static": self.static(f["static"][..., 4:6]) + self.object_kind(f["static_kind"]),
            "lane": lane,
        }
        pose, mask = self._poses(f)
        edges = self._edges(pose, mask)
        for layer in self.layers:
            x = layer(x, edges)
        return self._tokens({**x, "crosswalk": crosswalk}, pose, mask), kept

    def _in_view(self, f: Mapping[str, Tensor], known: Tensor) -> Tensor:
        """Lanes in the order of the features, with what changes: lights, and the route."""
        route = (f["lane_info"][..., 1] > 0.5).long()
        return _reorder(known, f["lane_id"]) + self.light(f["lane_light"]) + self.route(route)

    def _poses(self, f: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Poses (B, N, 4) x, y, cos, sin in the ego frame and masks (B, N) by kind of node."""
        here = f["ego"].new_tensor([0.0, 0.0, 1.0, 0.0]).expand(len(f["ego"]), 1, 4)
        real = torch.ones(len(here), 1, dtype=torch.bool, device=here.device)
        center = f["crosswalk"].mean(2)
        ahead = here[..., 2:].expand(-1, center.shape[1], -1)
        pose = {
            "agent": torch.cat([here, f["agent"][:, :, -1, :4]], 1),
            "static": f["static"][..., :4],
            "lane": pose_of_line(f["lane"][..., :2]),
            "crosswalk": torch.cat([center, ahead], -1),
        }
        mask = {
            "agent": torch.cat([real, f["agent_valid"][..., -1]], 1),
            "static": f["static_mask"],
            "lane": f["lane_mask"],
            "crosswalk": f["crosswalk_mask"],
        }
        return pose, mask

    def _edges(self, pose: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> dict[Relation, Edges]:
        c = self.config
        counts = dict(zip(RELATIONS, (c.agent_lanes, c.agent_agents, c.agent_static, c.lane_agents), strict=True))
        edges = {}
        for (sender, receiver), count in counts.items():
            allowed = mask[receiver][..., None] & mask[sender][:, None]
            if sender == receiver:
                allowed = allowed & ~torch.eye(allowed.shape[1], dtype=torch.bool, device=allowed.device)
            slots, real = nearest(pose[receiver], pose[sender], allowed, count, c.agent_radius_m)
            attr = self.edge[name_of((sender, receiver))](relative(pose[receiver], pose[sender], slots))
            edges[sender, receiver] = make_edges(slots, real, attr, pose[sender].shape[1])
        return edges

    def _tokens(
        self, x: Mapping[str, Tensor], poses: Mapping[str, Tensor], masks: Mapping[str, Tensor]
    ) -> SceneEncoding:
        kinds = ("agent", "static", "lane", "crosswalk")
        pose, mask = (torch.cat([part[k] for k in kinds], 1) for part in (poses, masks))
        b, device = len(pose), pose.device
        codes = [TokenKind.AGENT, TokenKind.STATIC, TokenKind.LANE, TokenKind.CROSSWALK]
        kind = torch.cat([torch.full((x[k].shape[1],), c, device=device) for k, c in zip(kinds, codes, strict=True)])
        kind[0] = TokenKind.EGO
        tokens = torch.cat([x[k] for k in kinds], 1) + self.place(pose) + self.kind(kind)
        where = torch.cat([pose[..., :2], torch.atan2(pose[..., 3], pose[..., 2])[..., None]], -1)
        ego = torch.zeros(b, dtype=torch.int64, device=device)
        return SceneEncoding(self.norm(tokens) * mask[..., None], mask, where, kind.expand(b, -1), ego)


def _reorder(known: Tensor, ids: Tensor) -> Tensor:
    """Tokens (B, N, D) by ascending id in the order of ids (B, N)."""
    rank = ids.argsort(dim=1, stable=True).argsort(1)
    return known.gather(1, rank[..., None].expand_as(known))
