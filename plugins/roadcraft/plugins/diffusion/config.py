"""Settings of the behaviour model ``diffusion``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from roadcraft.core.rules import check


@dataclass(frozen=True)
class GuidanceConfig:
    """How strongly each energy bends a sample while it is drawn; 0 leaves it out, and all 0 costs nothing.

    collision: with the agents as foreseen in the same sample; drivable: leaving the lanes ahead; speed: above the limit, and away from a target speed that
    is told; comfort: accelerations and jerk beyond what passengers bear. limit: a step changes no sample by more (in standard deviations of the data).
    """

    collision: float = 0.0
    drivable: float = 0.0
    speed: float = 0.0
    comfort: float = 0.0
    limit: float = 0.5

    def __post_init__(self) -> None:
        check(self, {">= 0": "collision drivable speed comfort", "> 0": "limit"})

    @property
    def on(self) -> bool:
        return self.collision + self.drivable + self.speed + self.comfort > 0.0


@dataclass(frozen=True)
class DiffusionConfig:
    """The defaults are small and train in minutes on two cores. For a large data set: blocks 3, heads 8, feed_forward 4, dropout 0.1, draws 4.

    samples: trajectories in an answer, dealt to the lines ahead; process: 'vp' (diffusion, variance preserving) or 'flow' (flow matching); steps: of the solver;
    order: 2 (DPM-Solver++ 2M, or Heun for 'flow', which asks the network twice a step but for the last) or 1; temperature: of the noise a sample
    starts from; emphasis: weight of classifier-free guidance: 0 ignores what is told (command, goal, target speed, style), 1 takes it as learned, more
    exaggerates it and doubles the cost. guidance: see GuidanceConfig.

    blocks, heads, feed_forward, dropout: of the denoiser; word_dim: of the text encoder; words: longest command; lines, line_points, line_interval_m:
    reference lines of the features; speed_knots_s, offset_knots_s, slow_mps, future_steps: as of ``multimodal``; future_agents: neighbours denoised with the ego.

    draws: noise levels per training sample.
    Loss weights: value (of the spline coefficients), regression (of the poses they make; heading, speed within it), choice (of the line), agent; near_s: a
    pose t seconds ahead weighs 1 / (1 + t / near_s).
    """

    samples: int = 6
    process: Literal["vp", "flow"] = "vp"
    steps: int = 4
    order: int = 2
    temperature: float = 0.7
    emphasis: float = 1.0
    guidance: GuidanceConfig = field(default_factory=GuidanceConfig)
    blocks: int = 2
    heads: int = 4
    feed_forward: int = 2
    dropout: float = 0.0
    word_dim: int = 32
    words: int = 8
    lines: int = 3
    line_points: int = 80
    line_interval_m: float = 2.0
    speed_knots_s: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.5)
    offset_knots_s: tuple[float, ...] = (0.8, 1.6, 2.4, 3.5, 5.0, 7.0)
    slow_mps: float = 5.0
    future_steps: int = 80
    future_agents: int = 8
    draws: int = 2
    value: float = 0.1
    regression: float = 1.0
    heading: float = 2.0
    speed: float = 0.5
    choice: float = 0.5
    agent: float = 0.3
    near_s: float = 2.0

    def __post_init__(self) -> None:
        check(
            self,
            {
                ">= 1": "samples steps blocks heads lines words draws future_steps",
                "[1, 2]": "order",
                ">= 0": "temperature emphasis",
                ">= 4": "line_points",
                "> 0": "line_interval_m",
            },
            *(
                (name, len(k) > 0 and list(k) == sorted(set(k)) and k[0] > 0.0, "must be positive and ascending")
                for name, k in (("speed_knots_s", self.speed_knots_s), ("offset_knots_s", self.offset_knots_s))
            ),
            (
                "speed_knots_s",
                max(self.speed_knots_s, default=0.0) < 0.1 * self.future_steps,
                "must end before the horizon",
            ),
        )
