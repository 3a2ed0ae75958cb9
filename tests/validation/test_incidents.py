"""For whom a standing ego waits, and how hard it hit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roadcraft.core.arrays import Polylines, Ragged, offsets_of
from roadcraft.core.data.rollout import PlanLog, Rollout
from roadcraft.core.data.scenario import (
    Drive,
    LightFrames,
    LightState,
    ObjectFrames,
    ObjectKind,
    Scenario,
    Scenes,
    Tracks,
)
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io.synthetic.synthesize import synthesize
from roadcraft.validation.inspection.incidents import impact_speed, wait_text, waits

N = 60  # steps of 0.1 s
PACIFICA = load_vehicle("pacifica")
FRONT = PACIFICA.body.axle_to_center_m + PACIFICA.body.length_m / 2


@pytest.fixture(scope="module")
def any_map():
    return next(iter(synthesize(11, 1, ("car_following",), locations=1)))[1]


def rollout(map_data, boxes, kinds, *, speed=None, velocity=None, lights=(), plan=None):
    """The ego at the origin, heading along x, at ``speed`` (N,) by step; objects that do not move, whatever their
    velocity says."""
    ego = np.zeros((N, 10))
    ego[:, 3] = np.zeros(N) if speed is None else speed
    o = len(boxes)
    tracks = Tracks(
        np.arange(1, o + 1, dtype=np.uint64),
        np.array(kinds, np.uint8),
        np.arange(o, dtype=np.int64),
        np.zeros(o, np.uint8),
        np.full(o, 1.5),
    )
    objects = ObjectFrames(
        offsets_of([o] * N),
        np.tile(np.arange(o, dtype=np.int64), N),
        np.tile(np.array(boxes, np.float64).reshape(-1, 5), (N, 1)),
        np.tile(np.zeros((o, 2)) if velocity is None else velocity, (N, 1)),
    )
    drive = Drive(
        "log", map_data.name, "made up", "none", "pacifica", 100_000, np.arange(N, dtype=np.int64) * 100_000,
        np.arange(N, dtype=np.uint64), ego, np.zeros((N, 0)), tracks, objects,
        LightFrames(
            offsets_of([len(lights)] * N),
            np.tile(np.array(lights, np.int64), N),
            np.full(N * len(lights), LightState.RED, np.uint8),
        ),
        Scenes(np.zeros(1, np.int64), Ragged.build([[]]), np.zeros((1, 3)), np.zeros(1, np.bool_), ("",)),
        np.zeros(0, np.int64), np.zeros(0, np.int64), (),
    )  # fmt: skip
    states = np.zeros((0, 4)) if plan is None else np.asarray(plan, np.float64)
    steps = np.zeros(0 if plan is None else 1, np.int64)
    plans = PlanLog(
        steps, offsets_of([len(states)] if plan is not None else []), np.zeros(len(states), np.int64), states
    )
    scenario = Scenario("1", "made up", (), "test", drive, map_data, 0, N - 1, 1)
    return Rollout(scenario, drive, plans, (), np.zeros((0, N)), PACIFICA)


def test_the_nearest_object_on_the_path_is_named(any_map):
    ahead, beyond, beside = [FRONT + 5.0, 0.0, 0.0, 4.0, 2.0], [FRONT + 12.0, 0, 0, 4, 2], [FRONT + 4.0, 4.0, 0, 4, 2]
    (wait,) = waits(rollout(any_map, [beyond, beside, ahead], [ObjectKind.VEHICLE] * 3))
    assert (wait["what"], wait["object"]) == ("vehicle", f"{3:016x}")
    assert wait["distance_m"] == pytest.approx(3.0, abs=0.5)
    assert (wait["from_step"], wait["to_step"], wait["to_end"]) == (0, N - 1, True)
    assert wait_text(wait).startswith(f"stood from 0.0 s to 5.9 s (the end): vehicle {3:016x} ")
    assert wait_text(wait).endswith(" m ahead")


@pytest.mark.parametrize("place", [[FRONT + 30.0, 0.0], [FRONT + 4.0, 3.0], [-6.0, 0.0]])
def test_what_is_far_beside_or_behind_is_not_waited_for(any_map, place):
    (wait,) = waits(rollout(any_map, [[*place, 0.0, 4.0, 1.8]], [ObjectKind.VEHICLE]))
    assert (wait["what"], wait["object"], wait["distance_m"]) == ("", "", None)
    assert wait_text(wait) == "stood from 0.0 s to 5.9 s (the end): nothing on its path within 20 m"


def test_a_pedestrian_that_stands_across_the_path_of_a_turn_is_found(any_map):
    angle = np.linspace(0.0, np.pi / 2, 20)
    turn = np.stack([8.0 * np.sin(angle), 8.0 * (1 - np.cos(angle)), angle, np.ones(20)], axis=1)
    pedestrian = [8.0, 10.0, 0.0, 0.6, 0.6]
    (wait,) = waits(rollout(any_map, [pedestrian], [ObjectKind.PEDESTRIAN], plan=turn))
    assert wait["what"] == "pedestrian"
    (straight,) = waits(rollout(any_map, [pedestrian], [ObjectKind.PEDESTRIAN]))
    assert straight["what"] == ""


def test_a_short_stop_is_no_wait(any_map):
    speed = np.full(N, 5.0)
    speed[20:39] = 0.0
    assert waits(rollout(any_map, [], [], speed=speed)) == []
    speed[20:42] = 0.05
    (wait,) = waits(rollout(any_map, [], [], speed=speed))
    assert (wait["from_step"], wait["to_step"], wait["to_end"]) == (20, 41, False)


def test_a_red_light_before_any_object_is_named(any_map):
    lane = int(any_map.lanes.id[0])
    lines = [np.array([[FRONT + 2.0, 0.0], [FRONT + 9.0, 0.0]])] + [
        any_map.lanes.centerlines[i] + 1e4 for i in range(1, len(any_map.lanes))
    ]
    moved = replace(any_map, lanes=replace(any_map.lanes, centerlines=Polylines.build(lines)))
    far = [FRONT + 9.0, 0.0, 0.0, 4.0, 2.0]
    (wait,) = waits(rollout(moved, [far], [ObjectKind.VEHICLE], lights=[lane]))
    assert wait_text(wait) == "stood from 0.0 s to 5.9 s (the end): red light 2.0 m ahead"
    near = [FRONT + 3.0, 0.0, 0.0, 4.0, 2.0]
    (wait,) = waits(rollout(moved, [near], [ObjectKind.VEHICLE], lights=[lane]))
    assert wait["what"] == "vehicle"


def test_the_speed_of_an_impact_is_that_between_the_two(any_map):
    made = rollout(
        any_map, [[4, 0, 0, 4, 2]], [ObjectKind.VEHICLE], speed=np.full(N, 3.0), velocity=np.array([[0.0, 4.0]])
    )
    assert impact_speed(made.drive, 7, f"{1:016x}") == pytest.approx(5.0)
    turned = made.drive.ego.copy()
    turned[:, 2] = np.pi / 2
    assert impact_speed(replace(made.drive, ego=turned), 7, f"{1:016x}") == pytest.approx(1.0)
    assert impact_speed(made.drive, 7, f"{9:016x}") is None
    assert impact_speed(made.drive, N, f"{1:016x}") is None
