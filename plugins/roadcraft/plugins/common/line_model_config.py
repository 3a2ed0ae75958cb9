"""Settings that models share whose trajectories are splines along reference lines (no torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, check
from roadcraft.plugins.common.attention_config import AttentionConfig


@dataclass(frozen=True)
class LineModelConfig(AttentionConfig):
    """Reference lines, the splines along them, and the loss of poses."""

    reference_lines: Annotated[int, Range(">= 1")] = 3
    """Reference lines along the route that are read, at most."""
    reference_points: Annotated[int, Range(">= 4")] = 80
    """Points of each reference line."""
    reference_interval_m: Annotated[float, Range("> 0")] = 2.0
    """Distance between the points of a reference line."""
    speed_knots_s: Annotated[tuple[float, ...], Range("> 0")] = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.5)
    """Times of the knots of the speed spline, ascending."""
    offset_knots_s: Annotated[tuple[float, ...], Range("> 0")] = (0.8, 1.6, 2.4, 3.5, 5.0, 7.0)
    """Knots of the lateral spline, ascending, in seconds of travel at the present speed."""
    min_knot_speed_mps: Annotated[float, Range("> 0")] = 5.0
    """Least speed that offset_knots_s are taken at."""
    future_steps: Annotated[int, Range(">= 1")] = 80
    """Predicted poses, 0.1 s apart."""
    heading_weight: Annotated[float, Range(">= 0")] = 2.0
    """Weight of the heading within regression_weight."""
    speed_weight: Annotated[float, Range(">= 0")] = 0.5
    """Weight of the speed within regression_weight."""
    lateral_weight: Annotated[float, Range(">= 0")] = 0.0
    """Weight of the distance across the expert's heading, per meter and linear from 0.05 m on: what keeps wide vehicles
    in their lanes, whose errors are small beside those along the road (0: none)."""
    time_discount_s: Annotated[float, Range("> 0")] = 2.0
    """A pose t seconds ahead weighs 1 / (1 + t / time_discount_s) in the loss; a smaller value favors the first second,
    which a closed loop drives."""

    def __post_init__(self) -> None:
        check(
            self,
            *(
                (name, len(k) > 0 and list(k) == sorted(set(k)), "must be positive and ascending")
                for name, k in (("speed_knots_s", self.speed_knots_s), ("offset_knots_s", self.offset_knots_s))
            ),
            (
                "speed_knots_s",
                max(self.speed_knots_s, default=0.0) < 0.1 * self.future_steps,
                "must end before the horizon",
            ),
        )
