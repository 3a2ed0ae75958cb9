"""Settings of the behaviour model ``multimodal``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.rules import Range, check


@dataclass(frozen=True)
class MultimodalConfig:
    """Speed profiles along reference lines.

    The defaults are small, as the encoder's are. For a large data set: modes 4, layers 2, heads 8, feed_forward 4,
    dropout 0.1.
    """

    modes: Annotated[int, Range(">= 1")] = 3
    """Trajectories per reference line."""
    reference_lines: Annotated[int, Range(">= 1")] = 3
    """Reference lines along the route that are read, at most."""
    reference_points: Annotated[int, Range(">= 4")] = 80
    """Points of each reference line."""
    reference_interval_m: Annotated[float, Range("> 0")] = 2.0
    """Distance between the points of a reference line."""
    layers: Annotated[int, Range(">= 1")] = 1
    """Layers of the decoder."""
    heads: Annotated[int, Range(">= 1")] = 4
    """Attention heads."""
    feed_forward: Annotated[int, Range(">= 1")] = 2
    """Width of the feed-forward layers, as a multiple of dim."""
    dropout: Annotated[float, Range("[0, 1)")] = 0.0
    """Dropout; larger values regularize more, for large data sets."""
    speed_knots_s: Annotated[tuple[float, ...], Range("> 0")] = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.5)
    """Times of the knots of the speed spline, ascending."""
    offset_knots_s: Annotated[tuple[float, ...], Range("> 0")] = (0.8, 1.6, 2.4, 3.5, 5.0, 7.0)
    """Knots of the lateral spline, ascending, in seconds of travel at the present speed."""
    min_knot_speed_mps: Annotated[float, Range("> 0")] = 5.0
    """Least speed that offset_knots_s are taken at."""
    future_steps: Annotated[int, Range(">= 1")] = 80
    """Predicted poses, 0.1 s apart."""
    future_agents: Annotated[int, Range(">= 0")] = 10
    """Nearest agents whose future is predicted."""
    regression_weight: Annotated[float, Range(">= 0")] = 1.0
    """Loss weight of the best mode's error of position, heading and speed."""
    classification_weight: Annotated[float, Range(">= 0")] = 0.5
    """Loss weight of the choice of line and mode."""
    agent_weight: Annotated[float, Range(">= 0")] = 0.3
    """Loss weight of the agents' error of position."""
    heading_weight: Annotated[float, Range(">= 0")] = 2.0
    """Weight of the heading within regression_weight."""
    speed_weight: Annotated[float, Range(">= 0")] = 0.5
    """Weight of the speed within regression_weight."""
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
