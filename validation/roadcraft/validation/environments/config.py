"""Settings of the environment. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Annotated, Literal

from roadcraft.core.config.load import path_field
from roadcraft.core.config.rules import Range, check
from roadcraft.core.plugins.hookspecs import PluginRef, plugin_field
from roadcraft.scenario_io.filter_config import ScenarioFilter
from roadcraft.validation.config import SimulationConfig, VehicleRef
from roadcraft.validation.environments.reward_config import RewardName, RewardWeights


@dataclass(frozen=True)
class ActionConfig:
    """What an action is."""

    kind: Literal["controls", "trajectory", "maneuver"] = "controls"
    """controls: two numbers in [-1, 1], acceleration and steering rate, which drive the vehicle without a tracker;
    trajectory: poses ahead in the ego frame, which are tracked as a planner's; maneuver: the number of one, of a line
    (own, left, right) and a speed, whose trajectory is."""
    repeat: Annotated[int, Range(">= 1")] = 1
    """Steps of the simulation for which an action is driven: 5 at 10 Hz are a decision every half a second. Rewards are
    summed over them."""
    max_acceleration_mps2: Annotated[float, Range("> 0")] = 2.4
    """Commanded acceleration of the action 1."""
    max_braking_mps2: Annotated[float, Range("> 0")] = 4.0
    """Commanded deceleration of the action -1."""
    max_steering_rate_radps: Annotated[float, Range("> 0")] = 0.5
    """Rate of the tire angle, to the left, of the action 1."""
    points: Annotated[int, Range(">= 1")] = 8
    """Poses of a trajectory."""
    interval_s: Annotated[float, Range("> 0")] = 0.5
    """Time between the poses of a trajectory."""
    speeds: tuple[float, ...] = (0.0, 0.35, 0.7, 1.0)
    """Speeds of the maneuvers, as shares of the limit."""
    line_change_s: Annotated[float, Range("> 0")] = 3.0
    """Time in which a maneuver takes the ego onto its line."""
    maneuver_s: Annotated[float, Range("> 0")] = 4.0
    """Length of a maneuver's trajectory."""
    max_jerk_mps3: Annotated[float, Range("> 0")] = 3.0
    """Change of acceleration along a maneuver."""

    def __post_init__(self) -> None:
        known = bool(self.speeds) and all(s >= 0.0 for s in self.speeds)
        check(self, ("speeds", known, "must be shares of the limit, 0 or more, at least one"))

    @property
    def horizon_s(self) -> float:
        """How far ahead an action says where to be, s; infinite for controls, which say how to drive."""
        lengths = {"trajectory": self.points * self.interval_s, "maneuver": self.maneuver_s}
        return lengths.get(self.kind, inf)


@dataclass(frozen=True)
class EnvironmentConfig:
    """The closed loop as an environment: a batch of slots, each of which drives one scenario after the other."""

    data: str = path_field()
    """A store, or a folder of logs; needed where the scenarios are not given."""
    filter: ScenarioFilter = field(default_factory=ScenarioFilter)
    """Which scenarios are driven; what is null lets everything pass."""
    agents: PluginRef = plugin_field("agents", "log")
    """Drives the other road users: log, idm, or any other registered policy."""
    vehicle: VehicleRef = field(default_factory=VehicleRef)
    """The ego vehicle."""
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    """How a scenario is driven."""
    slots: Annotated[int, Range(">= 1")] = 16
    """Scenarios that are driven at once."""
    action: ActionConfig = field(default_factory=ActionConfig)
    """What an action is."""
    reward: RewardName = "score"
    """Difference of the running score: of nuPlan's exactly (score), or where time to collision and comfort count by the
    share of steps that keep them instead of failing for good (graded); or that of carl, gigaflow or pufferdrive."""
    weights: RewardWeights = field(default_factory=RewardWeights)
    """Coefficients of rewards carl, gigaflow and pufferdrive."""
    end_at_failure: bool = True
    """Whether an episode terminates once its score is 0 for good (collision at fault, off the road, against the
    traffic), with reward carl at any contact while moving and any corner off the road too."""
    log_end: Literal["truncate", "terminate"] = "truncate"
    """How an episode ends where its log does: truncate, to be bootstrapped, or terminate, as exact for a score of a
    fixed time, where the critic should know how much time is left."""
    autoreset: bool = True
    """Whether a slot whose episode ends begins the next one in the same step; false: it waits for reset_rows."""
    seed: Annotated[int, Range(">= 0")] = 0
    """Seed of agents, and of which scenario comes next."""

    def __post_init__(self) -> None:
        check(self)
