"""Settings of rewards. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from roadcraft.core.config.rules import Range, check

RewardName = Literal["score", "graded", "carl", "gigaflow", "pufferdrive"]
"""What a step of an environment, and a decision of a policy that learns, may earn."""


@dataclass(frozen=True)
class CarlReward:
    """Reward ``carl`` (Jaeger et al. 2025): progress along the expert's route as a share of the expert's, times five
    soft factors (distance from the lane's middle, overspeed, route, comfort so far, time to collision so far). An
    episode fails by any contact while the ego moves, and off the road by any distance."""

    scale: Annotated[float, Range("> 0")] = 100.0
    """Sum of the rewards of a perfect drive."""
    survival: Annotated[float, Range("[0, 1]")] = 0.0
    """Share that is paid for every step without a failure instead of for progress; larger values make failing cost
    more late in a drive."""
    penalty: Annotated[float, Range(">= 0")] = 0.0
    """Cost of a failure; larger values lengthen the time in which nothing but standing is learned."""
    free_offset_m: Annotated[float, Range(">= 0")] = 0.5
    """Distance from the lane's middle that costs nothing."""
    max_overspeed_mps: Annotated[float, Range("> 0")] = 2.23
    """Speed above the limit at which nothing is earned."""
    close: Annotated[float, Range("[0, 1]")] = 0.5
    """Factor once time to collision was too short."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class GigaflowReward:
    """Reward ``gigaflow`` (Cusumano-Towner et al. 2025, as in PufferDrive): a sum of terms. What is published as a
    range, from which each agent draws, has the middle of its range as default where no fixed one is published. The goal
    is where the expert ends."""

    goal: Annotated[float, Range(">= 0")] = 1.0
    """For the goal, once."""
    goal_radius_m: Annotated[float, Range("> 0")] = 2.0
    """Distance at which the goal is reached."""
    collision: Annotated[float, Range(">= 0")] = 3.0
    """Cost of a first contact with an object."""
    collision_per_mps: Annotated[float, Range(">= 0")] = 0.1
    """Further cost of it per m/s of speed."""
    off_road: Annotated[float, Range(">= 0")] = 3.0
    """Cost of a step with a corner off the road."""
    red_light: Annotated[float, Range(">= 0")] = 0.5
    """Cost of passing a red light."""
    alignment: Annotated[float, Range(">= 0")] = 0.025
    """Per second, for being turned as the lane is; against it it costs."""
    against_speed: Annotated[float, Range(">= 0")] = 0.5
    """How much of that is the speed against the lane, per m/s."""
    center: Annotated[float, Range(">= 0")] = 0.0038
    """Cost per second and meter from the lane's middle."""
    center_bias_m: float = 0.0
    """How far left of the lane's middle costs least."""
    comfort: Annotated[float, Range(">= 0")] = 0.05
    """Cost of a step of more than 3 m/s2, and of one of more than 5 m/s3, along the vehicle."""
    velocity: Annotated[float, Range(">= 0")] = 2.5e-3
    """Per meter along the expert's route."""
    reverse: Annotated[float, Range(">= 0")] = 0.0038
    """Cost per second of driving backwards."""
    time: Annotated[float, Range(">= 0")] = 2.5e-5
    """Cost per second of moving."""
    overspeed: Annotated[float, Range(">= 0")] = 0.5
    """Cost of a step per m/s above the limit."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class PufferDriveReward:
    """Reward ``pufferdrive`` (its version 2): goal, contacts, road. The goal is where the expert ends."""

    goal: Annotated[float, Range(">= 0")] = 1.0
    """For the goal, once."""
    goal_radius_m: Annotated[float, Range("> 0")] = 2.0
    """Distance at which the goal is reached."""
    collision: Annotated[float, Range(">= 0")] = 0.5
    """Cost of a first contact with an object."""
    off_road: Annotated[float, Range(">= 0")] = 0.2
    """Cost of a step with a corner off the road."""
    log_distance: Annotated[float, Range(">= 0")] = 0.0
    """Cost of a step per meter from where the log was."""
    clamp: Annotated[float, Range(">= 0")] = 1.0
    """Largest size of a step's reward (0: no bound)."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class RewardWeights:
    """Coefficients of the rewards that have some."""

    carl: CarlReward = field(default_factory=CarlReward)
    """Of reward carl."""
    gigaflow: GigaflowReward = field(default_factory=GigaflowReward)
    """Of reward gigaflow."""
    pufferdrive: PufferDriveReward = field(default_factory=PufferDriveReward)
    """Of reward pufferdrive."""
