"""What an encoder sees of a scene: settings that encoders share (no torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roadcraft.core.interfaces import FeatureSpec
from roadcraft.core.rules import check

EGO_CHANNELS = ("vx", "vy", "ax", "ay", "steering", "yaw_rate", "stood")


@dataclass(frozen=True)
class SeenConfig:
    """ego_channels: current states of the ego that are read; kept_channels: never hidden; state_dropout: chance that another one is hidden in training.
    agents, static, past_steps, radius_m: capacities of the features, as in ``FeatureSpec``."""

    ego_channels: tuple[str, ...] = ("vx", "ax")
    kept_channels: tuple[str, ...] = ("vx",)
    state_dropout: float = 0.75
    agents: int = 16
    static: int = 6
    past_steps: int = 21
    radius_m: float = 80.0

    def __post_init__(self) -> None:
        known = f"must be among {', '.join(EGO_CHANNELS)}"
        check(
            self,
            {"[0, 1)": "state_dropout", ">= 0": "agents static", ">= 1": "past_steps", "> 0": "radius_m"},
            ("ego_channels", set(self.ego_channels) <= set(EGO_CHANNELS), known),
            ("kept_channels", set(self.kept_channels) <= set(EGO_CHANNELS), known),
            ("ego_channels", len(self.ego_channels) > 0, "must name at least one"),
        )

    def features(self, **more: Any) -> FeatureSpec:
        """Features for an encoder: neither lanes, reference lines nor targets but for what ``more`` says."""
        nothing = dict.fromkeys(
            ("lanes", "crosswalks", "route_lanes", "reference_lines", "reference_points", "future_agents"), 0
        )
        own = {n: getattr(self, n) for n in ("agents", "static", "past_steps", "radius_m")}
        return FeatureSpec(**{**nothing, **own, **more})


@dataclass(frozen=True)
class SeenMapConfig(SeenConfig):
    """The map as well. lanes, lane_points, crosswalks: capacities."""

    lanes: int = 24
    lane_points: int = 10
    crosswalks: int = 4

    def features(self, **more: Any) -> FeatureSpec:
        return super().features(**{n: getattr(self, n) for n in ("lanes", "lane_points", "crosswalks")}, **more)
