"""Settings of the planner ``pdm_closed``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, check


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

    @property
    def nearest(self) -> tuple[int, int, int, int]:
        """How many vehicles, pedestrians, bicycles and static objects are considered."""
        return self.max_vehicles, self.max_pedestrians, self.max_bicycles, self.max_static
