"""A scene encoder: one linear layer per kind of token. Small, but complete."""

import torch
from torch import nn

from roadcraft.core import FeatureSpec, SceneEncoding


class __CLASS__(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dim = config.dim
        self.spec = FeatureSpec()
        self.ego = nn.Linear(7, config.dim)
        self.agent = nn.Linear(6, config.dim)
        self.lane = nn.Linear(self.spec.lane_points * 6, config.dim)
        layer = nn.TransformerEncoderLayer(config.dim, 4, 4 * config.dim, batch_first=True, dropout=0.0, norm_first=True)
        self.mix = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def features(self):
        return self.spec

    def encode(self, features, cache=None):
        agent, lane = features["agent"][:, :, -1], features["lane"]
        b = len(agent)
        tokens = torch.cat([self.ego(features["ego"])[:, None], self.agent(agent), self.lane(lane.flatten(2) / 50.0)], 1)
        mask = torch.cat([torch.ones(b, 1, dtype=torch.bool), features["agent_valid"][:, :, -1], features["lane_mask"]], 1)
        pose = torch.zeros(b, tokens.shape[1], 3)
        pose[:, 1 : 1 + agent.shape[1], :2] = agent[..., :2]
        kind = torch.cat([torch.full((b, n), i) for i, n in enumerate((1, agent.shape[1], lane.shape[1]))], 1)
        tokens = self.mix(tokens, src_key_padding_mask=~mask)
        return SceneEncoding(tokens, mask, pose, kind, torch.zeros(b, dtype=torch.long)), cache
