"""Settings of simulation and scoring. Standard library only, so that ``--help`` stays quick."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from roadcraft.core.config import path_field
from roadcraft.core.errors import DataError
from roadcraft.core.hookspecs import MetricRef, PluginRef, plugin_field
from roadcraft.core.rules import check
from roadcraft.core.yaml_text import read_yaml
from roadcraft.scenario_io.filter_config import ScenarioFilter

Mode = Literal["nonreactive", "reactive", "open_loop"]
CHALLENGES: dict[str, str] = {
    "nonreactive": "closed_loop_nonreactive_agents",
    "reactive": "closed_loop_reactive_agents",
    "open_loop": "open_loop_boxes",
}


@dataclass(frozen=True)
class LqrConfig:
    """Weights of the LQR tracker; the defaults are nuPlan's (reference: nuplan-devkit e924167, two_stage_controller.yaml).

    q_speed, r_accel: longitudinal state and input; q_lateral (m), q_heading (rad), q_steering (rad), r_steering (rad/s): lateral state and input;
    interval_s: of the resampled plan; horizon: steps of look-ahead; jerk_penalty, curvature_rate_penalty: smoothness of the fitted profiles;
    stop_gain (1/s) takes over below stop_speed (m/s).
    """

    q_speed: float = 10.0
    r_accel: float = 1.0
    q_lateral: float = 1.0
    q_heading: float = 10.0
    q_steering: float = 0.0
    r_steering: float = 1.0
    interval_s: float = 0.1
    horizon: int = 10
    jerk_penalty: float = 1e-4
    curvature_rate_penalty: float = 1e-2
    stop_gain: float = 0.5
    stop_speed: float = 0.2

    def __post_init__(self) -> None:
        check(
            self,
            {
                "> 0": "r_accel r_steering interval_s jerk_penalty curvature_rate_penalty stop_gain stop_speed",
                ">= 0": "q_speed q_lateral q_heading q_steering",
                ">= 2": "horizon",  # steering reaches the lateral error only after two steps
            },
        )


@dataclass(frozen=True)
class KinematicBicycleConfig:
    """No settings of its own: wheel base, limits and lags come from the vehicle file."""


@dataclass(frozen=True)
class SimulationConfig:
    """How a scenario is driven.

    controller: ``two_stage`` (tracker, then vehicle model), ``perfect`` (ego is put where the plan says) or ``log`` (ego follows the log: open loop);
    batch: scenarios that run in lockstep; record_plan_every: steps between recorded plans (open loop records all).
    """

    controller: Literal["two_stage", "perfect", "log"] = "two_stage"
    tracker: PluginRef = plugin_field("tracker", "lqr")
    vehicle_model: PluginRef = plugin_field("vehicle_model", "kinematic_bicycle")
    batch: int = 64
    record_plan_every: int = 5

    def __post_init__(self) -> None:
        check(self, {">= 1": "batch record_plan_every"})


@dataclass(frozen=True)
class VehicleRef:
    """The ego vehicle. name: one that comes with roadcraft (pacifica where neither is given); file: a YAML file of one's own, which also says its name.
    A text alone is either: ``vehicle=pacifica``, ``vehicle=conf/truck.yaml``."""

    name: str = ""
    file: str = path_field()

    @classmethod
    def from_text(cls, text: str) -> dict[str, str]:
        """What a text alone stands for: a path where it ends in .yaml or holds a slash. It replaces both keys."""
        is_path = text.endswith((".yaml", ".yml")) or "/" in text
        return {"name": "", "file": text} if is_path else {"name": text, "file": ""}

    def __post_init__(self) -> None:
        own = _name_in(self.file) if self.file else self.name or "pacifica"
        rule = f"must be left out or be {own!r}, which {self.file} says: give a name or a file"
        check(self, {}, ("name", self.name in ("", own), rule))
        object.__setattr__(self, "name", own)


def _name_in(file: str) -> str:
    """The vehicle's name in its file; where that cannot be read, which whoever loads it tells, the file's."""
    try:
        tree = read_yaml(Path(file))
    except DataError:
        tree = None
    return str(tree["name"]) if isinstance(tree, dict) and isinstance(tree.get("name"), str) else Path(file).stem


@dataclass(frozen=True)
class SuiteConfig:
    """What is driven.

    data: a store, or a folder of logs (``format`` names it where it cannot be told); filter: which scenarios; modes: ``nonreactive`` (others follow the
    log), ``reactive`` (others are driven by ``agents``), ``open_loop`` (ego follows the log, plans are compared with it); missing: what to do
    where the filter names tokens, logs, maps, splits or types that the data lack: ``report`` them and go on, or ``refuse``; maps: folder of the maps,
    for raw nuPlan logs that they do not lie beside.
    """

    data: str = path_field()
    format: str = ""
    filter: ScenarioFilter = field(default_factory=ScenarioFilter)
    modes: tuple[Mode, ...] = ("nonreactive",)
    agents: PluginRef = plugin_field("agents", "idm")
    missing: Literal["report", "refuse"] = "report"
    maps: str = path_field()

    def __post_init__(self) -> None:
        once = 0 < len(self.modes) == len(set(self.modes))
        check(self, {}, ("modes", once, "must name each mode once, and at least one"))


@dataclass(frozen=True)
class ScoreConfig:
    """A scoring run.

    planner; vehicle; suite; simulation; metrics: further ones beside nuPlan's, each a name or ``{name, params, role, weight}``,
    where role and weight say how its score counts if not as the metric itself says; seed: of every random draw; workers: processes, 0 for one per core;
    call_limit_s: a planner call that takes longer is killed and its scenario fails; rollouts: keep the drives (for show, rescore and report);
    scenario: one token alone; out: the run's folder.
    """

    SHORT: ClassVar[dict[str, str]] = {
        "data": "suite.data",
        "modes": "suite.modes",
        "agents": "suite.agents",
        "filter": "suite.filter",
        "controller": "simulation.controller",
        "batch": "simulation.batch",
    }
    # What may differ between a run and its resumption: none of these can change a score.
    FREE: ClassVar[tuple[str, ...]] = ("workers", "call_limit_s", "simulation.batch", "out")

    planner: PluginRef = plugin_field("planner", "idm")
    vehicle: VehicleRef = field(default_factory=VehicleRef)
    suite: SuiteConfig = field(default_factory=SuiteConfig)
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    metrics: tuple[MetricRef, ...] = field(default=(), metadata={"kind": "metric"})
    seed: int = 0
    workers: int = 0
    call_limit_s: float = 60.0
    rollouts: bool = True
    scenario: str = ""
    out: str = path_field(written=True)

    def __post_init__(self) -> None:
        names = [m.name for m in self.metrics]
        twice = next((n for n in names if names.count(n) > 1), "")
        once = ("metrics", not twice, f"must name each metric once, {twice!r} is there twice")
        check(self, {">= 0": "seed workers", "> 0": "call_limit_s"}, once)
