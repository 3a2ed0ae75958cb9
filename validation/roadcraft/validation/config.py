"""Settings of simulation and scoring. Standard library only, so that ``--help`` stays quick."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from roadcraft.core.config.load import path_field
from roadcraft.core.config.rules import Range, Suggestions, check
from roadcraft.core.config.yaml_text import read_yaml
from roadcraft.core.driving.motion.lqr_config import LqrConfig as LqrConfig
from roadcraft.core.driving.motion.truck_lqr_config import TruckLqrConfig as TruckLqrConfig
from roadcraft.core.errors import DataError
from roadcraft.core.plugins.hookspecs import MetricRef, PluginRef, plugin_field
from roadcraft.scenario_io.filter_config import ScenarioFilter

if TYPE_CHECKING:
    from roadcraft.core.data.scenario import Drive
    from roadcraft.core.vehicles.vehicle import Vehicle

Mode = Literal["nonreactive", "reactive", "open_loop"]
CHALLENGES: dict[str, str] = {
    "nonreactive": "closed_loop_nonreactive_agents",
    "reactive": "closed_loop_reactive_agents",
    "open_loop": "open_loop_boxes",
}
OF_LOG = "log"  # names the vehicle that a log was driven with
MANY = 5000  # scenarios that are driven without a filter only when asked for


@dataclass(frozen=True)
class KinematicBicycleConfig:
    """No settings of its own: wheel base, limits and lags come from the vehicle file."""


@dataclass(frozen=True)
class KinematicChainConfig:
    """Wheel bases, hitches, limits and lags come from the vehicle file."""

    integrator: Literal["euler_chord", "rk4"] = "euler_chord"
    """euler_chord: unit 0 moves as nuPlan's bicycle, the others are pulled along chords; rk4: all units by Runge-Kutta
    steps of fourth order."""
    steps: Annotated[int, Range("[1, 100]")] = 2
    """Parts of an interval."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class DynamicChainConfig:
    """No settings of its own: masses, tires, engine and brakes come from the vehicle file."""


@dataclass(frozen=True)
class SimulationConfig:
    """How a scenario is driven."""

    controller: Literal["two_stage", "perfect", "log"] = "two_stage"
    """two_stage: tracker, then vehicle model; perfect: the ego is put where the plan says; log: the ego follows the log
    (open loop)."""
    tracker: PluginRef = plugin_field("tracker", "lqr")
    """Turns a plan into controls."""
    vehicle_model: PluginRef = plugin_field("vehicle_model", "kinematic_bicycle")
    """Turns controls into motion."""
    joint_measured: bool = True
    """Whether planner and tracker know the joint angles of an articulated vehicle; false: they are estimated from the
    path driven."""
    joint_noise_rad: Annotated[float, Range("[0, 1)")] = 0.0
    """Standard deviation of the noise of measured joint angles."""
    batch: Annotated[int, Range(">= 1")] = 64
    """Scenarios that run in lockstep; more are faster and need more memory. Scores do not depend on it."""
    record_plan_every: Annotated[int, Range(">= 1")] = 5
    """Steps between recorded plans (open loop records all)."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class VehicleRef:
    """The ego vehicle. A text alone is a name or a file: ``vehicle=pacifica``, ``vehicle=conf/truck.yaml``."""

    name: Annotated[str, Suggestions("roadcraft.core.vehicles.vehicle:vehicle_names")] = ""
    """A vehicle that comes with roadcraft (pacifica where neither name nor file is given); log: the one that each log
    was driven with, in its state of load."""
    file: str = path_field()
    """YAML file of a vehicle of your own, which also says its name."""
    load: str = ""
    """State of load, as empty, loaded or cubed ('': what the vehicle's file, or the log, says; by default its
    first)."""

    @classmethod
    def from_text(cls, text: str) -> dict[str, str]:
        """What a text alone stands for: a path where it ends in .yaml or holds a slash. It replaces both keys."""
        is_path = text.endswith((".yaml", ".yml")) or "/" in text
        return {"name": "", "file": text} if is_path else {"name": text, "file": ""}

    @property
    def of_log(self) -> bool:
        """Whether each scenario is driven with the vehicle of its log."""
        return self.name == OF_LOG and not self.file

    def read(self, drive: Drive | None = None) -> Vehicle:
        """The vehicle; ``drive``: of the scenario, for one of the log. Raises ConfigError and DataError as
        ``load_vehicle``."""
        from roadcraft.core.vehicles.vehicle import load_vehicle

        if not self.of_log:
            return load_vehicle(self.name, self.file or None, self.load)
        assert drive is not None
        return load_vehicle(drive.vehicle, None, self.load or drive.load)

    def __post_init__(self) -> None:
        own = _name_in(self.file) if self.file else self.name or "pacifica"
        rule = f"must be left out or be {own!r}, which {self.file} says: give a name or a file"
        check(self, ("name", self.name in ("", own), rule))
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
    """What is driven."""

    data: str = path_field()
    """A store, or a folder of logs."""
    format: str = ""
    """Source plugin that reads the data, where the files do not tell ('': told from the files)."""
    filter: ScenarioFilter = field(default_factory=ScenarioFilter)
    """Which scenarios are driven; what is null lets everything pass."""
    modes: tuple[Mode, ...] = ("nonreactive",)
    """nonreactive: others follow the log; reactive: others are driven by agents; open_loop: the ego follows the log,
    plans are compared with it."""
    agents: PluginRef = plugin_field("agents", "idm")
    """Drives the other road users in mode reactive."""
    missing: Literal["report", "refuse"] = "report"
    """What to do where the filter names tokens, logs, maps, splits or types that the data lack."""
    maps: str = path_field()
    """Folder of the maps, for raw nuPlan logs that they do not lie beside."""

    def __post_init__(self) -> None:
        once = 0 < len(self.modes) == len(set(self.modes))
        check(self, ("modes", once, "must name each mode once, and at least one"))


@dataclass(frozen=True)
class ScoreConfig:
    """A scoring run."""

    SHORT: ClassVar[dict[str, str]] = {
        "data": "suite.data",
        "modes": "suite.modes",
        "agents": "suite.agents",
        "planner.vehicle": "planner_vehicle",
        "filter": "suite.filter",
        "controller": "simulation.controller",
        "batch": "simulation.batch",
    }
    """Short keys of the command line, and the keys for which they stand."""
    # What may differ between a run and its resumption: none of these can change a score.
    FREE: ClassVar[tuple[str, ...]] = ("workers", "call_timeout_s", "simulation.batch", "out")
    """Settings that cannot change a score and may differ when a run is resumed."""

    planner: PluginRef = plugin_field("planner", "idm")
    """Drives the ego."""
    vehicle: VehicleRef = field(default_factory=VehicleRef)
    """The ego vehicle; vehicle=NAME or vehicle=FILE.yaml is short for it."""
    planner_vehicle: VehicleRef | None = None
    """The vehicle that planner, tracker and guard take the ego for (null: what it is); planner.vehicle is short for
    it."""
    suite: SuiteConfig = field(default_factory=SuiteConfig)
    """What is driven."""
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    """How a scenario is driven."""
    score: Literal["nuplan", "freight"] = "nuplan"
    """nuplan: the score is nuPlan's; freight: that of all units, load and stopping, for heavy vehicles in closed loop.
    nuPlan's own stands beside it either way."""
    metrics: tuple[MetricRef, ...] = field(default=(), metadata={"kind": "metric"})
    """Further metrics: names, or {name, params, role, weight}, where role and weight say how the score
    counts."""
    seed: Annotated[int, Range(">= 0")] = 0
    """Seed of every random draw."""
    workers: Annotated[int, Range(">= 0")] = 0
    """Worker processes (0: one per core)."""
    call_timeout_s: Annotated[float, Range("> 0")] = 60.0
    """A planner call that takes longer is killed, and its scenario fails."""
    rollouts: bool = True
    """Whether the drives are kept, for show, rescore and report."""
    scenario: str = ""
    """Token of the only scenario that is driven ('': all that pass the filter)."""
    out: str = path_field(written=True)
    """Folder of the run ('': runs/PLANNER-TIME)."""

    def __post_init__(self) -> None:
        names = [m.name for m in self.metrics]
        twice = next((n for n in names if names.count(n) > 1), "")
        check(
            self,
            ("metrics", not twice, f"must name each metric once, {twice!r} is there twice"),
            (
                "planner_vehicle",
                self.planner_vehicle is None or not self.planner_vehicle.of_log,
                "must name a vehicle or a file: log is for vehicle alone",
            ),
            ("score", self.score == "nuplan" or "open_loop" not in self.suite.modes, "freight needs closed loop"),
        )
