"""Settings of pdm_closed and guard."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core.hookspecs import PluginRef, plugin_field
from roadcraft.core.rules import check


@dataclass(frozen=True)
class PdmClosedConfig:
    """PDM-Closed; the defaults are those of tuplan_garage b51d5d0.

    lateral_offsets_m: of the paths beside the centre line, positive to the left; speed_fractions: target speeds as shares of the lane's limit;
    fallback_speed_mps: where the lane has no limit; min_gap_m, headway_s, max_accel_mps2, max_decel_mps2 (positive): intelligent driver model;
    interval_s: of proposals and plan; proposal_steps: simulated and scored; plan_steps: of the plan; radius_m: of what is seen around ego's centre;
    max_vehicles, max_pedestrians, max_bicycles, max_static: nearest objects considered; brake_within_s, brake_below_mps: when the emergency brake
    steps in.
    """

    lateral_offsets_m: tuple[float, ...] = (-1.0, 1.0)
    speed_fractions: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
    fallback_speed_mps: float = 15.0
    min_gap_m: float = 1.0
    headway_s: float = 1.5
    max_accel_mps2: float = 1.5
    max_decel_mps2: float = 3.0
    interval_s: float = 0.1
    proposal_steps: int = 40
    plan_steps: int = 80
    radius_m: float = 50.0
    max_vehicles: int = 50
    max_pedestrians: int = 25
    max_bicycles: int = 10
    max_static: int = 50
    brake_within_s: float = 2.0
    brake_below_mps: float = 5.0

    def __post_init__(self) -> None:
        positive = "fallback_speed_mps min_gap_m max_accel_mps2 max_decel_mps2 interval_s radius_m speed_fractions"
        check(
            self,
            {"> 0": positive, ">= 14": "proposal_steps"},
            ("speed_fractions", len(self.speed_fractions) > 0, "must hold at least one number"),
            (
                "plan_steps",
                self.plan_steps >= self.proposal_steps,
                f"must be at least proposal_steps = {self.proposal_steps}",
            ),
        )


@dataclass(frozen=True)
class GuardConfig:
    """A planner under supervision.

    planner: whose proposals are judged; fallback: a planner that drives when none of them is safe (null for none: the guard brakes);
    slower: speeds tried, as shares of a proposal's own (1 is the same way, driven gently); most_slowed: proposals of which such copies are tried;
    keep_to_centre: whether, of a proposal that leaves the road, copies are tried that keep its speed and follow the route's centre line;
    most_judged: proposals judged, the planner's best first; learned_weight: of the planner's own score beside the rules' (which lie in 0 .. 1);
    progress_weight, ttc_weight, speed_limit_weight, comfort_weight: of the rules; comfort_stop_mps2, emergency_stop_mps2: decelerations, both positive;
    slowing_mps2: of the slower copies; jerk_mps3: of copies and of the comfortable stop; edge_slack_m: corners this far over the road's edge are let
    pass; horizon_s: simulated; radius_m: of what is seen around ego's centre; foresee: whether vehicles and bicycles go where the planner foresees
    them, if it does.
    """

    planner: PluginRef = plugin_field("planner", "learned")
    fallback: PluginRef | None = plugin_field("planner", None)
    slower: tuple[float, ...] = (1.0, 0.75, 0.5, 0.25)
    most_slowed: int = 4
    keep_to_centre: bool = True
    most_judged: int = 16
    learned_weight: float = 0.3
    progress_weight: float = 5.0
    ttc_weight: float = 5.0
    speed_limit_weight: float = 4.0
    comfort_weight: float = 2.0
    slowing_mps2: float = 2.0
    jerk_mps3: float = 3.5
    comfort_stop_mps2: float = 2.5
    emergency_stop_mps2: float = 6.0
    edge_slack_m: float = 0.15
    horizon_s: float = 4.0
    radius_m: float = 60.0
    foresee: bool = True

    def __post_init__(self) -> None:
        positive = "slowing_mps2 jerk_mps3 comfort_stop_mps2 emergency_stop_mps2 radius_m"
        check(self, {"(0, 1]": "slower", ">= 1": "most_slowed most_judged", "> 0": positive, "[1.5, 8]": "horizon_s"})
