"""Settings of the behaviour model ``diffusion``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from roadcraft.core.rules import Range, check


@dataclass(frozen=True)
class GuidanceConfig:
    """How strongly each energy guides a sample while it is drawn; 0 leaves it out, and all 0 costs nothing."""

    collision: Annotated[float, Range(">= 0")] = 0.0
    """Weight of collisions with the agents as predicted in the same sample."""
    drivable: Annotated[float, Range(">= 0")] = 0.0
    """Weight of leaving the lanes ahead."""
    speed: Annotated[float, Range(">= 0")] = 0.0
    """Weight of speed above the limit, and away from a target speed that is given."""
    comfort: Annotated[float, Range(">= 0")] = 0.0
    """Weight of accelerations and jerk beyond what passengers bear."""
    limit: Annotated[float, Range("> 0")] = 0.5
    """Largest change of a sample per step, in standard deviations of the data."""

    def __post_init__(self) -> None:
        check(self)

    @property
    def on(self) -> bool:
        return self.collision + self.drivable + self.speed + self.comfort > 0.0


@dataclass(frozen=True)
class DiffusionConfig:
    """Samples of trajectories by diffusion or flow matching.

    The defaults are small and train in minutes on two cores. For a large data set: blocks 3, heads 8, feed_forward 4,
    dropout 0.1, noise_levels 4.
    """

    samples: Annotated[int, Range(">= 1")] = 6
    """Trajectories in an answer, shared among the lines ahead."""
    process: Literal["vp", "flow"] = "vp"
    """vp: diffusion (variance preserving); flow: flow matching."""
    steps: Annotated[int, Range(">= 1")] = 4
    """Steps of the solver; more are more exact and slower."""
    solver_order: Annotated[int, Range("[1, 2]")] = 2
    """Order of the solver: 2 is DPM-Solver++ 2M, or for flow Heun, which calls the network twice a step but for the
    last."""
    temperature: Annotated[float, Range(">= 0")] = 0.7
    """Scale of the noise that a sample starts from; larger values give more diverse trajectories."""
    guidance_scale: Annotated[float, Range(">= 0")] = 1.0
    """Weight of classifier-free guidance: 0 ignores command, goal, target speed and style, 1 takes them as learned,
    more exaggerates them and doubles the cost."""
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    """Energies that guide a sample while it is drawn."""
    blocks: Annotated[int, Range(">= 1")] = 2
    """Blocks of the denoiser."""
    heads: Annotated[int, Range(">= 1")] = 4
    """Attention heads."""
    feed_forward: Annotated[int, Range(">= 1")] = 2
    """Width of the feed-forward layers, as a multiple of dim."""
    dropout: Annotated[float, Range("[0, 1)")] = 0.0
    """Dropout; larger values regularize more, for large data sets."""
    word_dim: Annotated[int, Range(">= 1")] = 32
    """Width of the text encoder."""
    max_words: Annotated[int, Range(">= 1")] = 8
    """Words of the longest command."""
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
    future_agents: Annotated[int, Range(">= 0")] = 8
    """Nearest agents that are denoised together with the ego."""
    noise_levels: Annotated[int, Range(">= 1")] = 2
    """Noise levels per training sample."""
    coefficient_weight: Annotated[float, Range(">= 0")] = 0.1
    """Loss weight of the spline coefficients."""
    regression_weight: Annotated[float, Range(">= 0")] = 1.0
    """Loss weight of the poses that the splines make."""
    heading_weight: Annotated[float, Range(">= 0")] = 2.0
    """Weight of the heading within regression_weight."""
    speed_weight: Annotated[float, Range(">= 0")] = 0.5
    """Weight of the speed within regression_weight."""
    classification_weight: Annotated[float, Range(">= 0")] = 0.5
    """Loss weight of the choice of line."""
    agent_weight: Annotated[float, Range(">= 0")] = 0.3
    """Loss weight of the agents."""
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
