"""The behavior model ``anchors``: a fixed vocabulary of maneuvers, scored by a small network.

In the manner of the scored vocabularies of VADv2 (Chen et al., 2024) and Hydra-MDP (Li et al., 2024), with maneuvers
along the reference lines in place of clustered trajectories. What is learned is the choice alone: a cross entropy whose
target spreads over the anchors by their distance from what the expert did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from roadcraft.core import FeatureSpec, Keys, Prediction, ReferenceInfoColumn as Info, SceneEncoding
from roadcraft_anchors.plugin import AnchorsConfig
from roadcraft_anchors.vocabulary import DT_S, STEPS, Vocabulary

LINE_POINTS = 80  # of a reference line, 2 m apart
FAR_M = 80.0  # "nothing in the way"
LOOK = (9, 19, 29, 49, 79)  # steps of an anchor that the scorer looks at: 1, 2, 3, 5 and 8 s
PROFILE_SCALE = (4.0, 5.0)  # of its acceleration and its time, for the network
SPARE_M = 0.3  # an object with less room beside it than this is in the way


class Anchors(nn.Module):
    """K = lines x profiles, line first. See the module's docstring."""

    def __init__(self, config: AnchorsConfig, *, dim: int, features: FeatureSpec) -> None:
        super().__init__()
        self.config = config
        wanted: dict[str, Any] = {
            "reference_lines": config.lines,
            "reference_points": LINE_POINTS,
            "future_steps": STEPS,
            "future_interval_s": DT_S,
            "future_agents": 0,
        }
        self.spec = replace(features, **wanted)
        self.vocabulary = Vocabulary(config, self.spec.reference_interval_m)
        self.scene = nn.Linear(dim, config.width)
        self.line = nn.Linear(9, config.width)
        self.anchor = nn.Linear(4 + 4 * len(LOOK), config.width)
        layers = (nn.GELU(), nn.Linear(config.width, config.width), nn.GELU(), nn.Linear(config.width, 1))
        self.score = nn.Sequential(nn.LayerNorm(config.width), *layers)

    def features(self) -> FeatureSpec:
        return self.spec

    def forward(self, encoding: SceneEncoding, features: Mapping[str, Tensor]) -> Prediction:
        """Anchors (B, K, T, 5) with their logits; those of a line that does not exist have the lowest number of float32
        as theirs."""
        f = {k: v[:, : self.config.lines] if k.startswith("reference") else v for k, v in features.items()}
        now, info = f["ego"][:, 0].clamp_min(0.0), f["reference_info"]
        slope = (info[..., Info.HEADING_SIN] / info[..., Info.HEADING_COS].clamp_min(0.3)).clamp(-1.5, 1.5)
        anchors = self.vocabulary(f["reference"][..., :4], info[..., Info.LATERAL], slope, now)
        rows = torch.arange(len(now), device=now.device)
        x = self.scene(encoding.tokens[rows, encoding.ego])[:, None, None] + self.line(self._lines(f, now))[:, :, None]
        logits = self.score(x + self.anchor(self._ahead(f, now)))[..., 0]
        logits = logits.masked_fill(~f["reference_valid"][..., None], torch.finfo(logits.dtype).min)
        time_s = DT_S * torch.arange(1, STEPS + 1, device=now.device)
        return Prediction(anchors.flatten(1, 2), logits.flatten(1), None, time_s)

    def sample(self, encoding: SceneEncoding, features: Mapping[str, Tensor], keys: Keys) -> Prediction:
        """The same as ``forward``: the vocabulary is fixed, so ``keys`` change nothing."""
        return self.forward(encoding, features)

    def loss(self, prediction: Prediction, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One term, ``choice``: cross entropy with softmax(-distance / sharpness) over the anchors of existing
        lines."""
        goal, valid = targets["ego_future"][:, None, :, :2], targets["ego_future_valid"][:, None]
        apart = (prediction.ego[..., :2] - goal).norm(dim=-1) * valid
        distance = apart.sum(-1) / valid.sum(-1).clamp_min(1)
        missing = prediction.logits <= torch.finfo(prediction.logits.dtype).min
        wanted = (-distance / self.config.sharpness_m).masked_fill(missing, -torch.inf).softmax(-1)
        return {"choice": functional.cross_entropy(prediction.logits, wanted.detach())}

    def _lines(self, f: Mapping[str, Tensor], now: Tensor) -> Tensor:
        """What a line is like (B, R, 9)."""
        info, points = f["reference_info"], f["reference"]
        bend = points[..., 3].abs()  # sine of the heading against the ego's
        on_route = points[..., 5].mean(-1)
        place = (info[..., Info.LATERAL] / 3.0, info[..., Info.HEADING_SIN], info[..., Info.LIMIT_HERE] / 15.0)
        stops = (_near(info[..., Info.TO_RED]), _near(info[..., Info.TO_STOP]))
        pace = (now[:, None] / 15.0).expand_as(on_route)
        return torch.stack([*place, *stops, pace, on_route, bend[..., :15].amax(-1), bend[..., :40].amax(-1)], -1)

    def _ahead(self, f: Mapping[str, Tensor], now: Tensor) -> Tensor:
        """What an anchor leads to (B, R, M, 4 + 4 x looks): its profile, and at each look its speed against the limit,
        and how much room it leaves to the nearest object in the way (that goes on as it does), to a red light and to a
        stop sign."""
        speed, way = (v[:, None, :, LOOK] for v in self.vocabulary.speeds(now))
        gap, pace, there = (v[..., None, None] for v in self._lead(f))
        front = (f["vehicle"][:, 0] + 0.5 * f["vehicle"][:, 1])[:, None, None, None]
        time_s = DT_S * (torch.tensor(LOOK, device=now.device) + 1)
        info = f["reference_info"]
        limit = info[..., Info.LIMIT_HERE, None, None].clamp_min(1.0)
        room = torch.tanh((gap + pace * time_s - way) / 10.0) * there + (1.0 - there)
        red, stop = (torch.tanh((info[..., k, None, None] - front - way) / 10.0) for k in (Info.TO_RED, Info.TO_STOP))
        looks = torch.cat([(speed / limit).clamp_max(2.0).expand_as(room), room, red, stop], -1)
        profile = self.vocabulary.profiles / self.vocabulary.profiles.new_tensor(PROFILE_SCALE)
        lead = torch.cat([pace / 15.0 * there, there], -1)
        same = [profile.expand(*looks.shape[:3], 2), lead.expand(*looks.shape[:3], 2)]
        return torch.cat([*same, looks], -1)

    def _lead(self, f: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Gap m and speed m/s along each line (B, R) of the nearest object in the way, and 1 where there is one."""
        beside = torch.cat([f["reference_agent"], f["reference_static"]], 2)
        real = torch.cat([f["agent_valid"][..., -1], f["static_mask"]], 1)[:, None]
        s, d, vs, _, half_s, half_d = beside.unbind(-1)
        length, width = (f["vehicle"][:, k, None, None] for k in (1, 2))
        gap = s - half_s - f["vehicle"][:, :1, None] - 0.5 * length
        in_way = real & (d.abs() - half_d - 0.5 * width < SPARE_M) & (s > 0.0)
        gap = functional.pad(gap.masked_fill(~in_way, FAR_M), (0, 1), value=FAR_M)  # where there are no objects at all
        nearest, at = gap.min(-1, keepdim=True)
        pace = functional.pad(vs, (0, 1)).gather(-1, at)
        return nearest[..., 0], pace[..., 0], (nearest[..., 0] < FAR_M).to(gap.dtype)


def _near(distance: Tensor) -> Tensor:
    return torch.exp(-distance.clamp_min(0.0) / 20.0)
