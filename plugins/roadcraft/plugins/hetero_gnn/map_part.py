"""What is static: lanes and crosswalks, each described in its own frame, and messages among lanes and from crosswalks
to lanes.

It reads the lane graph alone (``features``): no lights, no route, no ego. Nodes stand in the order of their ids, so
that the same pieces give the same answer to the last bit wherever the ego is, and an answer can be kept until the
pieces in view change.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from roadcraft.plugins.common.ego import SPEED_SCALE
from roadcraft.plugins.common.layers import mlp
from roadcraft.plugins.hetero_gnn.config import HeteroGnnConfig
from roadcraft.plugins.hetero_gnn.edges import Edges, RelativePose, make_edges, nearest, relative
from roadcraft.plugins.hetero_gnn.layers import GraphLayer, Relation

LANES: Relation = ("lane", "lane")
CROSSWALKS: Relation = ("crosswalk", "lane")
NEXT, PREVIOUS, LEFT, RIGHT, NEAR = range(5)
ARRAYS = (
    "lane_id",
    "lane_next",
    "lane_side",
    "lane_pose",
    "lane_shape",
    "lane_info",
    "crosswalk_id",
    "crosswalk_pose",
    "crosswalk_shape",
)
ROWS = 8  # scenes that are computed together where a few are not known


class MapPart(nn.Module):
    """Tokens (B, N + C, D) of lanes and crosswalks, each by ascending id, 0 where unused."""

    def __init__(self, config: HeteroGnnConfig) -> None:
        super().__init__()
        self.config = c = config
        self.lane_point, self.lane = mlp(8, c.dim // 2, c.dim // 2), mlp(c.dim // 2, c.dim, c.dim)
        self.lane_info = mlp(4, c.dim)
        self.crosswalk_point, self.crosswalk = mlp(2, c.dim // 2, c.dim // 2), mlp(c.dim // 2, c.dim)
        self.relation = nn.Embedding(5, c.edge_dim)
        self.lane_edge, self.crosswalk_edge = RelativePose(c.edge_dim), RelativePose(c.edge_dim)
        self.layers = nn.ModuleList(
            GraphLayer([LANES, CROSSWALKS], c.dim, c.edge_dim, c.heads, c.feed_forward, c.dropout)
            for _ in range(c.map_layers)
        )

    def recall(self, f: Mapping[str, Tensor], cache: Mapping[str, Tensor] | None) -> tuple[Tensor, dict[str, Tensor]]:
        """Tokens as by ``forward``, taken from ``cache`` where a scene's ids are those of its row, and the cache for
        the next step.

        Other scenes are computed ``ROWS`` at a time, the last group filled up, so that products have one shape however
        many scenes are new.
        """
        ids = torch.cat([f["lane_id"].sort(1).values, f["crosswalk_id"].sort(1).values], 1)
        b, n = ids.shape
        if cache is None:
            cache = {"ids": torch.zeros_like(ids), "tokens": f["lane_shape"].new_zeros(b, n, self.config.dim)}
        tokens = cache["tokens"]
        new = (cache["ids"] != ids).any(1).nonzero()[:, 0]
        if len(new):
            tokens = tokens.index_copy(0, new, self._some(f, new, min(ROWS, b)))
        return tokens, {"ids": ids, "tokens": tokens}

    def _some(self, f: Mapping[str, Tensor], scenes: Tensor, size: int) -> Tensor:
        """Tokens of the given scenes (M,), ``size`` at a time."""
        parts = []
        for group in scenes.split(size):
            rows = torch.cat([group, group[-1:].expand(size - len(group))])
            parts.append(self({k: f[k][rows] for k in ARRAYS})[: len(group)])
        return torch.cat(parts)

    def forward(self, f: Mapping[str, Tensor]) -> Tensor:
        """f: ``ARRAYS`` of the features."""
        lane_id, order = f["lane_id"].sort(dim=1, stable=True)
        walk_id, walk_order = f["crosswalk_id"].sort(dim=1, stable=True)
        f = {k: _take(f[k], order if k.startswith("lane") else walk_order) for k in ARRAYS}
        lane_real, walk_real = lane_id > 0, walk_id > 0
        pose, walk_pose = _directions(f["lane_pose"]), _directions(f["crosswalk_pose"])
        x = {
            "lane": self._lanes(f["lane_shape"], f["lane_info"]),
            "crosswalk": self.crosswalk(self.crosswalk_point(f["crosswalk_shape"] / 5.0).amax(2)),
        }
        links = torch.cat([f["lane_next"], f["lane_side"]], -1)
        links = torch.where(links >= 0, _take(order.argsort(1), links.clamp_min(0).flatten(1)).view_as(links), -1)
        edges = {
            LANES: self._lane_edges(links, pose, lane_real),
            CROSSWALKS: self._crosswalk_edges(pose, walk_pose, lane_real, walk_real),
        }
        for layer in self.layers:
            x = layer(x, edges)
        return torch.cat([x["lane"] * lane_real[..., None], x["crosswalk"] * walk_real[..., None]], 1)

    def _lanes(self, shape: Tensor, info: Tensor) -> Tensor:
        """(B, N, D) from each piece in its own frame, its limit, whether it is a connector and has a stop sign."""
        center = shape[..., :2]
        step = torch.cat([center[:, :, 1:] - center[:, :, :-1], center[:, :, -1:] - center[:, :, -2:-1]], 2)
        points = [center / 20.0, step / 2.0, (shape[..., 2:4] - center) / 2.0, (shape[..., 4:6] - center) / 2.0]
        known = (info[..., :1] > 0).to(info.dtype)
        about = torch.cat([info[..., :1] / SPEED_SCALE, 1.0 - known, info[..., 2:]], -1)
        return self.lane(self.lane_point(torch.cat(points, -1)).amax(2)) + self.lane_info(about)

    def _lane_edges(self, links: Tensor, pose: Tensor, real: Tensor) -> Edges:
        """links (B, N, L + 2): lanes that follow, left, right, -1 where none."""
        c, n = self.config, links.shape[1]
        follows = links[..., None, :-2] == torch.arange(n, device=links.device)[:, None]  # (B, N, N, L)
        before = follows.any(-1).transpose(1, 2)
        first = torch.arange(n, 0, -1, device=links.device)
        rank, previous = (before * first).topk(min(c.lane_successors, n), -1)
        linked = (links[..., None, :] == torch.arange(n, device=links.device)[:, None]).any(-1) | before
        own = torch.eye(n, dtype=torch.bool, device=links.device)
        near, near_real = nearest(pose, pose, real[:, None] & ~linked & ~own, c.lane_neighbors, c.map_radius_m)
        slots = torch.cat([links.clamp_min(0), previous, near], -1)
        some = torch.cat([links >= 0, rank > 0, near_real], -1) & real[..., None]
        counts = torch.tensor([links.shape[-1] - 2, 1, 1, previous.shape[-1], near.shape[-1]], device=links.device)
        codes = torch.tensor([NEXT, LEFT, RIGHT, PREVIOUS, NEAR], device=links.device)
        attr = self.lane_edge(relative(pose, pose, slots)) + self.relation(
            codes.repeat_interleave(counts, output_size=slots.shape[-1])
        )
        return make_edges(slots, some, attr, n)

    def _crosswalk_edges(self, pose: Tensor, walk_pose: Tensor, real: Tensor, walk_real: Tensor) -> Edges:
        c = self.config
        allowed = real[..., None] & walk_real[:, None]
        slots, some = nearest(pose, walk_pose, allowed, c.lane_crosswalks, c.map_radius_m)
        return make_edges(slots, some, self.crosswalk_edge(relative(pose, walk_pose, slots)), walk_pose.shape[1])


def _take(x: Tensor, rows: Tensor) -> Tensor:
    """x (B, N, ...) at rows (B, M)."""
    return x.gather(1, rows.view(*rows.shape, *[1] * (x.dim() - 2)).expand(*rows.shape, *x.shape[2:]))


def _directions(pose: Tensor) -> Tensor:
    """Poses (..., 3) x, y, heading as (..., 4) x, y, cos, sin."""
    return torch.cat([pose[..., :2], pose[..., 2:].cos(), pose[..., 2:].sin()], -1)
