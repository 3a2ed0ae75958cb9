"""Drives of articulated vehicles, started where the reference starts and driven by its controls."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.motion.chain import FREE, advance_rolling, chain_of, pull_joints, unit_poses
from roadcraft.core.driving.motion.dynamic_chain import (
    advance_dynamic,
    dynamic_chain_of,
    motion_layout,
    road_rows,
    start_motion,
)
from roadcraft.core.driving.motion.linear_single_track import static_loads
from roadcraft.core.errors import ConfigError
from roadcraft.core.vehicles.state import level_road
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.golden.freight.reading import Node, vehicle_of
from roadcraft.validation.golden.freight.rows import Rows

POSE_TOLERANCE, CHORD_TOLERANCE_M, RATE_TOLERANCE = 1e-6, 2e-2, 1e-5
_STEP_S = 0.05  # of the Runge-Kutta steps of trailers that do not slip
_START = ("x_m", "y_m", "heading_rad")


class _Drive:
    """A sequence as arrays: states by name, one more than controls; unit_poses (T + 1, n, 3)."""

    def __init__(self, file: Node, controls: tuple[str, ...], named: tuple[str, ...]) -> None:
        self.vehicle: Vehicle = vehicle_of(file["vehicle"])
        self.dt = file["dt_s"].number()
        if not self.dt > 0.0:
            file["dt_s"].wrong("must be above 0")
        held = file["controls"]
        places = held["columns"].columns(*controls)
        self.controls = held["values"].array(None, len(held["columns"].value))[:, places]
        steps, names = len(self.controls), [n.text() for n in file["columns"]]
        file["columns"].columns("time_s", *_START, *named)
        self._states = dict(zip(names, file["states"].array(steps + 1, len(names)).T, strict=True))
        self.unit_poses = file["unit_poses"].array(steps + 1, len(self.vehicle.units), 3)

    def __getitem__(self, names: tuple[str, ...]) -> F64:
        return np.stack([self._states[n] for n in names], -1) if names else np.zeros((len(self.controls) + 1, 0))


def _numbered(name: str, vehicle: Vehicle) -> tuple[str, ...]:
    return tuple(name.format(i) for i in range(1, vehicle.joints + 1))


def _compare_poses(rows: Rows, drive: _Drive, ego: F64, joints: F64) -> None:
    """ego (T + 1, 10), joints (T + 1, n - 1)."""
    bent = drive[_numbered("joint_{}_rad", drive.vehicle)]
    rows.add("position", ego[:, :2], drive["x_m", "y_m"], POSE_TOLERANCE)
    rows.add("heading", ego[:, 2], drive[("heading_rad",)][:, 0], POSE_TOLERANCE, angles=True)
    rows.add("steering", ego[:, Ego.STEERING], drive[("steering_rad",)][:, 0], POSE_TOLERANCE)
    if bent.shape[1]:
        rows.add("joints", joints, bent, POSE_TOLERANCE, angles=True)
    ours = unit_poses(ego, joints, chain_of(drive.vehicle))
    rows.add("unit positions", ours[..., :2], drive.unit_poses[..., :2], POSE_TOLERANCE)
    rows.add("unit headings", ours[..., 2], drive.unit_poses[..., 2], POSE_TOLERANCE, angles=True)


def _joint_columns(file: Node, names: str) -> tuple[str, ...]:
    return tuple(names.format(i) for i in range(1, len(list(file["vehicle"]["units"]))))


def compare_rolling(file: Node) -> Rows:
    """A drive in which no axle slips (kinds ``kst`` and ``chain``)."""
    rows = Rows(file)
    joints_named = _joint_columns(file, "joint_{}_rad")
    controls = ("accel_mps2", "steering_rate_radps")
    drive = _Drive(file, controls, ("speed_mps", "steering_rad", *joints_named))
    chain, count = chain_of(drive.vehicle), len(drive.controls) + 1
    ego, joints = np.zeros((count, 10)), np.zeros((count, drive.vehicle.joints))
    ego[0, [0, 1, 2, Ego.VX, Ego.STEERING]] = drive[(*_START, "speed_mps", "steering_rad")][0]
    joints[0] = drive[joints_named][0]
    steps, dt = max(1, round(drive.dt / _STEP_S)), np.full(1, drive.dt)
    for k in range(1, count):
        moved = advance_rolling(ego[k - 1 : k], joints[k - 1 : k], drive.controls[k - 1 : k], dt, (chain, FREE), steps)
        ego[k], joints[k] = moved[0][0], moved[1][0]
    _compare_poses(rows, drive, ego, joints)
    rows.add("speed", ego[:, Ego.VX], drive[("speed_mps",)][:, 0], POSE_TOLERANCE)
    if drive.vehicle.joints:
        poses = np.ascontiguousarray(drive.unit_poses[:, 0])
        pulled = unit_poses(poses, pull_joints(poses[None], joints[:1], chain)[0], chain)
        gaps = np.linalg.norm(pulled[..., :2] - drive.unit_poses[..., :2], axis=-1)
        rows.add_gaps("unit positions by the chord", gaps, gaps, np.zeros_like(gaps), CHORD_TOLERANCE_M)
    return rows


def compare_sliding(file: Node) -> Rows:
    """A drive with slipping, linear tires at constant speed (kind ``dynamics``)."""
    rows = Rows(file)
    bent, turning = (_joint_columns(file, n) for n in ("joint_{}_rad", "joint_rate_{}_radps"))
    pressed = tuple(f"ay_cog_unit_{i}_mps2" for i in range(1 + len(bent)))
    moving = ("vx_mps", "vy_rear_axle_mps", "yaw_rate_radps")
    drive = _Drive(file, ("steering_rate_radps",), (*moving, "steering_rad", *bent, *turning, *pressed))
    vehicle, node = drive.vehicle, file["vehicle"]
    if not vehicle.loads:
        node.wrong("lacks 'mass_kg'")
    try:
        model, loads, at = dynamic_chain_of(vehicle, ideal=True), static_loads(vehicle), motion_layout(vehicle)
    except ConfigError as e:
        node.wrong(str(e))
    given = [node["steered_axle_load_N"].number(), *node["axle_load_N"].array(len(vehicle.units))]
    rows.add_relative("static loads", loads, given, 1e-9, 0)
    count, links = len(drive.controls) + 1, vehicle.joints
    ego, joints = np.zeros((count, 10)), np.zeros((count, links))
    columns = [0, 1, 2, Ego.VX, Ego.VY, Ego.YAW_RATE, Ego.STEERING]
    ego[0, columns] = drive[(*_START, *moving, "steering_rad")][0]
    joints[0] = drive[bent][0]
    start = start_motion(vehicle, ego[:1], joints[:1])
    motion = np.repeat(start, count, 0)
    motion[0, :links] = drive[turning][0]
    dt, road = np.full(1, drive.dt), road_rows(level_road(1), vehicle)
    for k in range(1, count):
        before = slice(k - 1, k)
        controls = np.array([[0.0, drive.controls[k - 1, 0]]])
        moved = advance_dynamic(ego[before], joints[before], motion[before], controls, dt, road, model)
        ego[k], joints[k], motion[k] = moved[0][0], moved[1][0], moved[2][0]
    _compare_poses(rows, drive, ego, joints)
    rows.add("velocity", ego[:, [Ego.VX, Ego.VY]], drive["vx_mps", "vy_rear_axle_mps"], RATE_TOLERANCE)
    rows.add("yaw rate", ego[:, Ego.YAW_RATE], drive[("yaw_rate_radps",)][:, 0], RATE_TOLERANCE)
    if links:
        rows.add("joint rates", motion[:, :links], drive[turning], RATE_TOLERANCE)
    ours = motion[1:, at.ay : at.ay + 1 + links]
    rows.add("lateral accelerations", ours, drive[pressed][1:], RATE_TOLERANCE)
    return rows
