"""An ego of several units in the closed loop: where its joints begin, how they move, and who knows them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roadcraft.core import load_vehicle
from roadcraft.core.arrays import Polylines, Ragged, to_arrays
from roadcraft.core.config.factory import create
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.driving.motion.chain import chain_of, pull_joints, unit_poses
from roadcraft.core.errors import ConfigError
from roadcraft.core.interfaces import Planner
from roadcraft.core.plugins.hookspecs import PluginRef
from roadcraft.core.random import scenario_key
from roadcraft.core.testing import made_up_scenario
from roadcraft.core.vehicles.state import VehicleState
from roadcraft.core.vehicles.vehicle import RigidUnit, Vehicle
from roadcraft.validation.config import SimulationConfig
from roadcraft.validation.simulation import simulate
from roadcraft.validation.simulation.joints import Sensing, first_joints, normals

TRACTOR = RigidUnit(5.4, 1.2, 2.44, 3.0, 4.5, hitch_m=0.3, kind="tractor")
VAN = RigidUnit(13.4, 2.7, 2.59, 4.1, 12.5, kind="semitrailer")
TRUCK = Vehicle("truck", (TRACTOR, VAN), 0.7, 0.2, 0.05)
LONGER = replace(TRUCK, name="longer", units=(TRACTOR, replace(VAN, wheel_base_m=14.0)))
ALONE = replace(TRUCK, name="alone", units=(TRACTOR,))
CHAIN = SimulationConfig(vehicle_model=PluginRef("kinematic_chain"))


class Turning(Planner):
    """A left turn of 40 m radius at the present speed, from the present pose; it keeps what it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, np.ndarray]] = []

    def plan(self, obs, state, keys):
        self.seen.append((obs.vehicle.name, np.array(obs.joints)))
        time_us = obs.time_us[:, None] + 100_000 * np.arange(41)
        states = np.repeat(obs.ego[:, None, None], 41, axis=2)
        turned = np.maximum(obs.ego[:, 3], 2.0)[:, None] * np.arange(41) * 0.1 / 40.0
        heading = obs.ego[:, 2:3]
        states[:, 0, :, 0] += 40.0 * (np.sin(heading + turned) - np.sin(heading))
        states[:, 0, :, 1] -= 40.0 * (np.cos(heading + turned) - np.cos(heading))
        states[:, 0, :, 2] += turned
        return Plan(time_us, states, np.zeros((len(obs), 1))), state


def drive(planner: Planner | None = None, config: SimulationConfig = CHAIN, **settings) -> Rollout:
    settings = {"vehicle": TRUCK, **settings}
    found = simulate([made_up_scenario()], planner or Turning(), config, debug=True, **settings)[0]
    assert isinstance(found, Rollout)
    return found


def bitwise(a: Rollout, b: Rollout) -> bool:
    left, right = to_arrays(a.drive)[0], to_arrays(b.drive)[0]
    return all(left[k].tobytes() == right[k].tobytes() for k in left)


def test_the_trailer_is_pulled_through_the_turn_and_recorded() -> None:
    rollout = drive()
    joints = rollout.drive.joints
    assert joints.shape == (len(rollout), 1)
    assert joints[0, 0] == pytest.approx(0.0, abs=1e-9), "the made-up log drives straight"
    assert joints[-1, 0] < -0.05, "a left turn makes joints negative"
    poses = np.ascontiguousarray(rollout.drive.ego[None, :, :3])
    np.testing.assert_allclose(joints, pull_joints(poses, joints[:1], chain_of(TRUCK), 2)[0], atol=1e-12)


@pytest.mark.parametrize(("integrator", "steps", "off"), [("euler_chord", 2, 0.015), ("rk4", 2, 1e-6)])
def test_integrators_agree_within_their_errors(integrator: str, steps: int, off: float) -> None:
    config = replace(CHAIN, vehicle_model=PluginRef("kinematic_chain", {"integrator": integrator, "steps": steps}))
    fine = replace(CHAIN, vehicle_model=PluginRef("kinematic_chain", {"integrator": "rk4", "steps": 8}))
    a, b = drive(config=config).drive, drive(config=fine).drive
    np.testing.assert_allclose(a.joints, b.joints, atol=off)


def test_one_unit_moves_as_the_bicycle_to_the_bit() -> None:
    chain = drive(vehicle=ALONE)
    assert bitwise(chain, drive(vehicle=ALONE, config=SimulationConfig()))
    pacifica = load_vehicle("pacifica")
    assert bitwise(drive(vehicle=pacifica), drive(vehicle=pacifica, config=SimulationConfig()))


@pytest.mark.parametrize("controller", ["perfect", "log"])
def test_every_controller_pulls_the_trailer(controller: str) -> None:
    planner = Turning() if controller == "perfect" else create("planner", "log_replay")
    rollout = drive(planner, replace(CHAIN, controller=controller))
    poses = np.ascontiguousarray(rollout.drive.ego[None, :, :3])
    want = pull_joints(poses, rollout.drive.joints[:1], chain_of(TRUCK), 2)[0]
    np.testing.assert_allclose(rollout.drive.joints, want, atol=1e-12)


def test_joints_begin_as_logged_or_as_the_path_left_them() -> None:
    s = made_up_scenario()
    logged = replace(s, drive=replace(s.drive, vehicle="truck", joints=np.full((len(s.drive), 1), -0.2)))
    np.testing.assert_array_equal(first_joints(logged, TRUCK), [-0.2])
    assert first_joints(logged, LONGER)[0] == pytest.approx(0.0, abs=1e-9), "of another vehicle"
    stiff = replace(TRUCK, units=(TRACTOR, replace(VAN, joint_limit_rad=0.1)))
    np.testing.assert_array_equal(first_joints(logged, stiff), [-0.1])
    np.testing.assert_array_equal(first_joints(logged, ALONE), [])
    turned, n = s.drive.ego.copy(), s.first + 1
    angle = np.linspace(-1.2, 0.0, n)  # the log's past on a circle of 30 m
    turned[:n, 0], turned[:n, 1], turned[:n, 2] = 30.0 * np.sin(angle), 30.0 * (1.0 - np.cos(angle)), angle
    bent = replace(s, drive=replace(s.drive, ego=turned))
    got = first_joints(bent, TRUCK)[0]
    steady = -(np.arctan(12.5 / np.sqrt(30.0**2 + 0.3**2 - 12.5**2)) - np.arctan(0.3 / 30.0))
    assert steady < got < 0.5 * steady, "36 m of a circle bend the chain most of the way to its steady angle"


def test_planner_and_tracker_may_take_the_vehicle_for_another() -> None:
    planner = Turning()
    rollout = drive(planner, believed=LONGER)
    assert {name for name, _ in planner.seen} == {"longer"}
    assert rollout.vehicle is TRUCK
    assert bitwise(rollout, drive()), "a tracker that reads no trailer drives the same"
    cab = Turning()
    drive(cab, believed=ALONE)
    assert cab.seen[0][1].shape == (1, 0)
    with pytest.raises(ConfigError, match="'truck' with 2 units, but 'alone' has 1"):
        drive(vehicle=ALONE, believed=TRUCK)


def test_measured_joints_bear_noise_that_depends_on_seed_and_step_alone() -> None:
    noisy = replace(CHAIN, joint_noise_rad=0.01)
    planner, again, other = Turning(), Turning(), Turning()
    rollout = drive(planner, noisy)
    drive(again, noisy)
    drive(other, noisy, seed=1)
    seen = np.concatenate([j for _, j in planner.seen])
    np.testing.assert_array_equal(seen, np.concatenate([j for _, j in again.seen]))
    assert not np.array_equal(seen, np.concatenate([j for _, j in other.seen]))
    error = seen[: len(rollout)] - rollout.drive.joints
    assert 0.007 < error.std() < 0.013
    assert bitwise(rollout, drive()), "the truck itself feels no noise"


def test_joints_that_are_not_measured_are_estimated_for_the_believed_vehicle() -> None:
    planner = Turning()
    rollout = drive(planner, replace(CHAIN, joint_measured=False))
    seen = np.concatenate([j for _, j in planner.seen])
    np.testing.assert_allclose(seen[: len(rollout)], rollout.drive.joints, atol=1e-9)
    wrong = Turning()
    drive(wrong, replace(CHAIN, joint_measured=False), believed=LONGER)
    estimated = np.concatenate([j for _, j in wrong.seen])[: len(rollout)]
    poses = np.ascontiguousarray(rollout.drive.ego[None, :, :3])
    np.testing.assert_allclose(estimated, pull_joints(poses, estimated[:1], chain_of(LONGER), 2)[0], atol=1e-12)
    assert abs(estimated[-1, 0] - rollout.drive.joints[-1, 0]) > 1e-3


def test_normal_numbers_are_standard_and_independent() -> None:
    keys = np.array([scenario_key(0, str(i)) for i in range(4000)], np.uint64)
    a, b = normals(keys, 3, 2), normals(keys, 4, 2)
    for x in (a, b):
        assert abs(x.mean()) < 0.05
        assert abs(x.std() - 1.0) < 0.03
    assert abs(np.corrcoef(np.concatenate([a, b], 1).T) - np.eye(4)).max() < 0.06
    np.testing.assert_array_equal(normals(keys[7:8], 3, 2), a[7:8])


def test_joints_stop_at_their_limit() -> None:
    stiff = replace(TRUCK, units=(TRACTOR, replace(VAN, joint_limit_rad=0.02)))
    joints = drive(vehicle=stiff).drive.joints
    assert joints.min() == -0.02


def test_units_stay_hitched() -> None:
    d = drive().drive
    poses = unit_poses(np.ascontiguousarray(d.ego), d.joints, chain_of(TRUCK))
    hitch = poses[:, 0, :2] + 0.3 * np.stack([np.cos(poses[:, 0, 2]), np.sin(poses[:, 0, 2])], 1)
    kingpin = poses[:, 1, :2] + 12.5 * np.stack([np.cos(poses[:, 1, 2]), np.sin(poses[:, 1, 2])], 1)
    np.testing.assert_allclose(hitch, kingpin, atol=1e-9)


def test_a_log_without_a_past_is_continued_backwards_along_its_lane() -> None:
    s = made_up_scenario()
    angle = np.linspace(-2.0, 0.5, 200)  # the only lane: a circle of 30 m to the left that passes the origin along x
    circle = np.stack([30.0 * np.sin(angle), 30.0 * (1.0 - np.cos(angle))], 1)
    lanes = replace(s.map.lanes, centerlines=Polylines.build([circle] * len(s.map.lanes)), predecessors=no_lanes(s))
    ego = s.drive.ego.copy()
    ego[:, :3] = [0.0, 0.4, 0.0]  # it stands beside the centerline
    alone = replace(s, map=replace(s.map, lanes=lanes), drive=replace(s.drive, ego=ego), first=0)
    got = first_joints(alone, TRUCK)[0]
    steady = -(np.arctan(12.5 / np.sqrt(30.0**2 + 0.3**2 - 12.5**2)) - np.arctan(0.3 / 30.0))
    assert got == pytest.approx(steady, abs=0.02)
    far = replace(alone, drive=replace(alone.drive, ego=ego + 1e4))
    assert first_joints(far, TRUCK)[0] == 0.0, "no lane: straight on"


def no_lanes(s):
    return Ragged.build([np.zeros(0, np.int64)] * len(s.map.lanes))


def test_the_tracker_of_another_vehicle_is_shown_its_own_rates() -> None:
    """The state of a truck with one joint, known for one without, and with joints that are not measured."""
    columns = ("joint_rate_1", "steering_rate", "drive")
    ego = np.zeros((1, 10))
    ego[0, 3], ego[0, 8] = 10.0, 0.1
    state = VehicleState(ego, np.array([[-0.1]]), np.array([[0.7, 0.05, 1.0]]))
    exact = Sensing(TRUCK).state(TRUCK, columns, state, state.joints)
    assert exact is state
    alone = Sensing(ALONE).state(TRUCK, columns, state, np.zeros((1, 0)))
    np.testing.assert_array_equal(alone.motion, [[0.05]])
    guessed = Sensing(TRUCK, measured=False).state(TRUCK, columns, state, np.array([[-0.2]]))
    rolling = (0.3 * 0.1 * np.cos(-0.2) - 10.0 * np.sin(-0.2)) / 12.5 - 0.1
    np.testing.assert_allclose(guessed.motion, [[rolling, 0.05]])
    kinematic = Sensing(ALONE).state(TRUCK, (), state._replace(motion=np.zeros((1, 0))), np.zeros((1, 0)))
    assert kinematic.motion.shape == (1, 0)
