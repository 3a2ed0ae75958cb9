"""Scenarios in which an articulated ego has no room to begin: logs of cars do not ask for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from roadcraft.core.data.scenario import Scenario
from roadcraft.core.driving.geometry.boxes import corners, overlap
from roadcraft.core.driving.map_index.index import nearest_distance
from roadcraft.core.driving.motion.chain import chain_of, unit_boxes
from roadcraft.core.errors import ConfigError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.scoring.suites import LeftOut, SuiteScenario
from roadcraft.validation.simulation.closed_loop import make_controller
from roadcraft.validation.simulation.controllers import Controller
from roadcraft.validation.simulation.joints import first_joints

_OFF_ROAD_M = 0.3  # nuPlan's tolerance of the drivable area
_TOLD = 3


def no_room(s: Scenario, vehicle: Vehicle) -> str:
    """Why the units behind the first cannot begin the scenario where the path driven so far has left them; empty where
    they can. Unit 0 begins where the log says."""
    ego = np.ascontiguousarray(s.expert[:1])
    boxes = unit_boxes(ego, first_joints(s, vehicle)[None], chain_of(vehicle))[0]
    edges, drivable = corners(boxes), s.map.index.drivable
    rows = s.drive.objects.rows(s.first)
    for i in range(1, len(boxes)):
        for x, y in edges[i]:
            away = nearest_distance(drivable.arrays, x, y) if len(drivable) else 0.0
            if away > _OFF_ROAD_M:
                return f"unit {i} would begin {away:.1f} m off the drivable area"
        for track, other in zip(s.drive.objects.track[rows], s.drive.objects.box[rows], strict=True):
            if overlap(boxes[i], other):
                return f"unit {i} would begin within object {int(s.drive.tracks.id[track]):016x}"
    return ""


def with_room(
    source: ScenarioSource, items: Sequence[SuiteScenario], config: ScoreConfig
) -> tuple[list[SuiteScenario], LeftOut]:
    """The scenarios in which their vehicle has room to begin, and the others. One that cannot be read stays: whoever
    drives it tells. Raises ConfigError where a log's vehicle is unknown, or not one for the vehicle model."""
    kept: list[SuiteScenario] = []
    left: dict[str, str] = {}
    controller, fit = make_controller(config.simulation), set[Vehicle]()
    for item in items:
        try:
            s = source.scenario(item.row, item.type, item.window_us)
        except Exception:
            kept.append(item)
            continue
        try:
            vehicle = config.vehicle.read(s.drive)
        except ConfigError as e:
            raise ConfigError(f"log {item.row.log}, scenario {item.row.token}: {e}") from e
        if vehicle not in fit:
            refuse_vehicle(vehicle, config, controller)
            fit.add(vehicle)
        if why := no_room(s, vehicle):
            left[item.row.token] = why
        else:
            kept.append(item)
    some = ", ".join(f"{token} ({why})" for token, why in list(left.items())[:_TOLD])
    more = f" and {len(left) - _TOLD} more" if len(left) > _TOLD else ""
    whose = "the vehicle of the log" if config.vehicle.of_log else repr(config.vehicle.name)
    return kept, LeftOut(
        "vehicle", tuple(left), f"{whose} has no room to begin in {len(left)} of {len(items)} scenarios: {some}{more}"
    )


def refuse_vehicle(vehicle: Vehicle, config: ScoreConfig, controller: Controller) -> None:
    """Raise ConfigError where the configured vehicle model cannot move a vehicle."""
    simulation = config.simulation
    if vehicle.joints and (simulation.controller, simulation.vehicle_model.name) == ("two_stage", "kinematic_bicycle"):
        raise ConfigError(
            f"{vehicle.name!r} has {len(vehicle.units)} units, kinematic_bicycle drives one; choose another "
            "simulation.vehicle_model, as dynamic_chain with simulation.tracker=truck_lqr"
        )
    controller.columns(vehicle)
    believed = config.planner_vehicle.read() if config.planner_vehicle else vehicle
    if believed.joints > vehicle.joints:
        raise ConfigError(
            f"planner_vehicle {believed.name!r} has {len(believed.units)} units, but the vehicle that is driven, "
            f"{vehicle.name!r}, has {len(vehicle.units)}"
        )
