"""Planners of nuplan-devkit as planners of ours (reference: nuplan-devkit e924167, PlannerInitialization,
PlannerInput)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from nuplan.common.actor_state.agent import Agent  # type: ignore
from nuplan.common.actor_state.oriented_box import OrientedBox  # type: ignore
from nuplan.common.actor_state.scene_object import SceneObjectMetadata  # type: ignore
from nuplan.common.actor_state.state_representation import StateSE2, StateVector2D, TimePoint  # type: ignore
from nuplan.common.actor_state.static_object import StaticObject  # type: ignore
from nuplan.common.actor_state.tracked_objects import TrackedObjects  # type: ignore
from nuplan.common.actor_state.tracked_objects_types import TrackedObjectType  # type: ignore
from nuplan.common.actor_state.vehicle_parameters import VehicleParameters, get_pacifica_parameters  # type: ignore
from nuplan.common.maps.maps_datatypes import TrafficLightStatusData, TrafficLightStatusType  # type: ignore
from nuplan.common.maps.nuplan_map.map_factory import get_maps_api  # type: ignore
from nuplan.planning.simulation.history.simulation_history_buffer import SimulationHistoryBuffer  # type: ignore
from nuplan.planning.simulation.observation.observation_type import DetectionsTracks  # type: ignore
from nuplan.planning.simulation.planner.abstract_planner import PlannerInitialization, PlannerInput  # type: ignore
from nuplan.planning.simulation.simulation_time_controller.simulation_iteration import SimulationIteration  # type: ignore

from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import Objects, ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE, LAST_MOVING, LightState, ObjectKind
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import SinglePlanner
from roadcraft.core.types import PlannerNeeds
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.devkit.observe import ego_row
from roadcraft.validation.devkit.outward import ego_state

_HISTORY = 22  # the devkit's buffer at 10 Hz


class DevkitPlanner(SinglePlanner):
    """A planner of nuplan-devkit in roadcraft's simulation: ``simulate(scenarios, DevkitPlanner(IDMPlanner(...),
    "maps"))``.

    planner: an AbstractPlanner, copied for every scenario, or a function that makes one for a scenario's token;
    maps_root: folder of the maps, from which the devkit's map is opened. Devkit planners keep their state to
    themselves, so a step that failed is not repeated faithfully. Heights of objects are not known here and stand as the
    ego's.
    """

    def __init__(self, planner: Any, maps_root: str | Path, map_version: str = "nuplan-maps-v1.0") -> None:
        self._make: Callable[[str], Any] = (
            (lambda _: copy.deepcopy(planner)) if hasattr(planner, "compute_trajectory") else planner
        )
        self._maps_root, self._map_version = str(Path(maps_root).expanduser()), map_version

    def needs(self) -> PlannerNeeds:
        return PlannerNeeds(object_past=_HISTORY)

    def start_one(self, obs: ObservationBatch, key: int) -> Any:
        """A planner of its own, initialized with route, goal and map."""
        planner = self._make(obs.token[0])
        if planner.observation_type() is not DetectionsTracks:
            raise DataError(
                f"{planner.name()} wants {planner.observation_type().__name__}",
                remedy="only tracked objects are simulated",
            )
        goal = StateSE2(*obs.goal[0].tolist()) if obs.has_goal[0] else None
        maps = get_maps_api(self._maps_root, self._map_version, obs.maps[0].name)
        planner.initialize(PlannerInitialization([str(r) for r in obs.route[0]], goal, maps))
        return planner

    def plan_one(self, obs: ObservationBatch, state: Any, key: int) -> tuple[Plan, Any]:
        """The devkit planner's sampled trajectory, from the present on."""
        now = int(obs.time_us[0])
        trajectory = state.compute_trajectory(planner_input(obs))
        later = [s for s in trajectory.get_sampled_trajectory() if int(s.time_us) >= now]
        if not later or int(later[0].time_us) != now:
            later.insert(0, trajectory.get_state_at_time(TimePoint(now)))
        rows = np.zeros((1, 1, len(later), EGO_SIZE))
        rows[0, 0] = [ego_row(s) for s in later]
        return Plan(np.array([[int(s.time_us) for s in later]], np.int64), rows, np.zeros((1, 1))), state


def planner_input(obs: ObservationBatch) -> Any:
    """The PlannerInput of an observation of one scenario, with 22 steps of history."""
    assert obs.objects_past is not None
    ego = vehicle_parameters(obs.vehicle)
    times, valid = obs.ego_past_us[0], np.flatnonzero(obs.ego_past_valid[0])
    frames = len(obs.objects_past) - len(times)
    states = [ego_state(int(times[i]), obs.ego_past[0, i], ego) for i in valid]
    seen = [_observation(obs.objects_past, frames + int(i), int(times[i]), obs.vehicle) for i in valid]
    now, rows = int(obs.time_us[0]), obs.lights.rows(0)
    lights = [
        TrafficLightStatusData(TrafficLightStatusType[LightState(int(s)).name], int(lane), now)
        for lane, s in zip(obs.lights.lane[rows], obs.lights.state[rows], strict=True)
    ]
    history = SimulationHistoryBuffer.initialize_from_list(len(states), states, seen, float(obs.interval_s[0]))
    return PlannerInput(SimulationIteration(TimePoint(now), int(obs.iteration[0])), history, lights)


def vehicle_parameters(vehicle: Vehicle) -> Any:
    """The devkit's own for its own vehicle; for others the center of gravity is put at the box center."""
    if vehicle.name == "pacifica":
        return get_pacifica_parameters()
    body = vehicle.body
    return VehicleParameters(
        body.width_m,
        body.front_m,
        body.rear_m,
        body.axle_to_center_m,
        body.wheel_base_m,
        vehicle.name,
        vehicle.name,
        body.height_m,
    )


def _observation(objects: Objects, frame: int, time_us: int, vehicle: Vehicle) -> Any:
    """Tracked objects in the given order: the devkit sorts by kind on construction, but not those of its reactive
    simulation (reference/nuplan.md, section i)."""
    tracked = TrackedObjects([])
    if frame >= 0:
        height = vehicle.body.height_m
        rows = objects.rows(frame)
        tracked.tracked_objects = [_tracked(objects, r, time_us, height) for r in range(rows.start, rows.stop)]
    return DetectionsTracks(tracked)


def _tracked(objects: Objects, row: int, time_us: int, height: float) -> Any:
    x, y, heading, length, width = objects.box[row].tolist()
    kind, token = ObjectKind(int(objects.kind[row])), f"{int(objects.id[row]):016x}"
    box = OrientedBox(StateSE2(x, y, heading), length, width, height)
    about = SceneObjectMetadata(time_us, token, int(objects.vehicle[row]), token)
    if kind > LAST_MOVING:
        return StaticObject(TrackedObjectType[kind.name], box, about)
    return Agent(TrackedObjectType[kind.name], box, StateVector2D(*objects.velocity[row].tolist()), about)
