"""Settings that encoders share (no torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from roadcraft.core.config.rules import OneOf, Range, check
from roadcraft.plugins.common.attention_config import AttentionConfig

if TYPE_CHECKING:
    from roadcraft.core.types import FeatureSpec

EGO_CHANNELS = ("vx", "vy", "ax", "ay", "steering", "yaw_rate", "stopped_time_s")


@dataclass(frozen=True)
class SceneFeatureConfig(AttentionConfig):
    """What an encoder sees of a scene, but for the map, and how wide it is."""

    dim: Annotated[int, Range(">= 1")] = 64
    """Width of the scene tokens; a multiple of heads."""
    ego_channels: Annotated[tuple[str, ...], OneOf(*EGO_CHANNELS)] = ("vx", "ax")
    """Current states of the ego that are read; stopped_time_s is how long it has just stood. nuPlan's logs hold neither
    steering nor yaw rate (they are 0)."""
    undropped_channels: Annotated[tuple[str, ...], OneOf(*EGO_CHANNELS)] = ("vx",)
    """Ego channels that state_dropout never hides."""
    state_dropout: Annotated[float, Range("[0, 1)")] = 0.75
    """Probability that another ego channel is hidden in training; larger values look around more and extrapolate the
    ego's own motion less (PlanTF, Cheng et al. 2023)."""
    agents: Annotated[int, Range(">= 0")] = 16
    """Nearest moving objects that are read."""
    static: Annotated[int, Range(">= 0")] = 6
    """Nearest static objects that are read."""
    past_steps: Annotated[int, Range(">= 1")] = 21
    """Frames of history that are read, the current one included, 0.1 s apart."""
    radius_m: Annotated[float, Range("> 0")] = 80.0
    """Distance from the ego up to which objects and map are read; a loaded truck needs up to 250 m to stop."""
    ego_units: Annotated[int, Range(">= 0")] = 0
    """Units of the ego that are read with joints, masses and load, for one network that drives several vehicles (0:
    only the first one's box)."""
    places: Annotated[int, Range(">= 0")] = 0
    """Places of the map that are read, the nearest of each kind first: grades, clearances, limits, crossings, curbs,
    shoulders, wind (0: none)."""
    command_words: Annotated[int, Range(">= 0")] = 0
    """Words of a text command that the encoder itself reads (0: none), whatever the model; what training tells it:
    augment.conditions."""

    def __post_init__(self) -> None:
        check(
            self,
            ("ego_channels", len(self.ego_channels) > 0, "must name at least one"),
            ("dim", self.heads < 1 or self.dim % self.heads == 0, f"must be a multiple of heads = {self.heads}"),
        )

    def features(self, **more: Any) -> FeatureSpec:
        """Features for an encoder: neither lanes, reference lines nor targets but for what ``more`` says."""
        from roadcraft.core.types import FeatureSpec

        nothing = dict.fromkeys(
            ("lanes", "crosswalks", "route_lanes", "reference_lines", "reference_points", "future_agents"), 0
        )
        own = {n: getattr(self, n) for n in ("agents", "static", "past_steps", "radius_m")}
        own["instruction_words"] = self.command_words
        spec = FeatureSpec(**{**nothing, **own, **more})
        asked = {"ego_units": self.ego_units, "places": self.places}
        return spec.with_groups(**{name: {"count": count} for name, count in asked.items() if count})


@dataclass(frozen=True)
class MapFeatureConfig(SceneFeatureConfig):
    """The map as well."""

    lanes: Annotated[int, Range(">= 0")] = 24
    """Nearest lanes and connectors that are read."""
    lane_points: Annotated[int, Range(">= 2")] = 10
    """Points of each lane."""
    crosswalks: Annotated[int, Range(">= 0")] = 4
    """Nearest crosswalks that are read."""

    def features(self, **more: Any) -> FeatureSpec:
        return super().features(**{n: getattr(self, n) for n in ("lanes", "lane_points", "crosswalks")}, **more)
