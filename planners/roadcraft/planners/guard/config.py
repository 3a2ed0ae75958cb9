"""Settings of the planner ``guard``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, check
from roadcraft.core.plugins.hookspecs import PluginRef, plugin_field


@dataclass(frozen=True)
class GuardConfig:
    """A planner under supervision."""

    planner: PluginRef = plugin_field("planner", "learned")
    """The planner whose proposals are judged."""
    fallback: PluginRef | None = plugin_field("planner", None)
    """A planner that drives where no proposal is safe (null: the guard brakes)."""
    speed_fractions: Annotated[tuple[float, ...], Range("(0, 1]")] = (1.0, 0.75, 0.5, 0.25)
    """Speeds of slower copies that are tried, as shares of a proposal's own (1: the same way, driven gently)."""
    max_slowed_proposals: Annotated[int, Range(">= 1")] = 4
    """Proposals of which slower copies are tried, the best first."""
    follow_centerline: bool = True
    """Whether copies on the route's centerline are tried of a proposal that leaves the road."""
    max_proposals: Annotated[int, Range(">= 1")] = 16
    """Proposals that are judged, the planner's best first; more are slower."""
    planner_score_weight: Annotated[float, Range(">= 0")] = 0.3
    """Weight of the planner's own score beside that of the rules, which lies in [0, 1]."""
    progress_weight: Annotated[float, Range(">= 0")] = 5.0
    """Weight of progress in the score of the rules."""
    ttc_weight: Annotated[float, Range(">= 0")] = 5.0
    """Weight of the time to collision in the score of the rules."""
    speed_limit_weight: Annotated[float, Range(">= 0")] = 4.0
    """Weight of the speed limit in the score of the rules."""
    comfort_weight: Annotated[float, Range(">= 0")] = 2.0
    """Weight of comfort in the score of the rules."""
    slowing_mps2: Annotated[float, Range("> 0")] = 2.0
    """Deceleration of the slower copies, positive."""
    jerk_mps3: Annotated[float, Range("> 0")] = 3.5
    """Jerk of the slower copies and of the comfortable stop."""
    comfort_stop_mps2: Annotated[float, Range("> 0")] = 2.5
    """Deceleration of the comfortable stop, positive."""
    emergency_stop_mps2: Annotated[float, Range("> 0")] = 6.0
    """Deceleration of the emergency stop, positive."""
    drivable_area_tolerance_m: Annotated[float, Range(">= 0")] = 0.15
    """Distance by which a corner may lie over the road's edge."""
    horizon_s: Annotated[float, Range("[1.5, 8]")] = 4.0
    """Time that is simulated; a longer one sees more conflicts and is slower."""
    radius_m: Annotated[float, Range("> 0")] = 60.0
    """Distance from the ego's center up to which objects are considered."""
    use_forecast: bool = True
    """Whether vehicles and bicycles move as the planner predicts, where it does; else straight on."""

    def __post_init__(self) -> None:
        check(self)
