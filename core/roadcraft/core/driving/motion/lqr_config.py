"""Settings of the LQR tracker. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from roadcraft.core.config.rules import Range, Unit, check


@dataclass(frozen=True)
class LqrConfig:
    """Weights of the LQR tracker; the defaults are nuPlan's (reference: nuplan-devkit e924167,
    two_stage_controller.yaml)."""

    q_speed: Annotated[float, Range(">= 0")] = 10.0
    """Weight of the speed error; a larger one follows the plan's speed more closely."""
    r_accel: Annotated[float, Range("> 0")] = 1.0
    """Weight of the acceleration; a larger one accelerates and brakes more gently."""
    q_lateral: Annotated[float, Range(">= 0")] = 1.0
    """Weight of the lateral error (m)."""
    q_heading: Annotated[float, Range(">= 0")] = 10.0
    """Weight of the heading error (rad)."""
    q_steering: Annotated[float, Range(">= 0")] = 0.0
    """Weight of the steering angle (rad)."""
    r_steering: Annotated[float, Range("> 0")] = 1.0
    """Weight of the steering rate (rad/s); a larger one steers more slowly."""
    interval_s: Annotated[float, Range("> 0")] = 0.1
    """Time between poses of the resampled plan, and between steps of the look-ahead."""
    horizon: Annotated[int, Range(">= 2")] = 10  # steering reaches the lateral error only after two steps
    """Steps of the look-ahead."""
    jerk_penalty: Annotated[float, Range("> 0")] = 1e-4
    """Penalty on jerk in the fit of the speed profile; a larger one smooths more."""
    curvature_rate_penalty: Annotated[float, Range("> 0")] = 1e-2
    """Penalty on changes of curvature in the fit of the curvature profile; a larger one smooths more."""
    stop_gain: Annotated[float, Range("> 0"), Unit("1/s")] = 0.5
    """Gain of the proportional speed controller that takes over near standstill."""
    stop_speed: Annotated[float, Range("> 0"), Unit("m/s")] = 0.2
    """Speed of ego and plan below which stop_gain takes over."""

    def __post_init__(self) -> None:
        check(self)
