"""A behaviour model: several trajectories from the ego's token, the nearest of which learns (winner takes all). Small, but complete."""

import torch
from torch import nn
from torch.nn import functional as F

from roadcraft.core import Prediction


class __CLASS__(nn.Module):
    def __init__(self, config, *, dim, features):
        super().__init__()
        self.modes, self.spec = config.modes, features
        self.trajectory = nn.Sequential(nn.Linear(dim, 128), nn.GELU(), nn.Linear(128, config.modes * features.future_steps * 4))
        self.score = nn.Linear(dim, config.modes)

    def features(self):
        return self.spec

    def forward(self, encoding, features):
        ego = encoding.tokens[torch.arange(len(encoding.tokens)), encoding.ego]
        t = torch.arange(1, self.spec.future_steps + 1) * self.spec.future_interval_s
        raw = self.trajectory(ego).view(len(ego), self.modes, len(t), 4)
        straight = features["ego"][:, 0, None, None] * t  # the network learns the difference to going straight on
        x, y = raw[..., 0] * 10 + straight, raw[..., 1] * 10
        cos, sin = F.normalize(torch.stack([1 + raw[..., 2], raw[..., 3]], -1), dim=-1).unbind(-1)
        return Prediction(torch.stack([x, y, cos, sin], -1), self.score(ego), None, t)

    def loss(self, prediction, targets):
        goal, valid = targets["ego_future"], targets["ego_future_valid"]  # (B, T, 5), (B, T)
        count = valid.sum(-1).clamp_min(1)
        error = ((prediction.ego[..., :2] - goal[:, None, :, :2]).norm(dim=-1) * valid[:, None]).sum(-1) / count[:, None]  # (B, K)
        best = error.argmin(-1)
        chosen = prediction.ego[torch.arange(len(best)), best]
        return {
            "trajectory": F.smooth_l1_loss(chosen[valid], goal[..., :4][valid]),
            "choice": F.cross_entropy(prediction.logits, best),
        }

    def sample(self, encoding, features, keys):
        return self(encoding, features)
