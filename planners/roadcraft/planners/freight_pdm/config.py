"""Settings of the planner ``freight_pdm``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, check
from roadcraft.core.plugins.hookspecs import PluginRef, plugin_field


@dataclass(frozen=True)
class FreightPdmConfig:
    """PDM for heavy and articulated vehicles: speeds that load, road, engine and brakes allow, on ways about which all
    units are centered. Defaults are engine choices, tuned on the freight suite where nothing else is said."""

    center_by_swept_path: bool = True
    """Whether ways center the band that all units sweep; else unit 0's rear axle is centered."""
    lateral_offsets_m: tuple[float, ...] = (-0.5, 0.5)
    """Offsets of the ways beside the centered one, positive to the left; the center line itself is tried, too."""
    speed_shares: Annotated[tuple[float, ...], Range("> 0")] = (1.0, 0.85, 0.7, 0.5, 0.3)
    """Speeds that are tried, as shares of that which is right at each place."""
    limit_share: Annotated[float, Range("(0, 1]")] = 0.97
    """Share of the speed limit that is right."""
    fallback_speed_mps: Annotated[float, Range("> 0")] = 15.0
    """Limit of a lane that has none."""
    top_speed_mps: Annotated[float, Range("> 0")] = 40.0
    """Highest speed on any road."""
    roll_share: Annotated[float | None, Range("> 0")] = 0.5
    """Share of the static roll threshold that curves may take, bank included; none does not think of it."""
    friction_share: Annotated[float, Range("> 0")] = 0.3
    """Share of the road's friction that curves may take."""
    traction_share: Annotated[float, Range("(0, 1]")] = 0.5
    """Share of the road's friction that the driven axles may take to accelerate."""
    lateral_mps2: Annotated[float, Range("> 0")] = 1.4
    """Lateral acceleration that curves may take."""
    practice: bool = True
    """Whether the way is driven in mind, by the vehicle's dynamics, before the start: slower where trailers would swing
    out of the lane or the load would sway."""
    most_transfer: Annotated[float, Range("> 0")] = 0.55
    """Load transfer ratio that such a drive may come to."""
    most_swing_m: Annotated[float, Range(">= 0")] = 0.05
    """How much farther out of the lane than when crawling its units may come."""
    warm_degC: float | None = 190.0
    """Temperature to which the brakes may come on a downgrade; none does not think of it."""
    unseen_grade_m: Annotated[float, Range(">= 0")] = 3000.0
    """Length for which a downgrade is taken to go on beyond the known road."""
    slowing_mps2: Annotated[float, Range("> 0")] = 0.9
    """Deceleration before curves and lower limits."""
    max_accel_mps2: Annotated[float, Range("> 0")] = 1.0
    """Largest acceleration; the engine may give less."""
    gentle_mps2: Annotated[float, Range("> 0")] = 1.0
    """Deceleration behind others while there is room."""
    firm_mps2: Annotated[float, Range("> 0")] = 2.4
    """Deceleration up to which the payload is treated well; more only to avoid a contact."""
    brake_mps2: Annotated[float, Range("> 0")] = 6.0
    """Full braking of a vehicle whose file gives none."""
    jerk_mps3: Annotated[float, Range("> 0")] = 1.5
    """Largest change of the acceleration while firm braking is enough."""
    min_gap_m: Annotated[float, Range("> 0")] = 5.0
    """Gap to the object ahead at standstill."""
    headway_s: Annotated[float, Range(">= 0")] = 3.0
    """Time gap to the object ahead."""
    reaction_s: Annotated[float, Range(">= 0")] = 0.5
    """Reaction counted in the distance to stop, beside the dead time of the brakes."""
    car_brake_mps2: Annotated[float, Range("> 0")] = 8.0
    """Full braking of a leader."""
    truck_brake_mps2: Annotated[float, Range("> 0")] = 5.0
    """Full braking of a leader longer than long_m."""
    long_m: Annotated[float, Range("> 0")] = 7.0
    """Length from which on a leader brakes as a truck."""
    passing_mps: Annotated[float, Range("> 0")] = 10.0
    """How much faster than traffic in lanes beside its own it is when it passes that."""
    roadside_slower_mps: Annotated[float, Range(">= 0")] = 9.2
    """How much slower than usual it passes vehicles that stand beside the lanes of a fast road, unless it takes another
    lane: 20 mph by the laws of US states, and a little."""
    clearance_m: Annotated[float, Range(">= 0")] = 0.1
    """Room wanted under structures; the truck stops before places with less, and before those closed to it."""
    halt_before_m: Annotated[float, Range(">= 0")] = 5.0
    """Where it stops before such a place."""
    room_m: tuple[float, float] = (0.15, 0.3)
    """Room beside the swept band within which what stands, and what moves, is in the way."""
    lateral_change_mps2: Annotated[float, Range("> 0")] = 0.3
    """Lateral acceleration of a change from one way to another."""
    interval_s: Annotated[float, Range("> 0")] = 0.1
    """Time between steps of proposals and plan."""
    proposal_steps: Annotated[int, Range(">= 14")] = 50
    """Steps of a proposal that are scored; more look further ahead and are slower."""
    plan_steps: Annotated[int, Range(">= 14")] = 80
    """Steps of the plan; at least proposal_steps."""
    radius_m: Annotated[float, Range("> 0")] = 250.0
    """Distance from the ego's center up to which objects are considered: a loaded truck needs more than 100 m to
    stop."""
    max_vehicles: Annotated[int, Range(">= 0")] = 60
    """Nearest vehicles that are considered."""
    max_pedestrians: Annotated[int, Range(">= 0")] = 25
    """Nearest pedestrians that are considered."""
    max_bicycles: Annotated[int, Range(">= 0")] = 10
    """Nearest bicycles that are considered."""
    max_static: Annotated[int, Range(">= 0")] = 60
    """Nearest static objects that are considered."""
    brake_within_s: Annotated[float, Range(">= 0")] = 2.0
    """It brakes fully where the best proposal collides within this time."""
    planner: PluginRef | None = plugin_field("planner", None)
    """Another planner whose candidates, as long as plan_steps, are tried beside its own proposals, such as a network
    that it so guards (null: none)."""
    planner_score_weight: Annotated[float, Range(">= 0")] = 0.1
    """What is added to the score, of at most 1, of that planner's likeliest candidate where it has no fault; less to
    others."""
    max_proposals: Annotated[int, Range(">= 1")] = 6
    """Candidates of that planner that are tried, its best first."""

    def __post_init__(self) -> None:
        falling = list(self.speed_shares) == sorted(self.speed_shares, reverse=True)
        fits = self.plan_steps >= self.proposal_steps
        check(
            self,
            ("speed_shares", len(self.speed_shares) > 0, "must hold at least one number"),
            ("speed_shares", falling, "must begin with the largest and fall"),
            ("plan_steps", fits, f"must be at least proposal_steps = {self.proposal_steps}"),
        )
