"""Settings of pdm_closed and guard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.hookspecs import PluginRef, plugin_field
from roadcraft.core.rules import Range, check


@dataclass(frozen=True)
class PdmClosedConfig:
    """PDM-Closed; the defaults are those of tuplan_garage b51d5d0."""

    lateral_offsets_m: tuple[float, ...] = (-1.0, 1.0)
    """Offsets of the paths beside the centerline, positive to the left."""
    speed_fractions: Annotated[tuple[float, ...], Range("> 0")] = (0.2, 0.4, 0.6, 0.8, 1.0)
    """Target speeds that are tried, as shares of the lane's limit."""
    fallback_speed_mps: Annotated[float, Range("> 0")] = 15.0
    """Limit of a lane that has none."""
    min_gap_m: Annotated[float, Range("> 0")] = 1.0
    """Gap to the object ahead at standstill (intelligent driver model)."""
    headway_s: Annotated[float, Range(">= 0")] = 1.5
    """Time gap to the object ahead; a larger gap brakes earlier."""
    max_accel_mps2: Annotated[float, Range("> 0")] = 1.5
    """Largest acceleration."""
    max_decel_mps2: Annotated[float, Range("> 0")] = 3.0
    """Comfortable deceleration, positive; a larger one brakes later and harder."""
    interval_s: Annotated[float, Range("> 0")] = 0.1
    """Time between steps of proposals and plan."""
    proposal_steps: Annotated[int, Range(">= 14")] = 40
    """Steps of a proposal that are simulated and scored; more look further ahead and are slower."""
    plan_steps: Annotated[int, Range(">= 14")] = 80
    """Steps of the plan; at least proposal_steps."""
    radius_m: Annotated[float, Range("> 0")] = 50.0
    """Distance from the ego's center up to which objects are considered."""
    max_vehicles: Annotated[int, Range(">= 0")] = 50
    """Nearest vehicles that are considered."""
    max_pedestrians: Annotated[int, Range(">= 0")] = 25
    """Nearest pedestrians that are considered."""
    max_bicycles: Annotated[int, Range(">= 0")] = 10
    """Nearest bicycles that are considered."""
    max_static: Annotated[int, Range(">= 0")] = 50
    """Nearest static objects that are considered."""
    brake_within_s: Annotated[float, Range(">= 0")] = 2.0
    """The emergency brake is used where the best proposal collides within this time."""
    brake_below_mps: Annotated[float, Range(">= 0")] = 5.0
    """The emergency brake is used up to this speed of the ego."""

    def __post_init__(self) -> None:
        fits = self.plan_steps >= self.proposal_steps
        check(
            self,
            ("speed_fractions", len(self.speed_fractions) > 0, "must hold at least one number"),
            ("plan_steps", fits, f"must be at least proposal_steps = {self.proposal_steps}"),
        )


@dataclass(frozen=True)
class GuardConfig:
    """A planner under supervision."""

    planner: PluginRef = plugin_field("planner", "learned")
    """The planner whose proposals are judged."""
    fallback: PluginRef | None = plugin_field("planner", None)
    """A planner that drives where no proposal is safe (null: the guard brakes)."""
    slower: Annotated[tuple[float, ...], Range("(0, 1]")] = (1.0, 0.75, 0.5, 0.25)
    """Speeds of slower copies that are tried, as shares of a proposal's own (1: the same way, driven gently)."""
    most_slowed: Annotated[int, Range(">= 1")] = 4
    """Proposals of which slower copies are tried, the best first."""
    keep_to_centre: bool = True
    """Whether copies on the route's centerline are tried of a proposal that leaves the road."""
    most_judged: Annotated[int, Range(">= 1")] = 16
    """Proposals that are judged, the planner's best first; more are slower."""
    learned_weight: Annotated[float, Range(">= 0")] = 0.3
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
    edge_slack_m: Annotated[float, Range(">= 0")] = 0.15
    """Distance by which a corner may lie over the road's edge."""
    horizon_s: Annotated[float, Range("[1.5, 8]")] = 4.0
    """Time that is simulated; a longer one sees more conflicts and is slower."""
    radius_m: Annotated[float, Range("> 0")] = 60.0
    """Distance from the ego's center up to which objects are considered."""
    foresee: bool = True
    """Whether vehicles and bicycles move as the planner predicts, where it does; else straight on."""

    def __post_init__(self) -> None:
        check(self)
