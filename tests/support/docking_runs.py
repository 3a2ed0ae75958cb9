"""Draws of the situation of a dock, whether the search finds a way, and drives of the planner ``docking``.

``python tests/support/docking_runs.py FIRST LAST`` drives the draws FIRST to LAST - 1 of each vehicle and kind of dock,
and searches a way where the planner does not dock.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np
import shapely

from roadcraft.core.arrays import F64
from roadcraft.core.config.factory import create
from roadcraft.core.data.places import PlaceKind
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import EGO_SIZE, Ego, Scenario
from roadcraft.core.driving.geometry.boxes import corners
from roadcraft.core.driving.motion.chain import chain_of, unit_boxes, unit_poses
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.random import scenario_key
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle
from roadcraft.scenario_io.synthetic.freight.dock_play import CLEARANCE_M, quiet
from roadcraft.scenario_io.synthetic.freight.driving.dock_legs import CAREFUL_MPS
from roadcraft.scenario_io.synthetic.freight.driving.dock_search import DockPath, dock_state, find_path
from roadcraft.scenario_io.synthetic.freight.driving.judge import DriveVerdict
from roadcraft.scenario_io.synthetic.freight.driving.wheel import TruckDrive
from roadcraft.scenario_io.synthetic.freight.log import ANCHOR, record_truck
from roadcraft.scenario_io.synthetic.freight.play import MISTAKE_STEP, Played
from roadcraft.scenario_io.synthetic.freight.situations.dock_yard import GAP_M, KINDS, VEHICLES, dock_reverse
from roadcraft.scenario_io.synthetic.freight.stage import Stage, stage_of
from roadcraft.scenario_io.synthetic.recording.record import Identity
from roadcraft.scenario_io.synthetic.roads.assemble import Patch, Place
from roadcraft.scenario_io.synthetic.world import own_map
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.simulation import simulate

DRIVEN = SimulationConfig(
    vehicle_model=PluginRef("dynamic_chain"), tracker=PluginRef("truck_lqr", {"q_lateral_reverse": 2.0}), batch=8
)
LATERAL_M, HEADING_RAD, GAPS_M = 0.10, np.radians(1.0), (0.0, 0.25)


class Draw(NamedTuple):
    """A yard, and a way to its dock, if there is one."""

    stage: Stage
    path: DockPath | None


def staged(vehicle: str, kind: str, number: int, load: str = "loaded") -> Stage:
    """Draw ``number`` of a vehicle and kind of dock."""
    for attempt in range(1000):
        rng = np.random.default_rng([scenario_key(7, f"dock {vehicle} {number}"), attempt])
        stage = stage_of(rng, load_vehicle(vehicle, load=load))
        dock_reverse(stage)
        assert stage.dock is not None
        if stage.dock.kind == kind:
            break
    return stage


def draw(vehicle: str, kind: str, number: int, load: str = "loaded", clearance: float = CLEARANCE_M) -> Draw:
    """A draw, and the way to its dock."""
    stage = staged(vehicle, kind, number, load)
    assert stage.dock is not None
    return Draw(stage, find_path(stage.vehicle, stage.dock.yard, stage.dock.goal, GAP_M, clearance))


def unsearched(vehicle: str, kind: str, number: int) -> Draw:
    """A draw whose log goes straight to its dock, through whatever stands there: enough for who only needs the goal."""
    stage = staged(vehicle, kind, number)
    assert stage.dock is not None
    goal, end = stage.dock.goal, dock_state(stage.vehicle, stage.dock.yard.dock, GAP_M)
    begin = np.zeros(len(end))
    begin[:3] = goal.x, goal.y, goal.heading
    return Draw(stage, DockPath(np.stack([begin, end]), np.zeros(2, np.int64), 0))


def scenario_of(found: Draw, seconds: float, number: int = 0) -> Scenario:
    """The draw as a scenario in which the log drives the search's way without slip and then stands."""
    stage, path = found
    assert stage.dock is not None
    assert path is not None
    task, frames = stage.dock, 2 * MISTAKE_STEP + round(seconds * 20.0) + 40
    ego, joints = np.zeros((frames, EGO_SIZE)), np.zeros((frames, stage.vehicle.joints))
    before = 2 * MISTAKE_STEP
    away = task.speed * 0.05 * (np.arange(before) - before)
    c, s = np.cos(task.goal.heading), np.sin(task.goal.heading)
    ego[:before, :3] = np.stack([task.goal.x + away * c, task.goal.y + away * s, np.full(before, task.goal.heading)], 1)
    ego[:before, Ego.VX] = task.speed
    first = np.array([[task.goal.x, task.goal.y, task.goal.heading]])
    pose = np.concatenate([first, path.state[:, :3]])
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(pose[:, :2], axis=0).T))])
    at = np.minimum(CAREFUL_MPS * 0.05 * np.arange(frames - before), way[-1])
    pose[:, 2] = np.unwrap(pose[:, 2])
    bent = np.concatenate([np.zeros((1, stage.vehicle.joints)), path.state[:, 3:]])
    for k in range(3):
        ego[before:, k] = np.interp(at, way, pose[:, k])
    for k in range(stage.vehicle.joints):
        joints[before:, k] = np.interp(at, way, bent[:, k])
    ego[before:, Ego.VX] = np.where(at < way[-1], CAREFUL_MPS, 0.0)
    ego[before, Ego.VX] = task.speed
    stage.seconds = 0.05 * (frames - 1)
    told = TruckDrive(ego, joints, np.zeros((frames, 1)), np.zeros(frames), None, None)  # type: ignore[arg-type]
    verdict = DriveVerdict(-1, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    patch = Patch(0, stage.scene.sketch, Place((664_000.0, 3_996_000.0), 0.3, (0.0, 0.0)))
    who = Identity(f"docking_{number:05d}", 7, "us-nv-las-vegas-strip", 1_640_995_200_000_000 + number * 600_000_000)
    d = record_truck(stage, Played(quiet(frames), told, verdict), "dock_reverse", who, patch)
    last = ANCHOR + 2 * ((len(d) - 1 - 20 - ANCHOR) // 2)
    m = own_map(patch, who.location, 7)
    return Scenario(f"{d.token[ANCHOR]:016x}", d.tag_names[0], d.tag_names, "freight", d, m, ANCHOR, last, 2)


@dataclass(frozen=True)
class Docked:
    """What came of a drive."""

    lateral: float
    heading: float
    gap: float
    touches: str
    pull_ups: int
    seconds: float
    plans: int
    joint: float

    @property
    def in_place(self) -> bool:
        """Whether the last unit stands at the dock."""
        beside = abs(self.lateral) <= LATERAL_M and abs(self.heading) <= HEADING_RAD
        return bool(beside and GAPS_M[0] <= self.gap <= GAPS_M[1])

    @property
    def good(self) -> bool:
        """Whether it does, and nothing was touched."""
        return self.in_place and not self.touches


def judged(rollout: Rollout) -> Docked:
    """A rollout judged on its own, by shapely."""
    s, d, vehicle = rollout.scenario, rollout.drive, rollout.vehicle
    boxes = np.asarray(unit_boxes(np.ascontiguousarray(d.ego), np.ascontiguousarray(d.joints), chain_of(vehicle)))
    last = np.asarray(unit_poses(np.ascontiguousarray(d.ego), np.ascontiguousarray(d.joints), chain_of(vehicle)))[
        -1, -1
    ]
    docks = s.map.places.pose[s.map.places.of(PlaceKind.DOCK)]
    rear = last[:2] - vehicle.units[-1].rear_m * np.array([np.cos(last[2]), np.sin(last[2])])
    x, y, h = docks[0]  # the first is the one that is free
    gap = (rear[0] - x) * np.cos(h) + (rear[1] - y) * np.sin(h)
    lateral = (rear[1] - y) * np.cos(h) - (rear[0] - x) * np.sin(h)
    turned = (last[2] - h + np.pi) % (2.0 * np.pi) - np.pi
    speed = d.ego[:, Ego.VX]
    moving = np.flatnonzero(np.abs(speed) > 0.05)
    signs = np.sign(speed[moving])
    ups = int(np.count_nonzero((signs[1:] > 0.0) & (signs[:-1] < 0.0)))
    names = list(rollout.channel_names)
    plans = int(rollout.channels[names.index("plans"), -1]) if "plans" in names else 0
    joint = float(np.abs(d.joints).max()) if d.joints.size else 0.0
    done = 0.1 * float(moving[-1]) if len(moving) else 0.0
    return Docked(float(lateral), float(turned), float(gap), _touches(rollout, boxes), ups, done, plans, joint)


def _touches(rollout: Rollout, boxes: F64) -> str:
    """What units touch, or that they leave the drivable area; empty where they do not."""
    s, d = rollout.scenario, rollout.drive
    o = d.objects
    still = shapely.STRtree(shapely.polygons(corners(np.ascontiguousarray(o.box[o.rows(0)]))))
    ground = shapely.union_all([shapely.Polygon(s.map.areas.polygons[int(r)][0]).buffer(0.02) for r in s.map.drivable])
    shapely.prepare(ground)
    units = shapely.polygons(corners(np.ascontiguousarray(boxes[::2]).reshape(-1, 5)))
    touching, away = np.zeros(len(units), bool), ~shapely.contains(ground, units)
    touching[still.query(units, "intersects")[0]] = True
    if not (touching | away).any():
        return ""
    first = int(np.argmax(touching | away))
    frame, unit = divmod(first, boxes.shape[1])
    return f"unit {unit} {'touches' if touching[first] else 'leaves'} at {0.2 * frame:.0f} s"


def drive(
    scenario: Scenario,
    vehicle: Vehicle,
    believed: Vehicle | None = None,
    config: SimulationConfig = DRIVEN,
    **params: float,
) -> Docked | str:
    """The planner's drive of a scenario, judged; or why there is none."""
    found = simulate([scenario], create("planner", "docking", params), config, vehicle=vehicle, believed=believed)[0]
    return judged(found) if isinstance(found, Rollout) else found.error


def slid(vehicle: Vehicle, back_m: float) -> Vehicle:
    """The vehicle with its trailer's axles ``back_m`` farther back under the same box."""
    first, last = vehicle.units
    moved = replace(
        last, wheel_base_m=last.wheel_base_m + back_m, front_m=last.front_m + back_m, rear_m=last.rear_m - back_m
    )
    return replace(vehicle, units=(first, moved), name=f"{vehicle.name}_slid")


def report(first: int, last: int) -> Iterator[str]:
    """A line for each of the draws ``first`` to ``last`` - 1 of each vehicle and kind of dock."""
    for number, vehicle, kind in product(range(first, last), VEHICLES, KINDS):
        found = unsearched(vehicle, kind, number)
        came = drive(scenario_of(found, 200.0), found.stage.vehicle)
        if not isinstance(came, str) and came.good:
            yield f"{vehicle} {kind} {number}: docked after {came.seconds:.0f} s, pull-ups {came.pull_ups}"
            continue
        able = draw(vehicle, kind, number).path is not None
        yield f"{vehicle} {kind} {number}: not docked ({came}), {'there is a way' if able else 'no way is found'}"


if __name__ == "__main__":
    for line in report(int(sys.argv[1]), int(sys.argv[2])):
        print(line, flush=True)
