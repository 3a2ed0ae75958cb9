"""Encodes a scene as a bird's-eye picture: a small convolutional network over the feature ``raster``, whose cells
become tokens.

In the manner of ChauffeurNet (Bansal et al. 2019) and CaRL (Jaeger et al. 2025). Normalisation is by groups within one
scene, never over the batch. Agents have a token each, made of their state and of what the picture shows where they
stand, so that a model can predict them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from roadcraft.core.data.layers import LayerKind
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.core.driving.features.raster import SIGNED, RasterChannel, cell_centers
from roadcraft.core.driving.features.raster_kernels import cells_ahead
from roadcraft.core.types import FeatureSpec, SceneEncoding, TokenKind
from roadcraft.plugins.bev_raster.config import PATCH, BevRasterConfig
from roadcraft.plugins.common.ego import SPEED_SCALE, EgoStates
from roadcraft.plugins.common.layers import TransformerLayer, into_frame, mlp

GROUP = 8  # channels that are normalized together
FIELD_M = 50.0


class Patches(nn.Module):
    """Embeds the raster in patches of 4 x 4 cells; codes are read as numbers, masks and amounts in [0, 1], signed
    channels in [-1, 1].

    Four bytes of a row are moved as one word, and the scale of the codes is part of the weights: a raster as floats
    would be several MB to write.
    """

    def __init__(self, surface: tuple[str, ...], size: int) -> None:
        super().__init__()
        kinds = [LayerKind[name.upper()] for name in surface]
        first, known = RasterChannel.GRADE, RasterChannel.GRADE_KNOWN
        shown = [*range(first), *(first + k for k in kinds), *(known + k for k in kinds)]
        self.weight = nn.Parameter(torch.empty(size, len(shown), PATCH * PATCH))
        self.bias = nn.Parameter(torch.zeros(size))
        nn.init.normal_(self.weight[:, :first], std=(first * PATCH * PATCH) ** -0.5)
        nn.init.zeros_(self.weight[:, first:])  # so that layers which no training log had do not disturb
        self.shown: Tensor
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("shown", torch.tensor(shown), persistent=False)
        signed = torch.tensor([c in SIGNED for c in shown])[:, None]
        self.register_buffer("scale", torch.where(signed, 1 / 127, 1 / 255), persistent=False)
        self.register_buffer("shift", torch.where(signed, -128 / 127, 0.0), persistent=False)

    def forward(self, raster: Tensor) -> Tensor:
        """(B, C, W, W) uint8 -> (B, size, W / 4, W / 4)."""
        weight = (self.weight * self.scale).flatten(1)
        bias = self.bias + (self.weight * self.shift).sum((1, 2))
        n, c = raster.shape[-1] // PATCH, len(self.shown)
        x = raster.index_select(1, self.shown) if c < raster.shape[1] else raster.contiguous()
        rows = []
        for part in x.view(torch.int32).split(1 if x.device.type == "cpu" else len(x)):  # a scene's floats fit a cache
            patches = part.view(-1, c, n, PATCH, n).permute(0, 2, 4, 1, 3).reshape(-1, n * n, c * PATCH)
            rows.append(functional.linear(patches.view(torch.uint8).float(), weight, bias))
        return torch.cat(rows).transpose(1, 2).unflatten(2, (n, n))


class ConvStage(nn.Module):
    """A layer that lowers the resolution, then a residual convolution, each normalized by groups of channels."""

    def __init__(self, down: nn.Module, size: int) -> None:
        super().__init__()
        self.down = down
        self.norm_down = nn.GroupNorm(size // GROUP, size)
        self.mix = nn.Conv2d(size, size, 3, padding=1)
        self.norm_mix = nn.GroupNorm(size // GROUP, size)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, W, W) -> (B, size, W', W')."""
        x = functional.gelu(self.norm_down(self.down(x)))
        return x + functional.gelu(self.norm_mix(self.mix(x)))


class BevRaster(nn.Module):
    """See the module's docstring. Tokens: the ego, agents, cells row by row from the front left."""

    def __init__(self, config: BevRasterConfig) -> None:
        super().__init__()
        self.config = c = config
        dim = self.dim = c.dim
        first = ConvStage(Patches(c.raster_layers, c.channels[0]), c.channels[0])
        later = [ConvStage(nn.Conv2d(a, b, 3, 2, padding=1), b) for a, b in pairwise(c.channels)]
        self.stages = nn.ModuleList([first, *later])
        self.cell = nn.Linear(c.channels[-1], dim)
        self.ego = EgoStates(c)
        self.agent, self.seen = mlp(5, dim, dim), nn.Linear(sum(c.channels), dim)
        self.object_kind = nn.Embedding(len(ObjectKind), dim)
        self.place = mlp(4, dim, dim)
        self.kind = nn.Embedding(len(TokenKind), dim)
        self.layers = nn.ModuleList(TransformerLayer(dim, c.heads, c.feed_forward, c.dropout) for _ in range(c.layers))
        self.norm = nn.LayerNorm(dim)
        x, y = (torch.from_numpy(v).float() for v in cell_centers(c.cells, c.cell_m))
        step = PATCH * 2 ** (len(c.channels) - 1)
        x, y = x.view(-1, step).mean(1), y.view(-1, step).mean(1)
        here = torch.stack(
            [*torch.meshgrid(x, y, indexing="ij"), torch.ones(len(x), len(y)), torch.zeros(len(x), len(y))], -1
        )
        self.cell_pose: Tensor
        self.register_buffer("cell_pose", here.view(1, -1, 4), persistent=False)

    def features(self) -> FeatureSpec:
        return self.config.features(lane_points=10, raster_cells=self.config.cells, raster_cell_m=self.config.cell_m)

    def encode(self, features: Mapping[str, Tensor], cache: Any = None) -> tuple[SceneEncoding, Any]:
        """The scene's tokens. The picture is drawn anew in the moving ego frame, so nothing is kept in ``cache``."""
        f = features
        ego = self.ego(f)[:, None]
        b = len(ego)
        x, maps = f["raster"], []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        grid = self.cell(x.flatten(2).transpose(1, 2))
        agent, agent_pose = self._agents(f, maps)
        here = ego.new_tensor([0.0, 0.0, 1.0, 0.0]).expand(b, 1, 4)
        pose = torch.cat([here, agent_pose, self.cell_pose.expand(b, -1, -1)], 1)
        seen = f["agent_valid"][..., -1]
        mask = torch.cat([seen.new_ones(b, 1), seen, seen.new_ones(b, grid.shape[1])], 1)
        counts = torch.tensor([1, agent.shape[1], grid.shape[1]], device=ego.device)
        codes = torch.tensor([TokenKind.EGO, TokenKind.AGENT, TokenKind.GRID], device=ego.device)
        kind = codes.repeat_interleave(counts, output_size=mask.shape[1]).expand(b, -1)
        place = self.place(torch.cat([pose[..., :2] / FIELD_M, pose[..., 2:]], -1))
        tokens = torch.cat([ego, agent, grid], 1) + place + self.kind(kind)
        for layer in self.layers:
            tokens = layer(tokens, mask)
        tokens = self.norm(tokens) * mask[..., None]
        where = torch.cat([pose[..., :2], torch.atan2(pose[..., 3], pose[..., 2])[..., None]], -1)
        return SceneEncoding(tokens, mask, where, kind, torch.zeros(b, dtype=torch.int64, device=ego.device)), None

    def _agents(self, f: Mapping[str, Tensor], maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Tokens (B, A, D) and poses (B, A, 4): velocity in the agent's own frame, size and kind, and the stages' maps
        where it stands (0 outside)."""
        now = f["agent"][:, :, -1]
        velocity = into_frame(now[..., 4:], now) / SPEED_SCALE
        about = torch.cat([velocity, velocity.norm(dim=-1, keepdim=True), f["agent_size"] / 5.0], -1)
        seen = sample_maps(maps, now[..., :2], self.config.cells, self.config.cell_m)
        token = self.agent(about) + self.seen(seen) + self.object_kind(f["agent_kind"])
        return token, now[..., :4]


def sample_maps(maps: list[Tensor], places: Tensor, cells: int, cell_m: float) -> Tensor:
    """What maps (B, C, W, W) of the whole raster hold at places (B, A, 2) in the ego frame, bilinear, 0 outside: (B, A,
    sum of C)."""
    half = 0.5 * cells * cell_m
    middle = cells_ahead(cells) * cell_m - half  # x of the raster's middle
    at = torch.stack([-places[..., 1] / half, (middle - places[..., 0]) / half], -1)[:, :, None]
    return torch.cat([functional.grid_sample(m, at, align_corners=False)[..., 0] for m in maps], 1).transpose(1, 2)
