"""The ego's present state as a token."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from roadcraft.core.data.places import PlaceKind
from roadcraft.plugins.common.layers import Attention, TransformerLayer, mlp
from roadcraft.plugins.common.scene_features import EGO_CHANNELS, SceneFeatureConfig
from roadcraft.plugins.common.text import TextEncoder

SPEED_SCALE = 10.0
UNIT_SCALE = (20.0, 20.0, 1.0, 1.0, 20.0, 3.0, 1.0, 30.0, 2.0, 0.5)
"""Of the columns of ``ego_unit``."""
LOAD_SCALE = (50.0, 20.0, 5.0, 2.0, 1.0)
"""Of the columns of ``ego_load``."""
PLACE_SCALE = (50.0, 50.0, 1.0, 1.0, 100.0, 5.0, 50.0, 5.0, 0.1, 1.0)
"""Of the columns of ``place``."""
PLACE_MOST = 6.0
"""Scaled columns of ``place`` are read up to this: a sag of 1000 m or a limit of 1000 t is none."""
WORD_DIM = 32
"""Width of the words of a command."""


class EgoStates(nn.Module):
    """One token per state channel, gathered by one query; in training all channels but the kept ones are dropped at
    random (PlanTF, Cheng et al. 2023). Where the encoder reads the ego's units, a token for each of them and one for
    the load stand beside these, so that one network drives vehicles that differ; where it reads places of the map, a
    token for each of those; where it reads commands, one for the command. Where there are any of these, all tokens mix
    before they are gathered: what a command asks for depends on the place, and what a place closes on the vehicle."""

    def __init__(self, config: SceneFeatureConfig) -> None:
        super().__init__()
        dim, heads, channels = config.dim, config.heads, config.ego_channels
        kept, dropout = config.undropped_channels, config.state_dropout
        self.columns = [EGO_CHANNELS.index(c) for c in channels]
        self.kept = [c in kept for c in channels]
        self.dropout = dropout
        self.scale = nn.Parameter(torch.randn(len(self.columns), dim) * 0.5)
        self.place = nn.Parameter(torch.randn(len(self.columns), dim) * 0.1)
        self.vehicle = mlp(4, dim)
        self.query = nn.Parameter(torch.randn(1, 1, dim) * 0.1)
        self.attend = Attention(dim, heads)
        self.reads_units = config.ego_units > 0
        if self.reads_units:
            self.unit, self.load = mlp(len(UNIT_SCALE), dim, dim), mlp(len(LOAD_SCALE), dim, dim)
            self.unit_place = nn.Parameter(torch.randn(config.ego_units, dim) * 0.1)
        self.reads_places = config.places > 0
        if self.reads_places:
            self.road_place, self.place_kind = mlp(len(PLACE_SCALE), dim, dim), nn.Embedding(len(PlaceKind), dim)
        self.reads_commands = config.command_words > 0
        if self.reads_commands:
            self.command = TextEncoder(config.command_words, WORD_DIM, dim)
        self.mix: TransformerLayer | None = None
        if self.reads_units or self.reads_places or self.reads_commands:
            self.mix = TransformerLayer(dim, heads, config.feed_forward, config.dropout)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Features ``ego`` (B, 7), ``vehicle`` (B, 4), and those of ``ego_units``, ``places`` and ``conditions`` where
        they are read -> (B, D)."""
        ego, vehicle = features["ego"], features["vehicle"]
        state = ego[:, self.columns] / SPEED_SCALE
        tokens = state[..., None] * self.scale + self.place
        mask = torch.ones(state.shape, dtype=torch.bool, device=state.device)
        if self.training and self.dropout > 0:
            kept = torch.tensor(self.kept, device=state.device)
            mask = kept | (torch.rand(state.shape, device=state.device) >= self.dropout)
        always = self.vehicle(vehicle)[:, None]
        memory = torch.cat([always, tokens], 1)
        mask = torch.cat([torch.ones_like(mask[:, :1]), mask], 1)
        if self.reads_units:
            unit, load = features["ego_unit"], features["ego_load"]
            units = self.unit(unit / unit.new_tensor(UNIT_SCALE)) + self.unit_place
            loads = self.load(load / load.new_tensor(LOAD_SCALE))[:, None]
            memory = torch.cat([memory, units, loads], 1)
            mask = torch.cat([mask, features["ego_unit_mask"], features["ego_load_mask"][:, None]], 1)
        if self.reads_places:
            place = features["place"]
            scaled = (place / place.new_tensor(PLACE_SCALE)).clamp(-PLACE_MOST, PLACE_MOST)
            places = self.road_place(scaled) + self.place_kind(features["place_kind"])
            memory, mask = torch.cat([memory, places], 1), torch.cat([mask, features["place_mask"]], 1)
        if self.reads_commands:
            words = features["instruction"]
            memory = torch.cat([memory, self.command(words)[:, None]], 1)
            mask = torch.cat([mask, (words > 0).any(-1, keepdim=True)], 1)
        if self.mix is not None:
            memory = self.mix(memory, mask)
        return self.attend(self.query.expand(len(ego), -1, -1), memory, mask)[:, 0]
