"""Joint angles of an articulated ego: where a scenario begins, where it moves without a vehicle model, and as planner
and tracker know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from roadcraft.core.arrays import F64, U64
from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Ego, Scenario
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.core.driving.motion.chain import chain_of, pull_joints, rolling_rates
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.vehicles.state import VehicleState
from roadcraft.core.vehicles.vehicle import Vehicle

LENGTHS_BACK = 3.0  # vehicle lengths of path after which a chain has forgotten how it began
_NEAR_M, _STEP_M = 5.0, 0.5  # farthest lane, in m; distance between poses along it


def pulled(state: VehicleState, ego: F64, vehicle: Vehicle) -> VehicleState:
    """The state once unit 0 has moved to ``ego`` (B, 10) by other means: its units are pulled along."""
    if not vehicle.joints:
        return state._replace(ego=ego)
    return state._replace(ego=ego, joints=bounded(pulled_joints(state.ego, ego, state.joints, vehicle), vehicle))


def pulled_joints(before: F64, after: F64, joints: F64, vehicle: Vehicle, steps: int = 2) -> F64:
    """Joint angles (B, J) once unit 0 has moved from ``before`` (B, 10), where they were ``joints``, to ``after``.
    steps: parts of the way."""
    poses = np.stack([before[:, :3], after[:, :3]], 1)
    return pull_joints(poses, np.ascontiguousarray(joints), chain_of(vehicle), steps)[:, -1]


def rolling_joint_rates(ego: F64, joints: F64, vehicle: Vehicle) -> F64:
    """Joint rates (B, J) in rad/s of a vehicle whose axles do not slip sideways."""
    out, chain, rates = np.zeros_like(joints), chain_of(vehicle), np.empty(3 + joints.shape[1])
    for b in range(len(ego)):
        state = np.concatenate([ego[b, : Ego.VX], joints[b]])
        rolling_rates(state, ego[b, Ego.VX], ego[b, Ego.YAW_RATE], chain, rates)
        out[b] = rates[3:]
    return out


def bounded(joints: F64, vehicle: Vehicle) -> F64:
    """Joint angles (B, J) within the limits of the joints, where units touch each other."""
    limit = np.array([u.joint_limit_rad for u in vehicle.units[1:]])
    return np.clip(joints, -limit, limit)


def first_joints(s: Scenario, vehicle: Vehicle) -> F64:
    """Joint angles (J,) at a scenario's first iteration: those of the log where it drove this vehicle, else those that
    the path driven so far has left, which is continued backwards along the lane, straight on where there is none."""
    if not vehicle.joints:
        return np.zeros(0)
    if s.drive.vehicle == vehicle.name and s.drive.joints.shape[1] == vehicle.joints:
        return np.asarray(bounded(s.drive.joints[s.first], vehicle), np.float64)
    return path_joints(s, vehicle)


def path_joints(s: Scenario, vehicle: Vehicle) -> F64:
    """Joint angles (J,) that the path driven up to a scenario's first iteration leaves."""
    length = sum(u.wheel_base_m + abs(u.hitch_m) for u in vehicle.units)
    path = _driven(s, LENGTHS_BACK * length)
    poses = np.ascontiguousarray(_extended(path, s.map, LENGTHS_BACK * length))
    return pull_joints(poses[None], np.zeros((1, vehicle.joints)), chain_of(vehicle))[0, -1]


def _driven(s: Scenario, reach_m: float) -> F64:
    """Poses (P, 3) of unit 0 from at most ``reach_m`` before the first iteration, oldest first."""
    ego = s.drive.ego[: s.first + 1, :3]
    steps = np.hypot(*np.diff(ego[:, :2], axis=0).T)
    back = np.concatenate([np.cumsum(steps[::-1])[::-1], [0.0]])
    return np.array(ego[np.flatnonzero(back <= reach_m)[0] :])


def _extended(path: F64, m: MapData, reach_m: float) -> F64:
    """The path (P, 3), begun ``reach_m`` earlier along its lane and the lanes before it."""
    length = float(np.hypot(*np.diff(path[:, :2], axis=0).T).sum())
    missing = reach_m - length
    if missing <= 0.0:
        return path
    back = _lane_behind(path[0], m, missing)
    return np.concatenate([back, path]) if len(back) else path


def _lane_behind(pose: F64, m: MapData, reach_m: float) -> F64:
    """Poses (Q, 3) on the way to ``pose`` along the centerlines that lead to it, shifted to meet it; none where no lane
    lies under it."""
    lines = m.lanes.centerlines
    if not len(lines.points):
        return np.zeros((0, 3))
    near = np.flatnonzero(np.hypot(*(lines.points - pose[:2]).T) <= _NEAR_M)
    best, found = np.inf, (-1, -1)
    for v in near:
        lane = int(np.searchsorted(lines.offsets, v, side="right")) - 1
        first, last = int(lines.offsets[lane]), int(lines.offsets[lane + 1]) - 1
        if last <= first:
            continue
        a = min(int(v), last - 1)
        along = lines.points[a + 1] - lines.points[a]
        turned = abs(wrap_array(np.arctan2(along[1], along[0]) - pose[2]))
        off = float(np.hypot(*(lines.points[v] - pose[:2])))
        if turned < 0.5 and off < best:
            best, found = off, (lane, int(v))
    if found[0] < 0:
        return np.zeros((0, 3))
    lane, v = found
    points = [lines.points[lines.offsets[lane] : v + 1]]
    length, seen = _length(points[0]), {lane}
    while length < reach_m:
        before = [int(p) for p in m.lanes.predecessors[lane] if int(p) not in seen]
        if not before:
            break
        lane = before[0]
        seen.add(lane)
        points.insert(0, lines.points[lines.offsets[lane] : lines.offsets[lane + 1]])
        length += _length(points[0])
    line = np.concatenate(points)
    line = line[np.concatenate([np.hypot(*np.diff(line, axis=0).T) > 1e-6, [True]])]
    if len(line) < 2:
        return np.zeros((0, 3))
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.arange(max(s[-1] - reach_m, 0.0), s[-1], _STEP_M)
    x, y = np.interp(at, s, line[:, 0]), np.interp(at, s, line[:, 1])
    segment = np.clip(np.searchsorted(s, at, side="right") - 1, 0, len(line) - 2)
    along = line[segment + 1] - line[segment]
    shift = pose[:2] - line[-1]
    return np.stack([x + shift[0], y + shift[1], np.arctan2(along[:, 1], along[:, 0])], 1)


def _length(line: F64) -> float:
    return float(np.hypot(*np.diff(line, axis=0).T).sum())


@dataclass(frozen=True)
class Sensing:
    """What planner and tracker know of the joints. believed: the vehicle that they take the ego for; noise_rad:
    standard deviation of measured angles; measured: else the angles are those that the path driven would leave behind
    the believed vehicle; seed: of the noise."""

    believed: Vehicle
    noise_rad: float = 0.0
    measured: bool = True
    seed: int = 0

    def is_exact(self, vehicle: Vehicle) -> bool:
        """Whether they know the joints of ``vehicle`` as they are."""
        return self.believed.joints == vehicle.joints and (not vehicle.joints or (self.measured and not self.noise_rad))

    def keys(self, scenarios: Sequence[Scenario]) -> U64:
        """Keys (B,) of the noise."""
        return np.array([scenario_key(self.seed, f"{s.token}:joints") for s in scenarios], np.uint64)

    def first(self, s: Scenario, joints: F64) -> F64:
        """The angles (J',) known at the first iteration, where they are ``joints`` (J,)."""
        if not self.measured:
            return path_joints(s, self.believed) if self.believed.joints else np.zeros(0)
        return self._noisy(joints[None], self.keys([s]), 0)[0]

    def next(self, keys: U64, step: int, before: F64, seen: F64, state: VehicleState) -> F64:
        """The angles (R, J') known at iteration ``step``, where the ego came from ``before`` (R, 10) with angles
        ``seen``."""
        if not self.measured:
            known = VehicleState(before, seen, np.zeros((len(before), 0)))
            return pulled(known, state.ego, self.believed).joints
        return self._noisy(state.joints, keys, step)

    def state(self, vehicle: Vehicle, columns: Sequence[str], state: VehicleState, joints: F64) -> VehicleState:
        """The state (R) as planner and tracker know it, who know the angles ``joints`` (R, J') of the believed vehicle;
        columns: those of ``state.motion``. Where they do not know the joints as they are, nor do they know their rates:
        those of axles that do not slip take their place. The steering is known."""
        if self.is_exact(vehicle):
            return state
        motion = np.zeros((len(joints), 0))
        if "steering_rate" in columns:
            steering = state.motion[:, list(columns).index("steering_rate")]
            motion = np.column_stack([rolling_joint_rates(state.ego, joints, self.believed), steering])
        return VehicleState(state.ego, joints, motion)

    def _noisy(self, joints: F64, keys: U64, step: int) -> F64:
        known = joints[:, : self.believed.joints]
        return known + self.noise_rad * normals(keys, step, known.shape[1]) if self.noise_rad else known


def normals(keys: U64, step: int, count: int) -> F64:
    """Standard normal numbers (B, count) of one step: each depends on its key, step and place alone."""
    out = np.empty((len(keys), count))
    for j in range(count):
        at = (step * count + j) * 2
        u, v = (((step_keys(keys, at + k) >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53 for k in (0, 1))
        out[:, j] = np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)
    return out
