"""Settings of the behavior model ``diffusion``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from roadcraft.core.config.rules import Range, check
from roadcraft.plugins.common.line_model_config import LineModelConfig


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
class DiffusionConfig(LineModelConfig):
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
    word_dim: Annotated[int, Range(">= 1")] = 32
    """Width of the text encoder."""
    max_words: Annotated[int, Range(">= 1")] = 8
    """Words of the longest command."""
    future_agents: Annotated[int, Range(">= 0")] = 8
    """Nearest agents that are denoised together with the ego."""
    noise_levels: Annotated[int, Range(">= 1")] = 2
    """Noise levels per training sample."""
    coefficient_weight: Annotated[float, Range(">= 0")] = 0.1
    """Loss weight of the spline coefficients."""
    regression_weight: Annotated[float, Range(">= 0")] = 1.0
    """Loss weight of the poses that the splines make."""
    classification_weight: Annotated[float, Range(">= 0")] = 0.5
    """Loss weight of the choice of line."""
    agent_weight: Annotated[float, Range(">= 0")] = 0.3
    """Loss weight of the agents."""
