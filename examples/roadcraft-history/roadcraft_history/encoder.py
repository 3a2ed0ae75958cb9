"""The encoder ``vector_history``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from roadcraft.core import FeatureSpec, SceneEncoding, TokenKind, create
from roadcraft_history.feature import HistoryColumn, MissionColumn
from roadcraft_history.plugin import VectorHistoryConfig

SCALE = (20.0, 20.0, 1.0, 1.0, 10.0)  # of HistoryColumn
MISSION_SCALE = 200.0


class VectorHistory(nn.Module):
    """The tokens are those of ``vector_transformer``; to the ego's an embedding of its history and mission is added."""

    def __init__(self, config: VectorHistoryConfig) -> None:
        super().__init__()
        self.config = config
        self.inner = create("encoder", "vector_transformer", config.encoder)
        self.dim: int = self.inner.dim
        size = config.steps * (len(HistoryColumn) + 1) + len(MissionColumn) + 1
        self.history = nn.Sequential(nn.Linear(size, self.dim), nn.GELU(), nn.Linear(self.dim, self.dim))

    def features(self) -> FeatureSpec:
        spec: FeatureSpec = self.inner.features()
        return spec.with_groups(ego_history={"steps": self.config.steps})

    def encode(self, features: Mapping[str, Tensor], cache: Any = None) -> tuple[SceneEncoding, Any]:
        encoding, cache = self.inner.encode(features, cache)
        past, known = features["ego_history"], features["ego_history_valid"]
        rows = torch.cat([past / past.new_tensor(SCALE), known[..., None].to(past.dtype)], -1)
        goal = [features["mission"] / MISSION_SCALE, features["mission_valid"][:, None].to(past.dtype)]
        added = self.history(torch.cat([rows.flatten(1), *goal], -1))
        if self.training:
            added = added * (torch.rand_like(added[:, :1]) >= self.config.history_dropout)
        is_ego = (encoding.kind == TokenKind.EGO)[..., None]
        encoding.tokens = encoding.tokens + is_ego * added[:, None]
        return encoding, cache
