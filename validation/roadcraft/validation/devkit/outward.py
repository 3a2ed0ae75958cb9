"""Our planners as planners of nuplan-devkit (reference: nuplan-devkit e924167, AbstractPlanner)."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from nuplan.common.actor_state.ego_state import EgoState  # type: ignore
from nuplan.common.actor_state.state_representation import StateSE2, StateVector2D, TimePoint  # type: ignore
from nuplan.planning.simulation.observation.observation_type import DetectionsTracks  # type: ignore
from nuplan.planning.simulation.planner.abstract_planner import AbstractPlanner  # type: ignore
from nuplan.planning.simulation.trajectory.interpolated_trajectory import InterpolatedTrajectory  # type: ignore

from roadcraft.core.arrays import F64
from roadcraft.core.config.factory import create
from roadcraft.core.data.map import MapData
from roadcraft.core.data.plan import FAULTS
from roadcraft.core.data.scenario import Ego, Scenario
from roadcraft.core.errors import DataError, PluginError
from roadcraft.core.interfaces import Planner
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.validation.devkit.observe import Observer
from roadcraft.validation.simulation.plan_check import check, contiguous, driven


class RoadcraftPlanner(AbstractPlanner):
    """A roadcraft planner in nuplan-devkit's simulation.

    name, params: of the planner; maps_root: folder of the maps, by default the devkit's own (NUPLAN_MAPS_ROOT);
    vehicle: name of ours that stands for the devkit's ego; seed: of all random draws. The map is read by roadcraft from
    the same GeoPackage. A plan's ``controls`` are not used: the devkit tracks trajectories only. Raises PluginError
    where the plan cannot be driven.
    """

    requires_scenario = False

    def __init__(
        self,
        name: str,
        params: dict[str, Any] | None = None,
        maps_root: str | None = None,
        vehicle: str = "pacifica",
        seed: int = 0,
    ) -> None:
        self._given = (name, dict(params or {}), maps_root, vehicle, seed)
        self._planner: Planner = create("planner", name, params or {})
        if self._planner.needs().log and not self.requires_scenario:
            raise PluginError(
                f"planner {name!r} needs the log: name it with roadcraft.validation.devkit.RoadcraftOracle"
            )
        self._observer: Observer | None = None
        self._state: list[Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # The devkit stores planners beside its logs; what ours remembers of a drive is not part of that.
        return type(self), self._given

    def name(self) -> str:
        return f"roadcraft_{self._given[0]}"

    def observation_type(self) -> Any:
        return DetectionsTracks

    def initialize(self, initialization: Any) -> None:
        """Read the map and forget the last drive."""
        name, _, maps_root, vehicle, _ = self._given
        root = maps_root or os.environ.get("NUPLAN_MAPS_ROOT")
        if not root:
            raise DataError(f"planner {name} needs the maps", remedy="set maps_root, or NUPLAN_MAPS_ROOT")
        goal = initialization.mission_goal
        self._observer = Observer(
            _map(root, initialization.map_api.map_name),
            list(initialization.route_roadblock_ids),
            None if goal is None else (goal.x, goal.y, goal.heading),
            load_vehicle(vehicle),
            self._planner.needs().object_past,
            self._log(root),
        )
        self._state = None

    def compute_planner_trajectory(self, current_input: Any) -> Any:
        """The driven trajectory of the plan, as EgoStates."""
        if self._observer is None:
            raise PluginError("initialize comes before compute_planner_trajectory")
        obs = self._observer.observe(current_input)
        index = int(obs.iteration[0])
        keys = step_keys(np.array([scenario_key(self._given[4], obs.token[0])], np.uint64), index)
        if self._state is None:
            self._state = self._planner.start(obs, keys)
        plan, self._state = self._planner.plan(obs, self._state, keys)
        plan = contiguous(plan, 1)
        states, score = driven(plan)
        code = int(check(plan, states, score, obs.time_us, obs.time_us, 0)[0])
        if code:
            raise PluginError(f"the plan cannot be driven: {FAULTS[code]}")
        assert plan.length is not None
        ego = current_input.history.ego_states[-1].car_footprint.vehicle_parameters
        n = int(plan.length[0])
        rows = zip(plan.time_us[0, :n].tolist(), states[0, :n], strict=True)
        return InterpolatedTrajectory([ego_state(time_us, row, ego) for time_us, row in rows])

    def _log(self, maps_root: str) -> Scenario | None:
        return None


class RoadcraftOracle(RoadcraftPlanner):
    """The same for planners that need the log (``log_replay``): the devkit hands its scenario to the constructor."""

    requires_scenario = True

    def __init__(
        self,
        name: str,
        scenario: Any,
        params: dict[str, Any] | None = None,
        maps_root: str | None = None,
        vehicle: str = "pacifica",
        seed: int = 0,
    ) -> None:
        super().__init__(name, params, maps_root, vehicle, seed)
        self._scenario = scenario

    def __reduce__(self) -> tuple[Any, ...]:
        name, *rest = self._given
        return type(self), (name, self._scenario, *rest)

    def _log(self, maps_root: str) -> Scenario:
        """Our own reading of the devkit's scenario."""
        from roadcraft.scenario_io import NuplanSource, window_of

        path = Path(self._scenario._log_file)  # the devkit has no public name for it
        source = NuplanSource(str(path), maps_root)
        token = self._scenario.token
        row = next((r for r in source.rows(path.stem) if r.token == token), None)
        if row is None:
            raise DataError(f"no scenario {token}", where=str(path))
        kind = self._scenario.scenario_type
        return source.scenario(row, kind, window_of(row, kind))


def ego_state(time_us: int, row: F64, vehicle: Any) -> Any:
    """The columns of ``Ego`` as an EgoState."""
    return EgoState.build_from_rear_axle(
        rear_axle_pose=StateSE2(float(row[Ego.X]), float(row[Ego.Y]), float(row[Ego.HEADING])),
        rear_axle_velocity_2d=StateVector2D(float(row[Ego.VX]), float(row[Ego.VY])),
        rear_axle_acceleration_2d=StateVector2D(float(row[Ego.AX]), float(row[Ego.AY])),
        tire_steering_angle=float(row[Ego.STEERING]),
        time_point=TimePoint(int(time_us)),
        vehicle_parameters=vehicle,
        is_in_auto_mode=True,
        angular_vel=float(row[Ego.YAW_RATE]),
        angular_accel=float(row[Ego.YAW_ACCEL]),
    )


@lru_cache(maxsize=4)
def _map(root: str, name: str) -> MapData:
    from roadcraft.scenario_io.nuplan.map_reader import read_map

    return read_map(Path(root).expanduser(), name)
